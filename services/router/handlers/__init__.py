"""HTTP: parse, call, answer; one module per feature."""
