"""One platform for all end-to-end tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.e2e.platform import Platform, running_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture
def session_id() -> str:
    return f"session-{uuid4().hex[:12]}"
