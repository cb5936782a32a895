"""Fixtures that find the real backends, for every suite that asks for one."""

pytest_plugins = ["tests.support.backends"]
