"""Takes every kind of feedback and publishes it durably."""
