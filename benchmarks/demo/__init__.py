"""Agents' sessions with known outcomes through the running platform: learning against Day-0 and a default model."""
