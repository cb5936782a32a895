"""The routing brain: pure functions from evidence to a decision."""
