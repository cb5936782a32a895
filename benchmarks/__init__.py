"""One file per question; each prints its command, method and result."""
