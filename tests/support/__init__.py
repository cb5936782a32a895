"""Backends and builders that tests of several services share."""
