"""One package per deployable process; none imports another."""
