"""Published token prices, flattened once at start into plain numbers."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

from libs.providers.catalogue import Price

UNPUBLISHED_WINDOW = 32_000  # Assumed where none is published: small, so that a long prompt is not sent to find out.


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What is published of one model: its name at the provider, context window and price."""

    upstream_id: str
    context_tokens: int
    price: Price


def published(provider_id: str, at: datetime) -> Iterator[Published]:
    """
    Yield the models of a provider that are priced per token at that time and not deprecated.

    A price that depends on the prompt's length is taken at its first tier. Raises LookupError for an unknown provider.
    """
    provider = get_snapshot().find_provider(None, provider_id, None)
    for model in provider.models:
        price = None if model.deprecated else _price(model, at)
        if price is not None:
            window = model.context_window or UNPUBLISHED_WINDOW
            yield Published(upstream_id=model.id, context_tokens=window, price=price)


def _price(model: ModelInfo, at: datetime) -> Price | None:
    if not model.prices:
        return None
    prices = model.get_prices(at)
    fresh, output = _number(prices, "input_mtok"), _number(prices, "output_mtok")
    if fresh is None or output is None:
        return None
    read, write = _number(prices, "cache_read_mtok"), _number(prices, "cache_write_mtok")
    return Price(
        fresh_input=fresh,
        cache_read=fresh if read is None else read,
        cache_write=fresh if write is None else write,
        output=output,
    )


def _number(prices: ModelPrice, key: str) -> float | None:
    value: Decimal | TieredPrices | None = getattr(prices, key)
    if value is None:
        return None
    return float(value.base if isinstance(value, TieredPrices) else value)
