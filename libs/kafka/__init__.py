"""Consume, produce, journal and dead-letter: the only place that knows offsets."""
