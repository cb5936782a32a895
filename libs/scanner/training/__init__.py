"""Training of the scanner's model: run offline as `python -m libs.scanner.training`; never imported by a service."""
