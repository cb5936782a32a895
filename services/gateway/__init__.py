"""The one public address: authenticates, decides, forwards, accounts."""
