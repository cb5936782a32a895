"""Fixtures of the router's unit tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.services.router.serving import Client, serving


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A caller of a router on fakes."""
    async with serving(tmp_path / "s") as client:
        yield client
