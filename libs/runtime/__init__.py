"""What every process needs: configuration, logs, health, metrics, ordered start and stop."""
