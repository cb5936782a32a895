"""What a provider's head says is read as far as it can be used."""

from types import SimpleNamespace
from typing import Any

import pytest

from services.gateway.adapters.aiohttp_upstream import MAX_RETRY_AFTER_S, AiohttpAnswer


@pytest.mark.parametrize(
    ("header", "retry_after_s"),
    [("7", 7.0), ("0", 0.0), ("9" * 400, MAX_RETRY_AFTER_S), ("soon", None), ("-1", None), (None, None)],
)
def test_retry_after_is_a_bounded_number_of_seconds_or_nothing(header: str | None, retry_after_s: float | None):
    response: Any = SimpleNamespace(headers={} if header is None else {"retry-after": header})
    assert retry_after_s == AiohttpAnswer(response).retry_after_s
