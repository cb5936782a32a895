"""The embedded stack: every backend as a supervised local process."""
