"""What must not be written down or handed out: secrets and personal data, found in text and replaced."""
