"""What a tenant pays by its own contract, in place of the list price."""

from collections.abc import Mapping

import msgspec

from libs.contracts.state import TokenPrice
from libs.providers.catalogue import Model, Price


def priced(model: Model, prices: Mapping[str, TokenPrice]) -> Model:
    """Return *model* at the tenant's price where *prices* (by model id) holds one; cache reads and writes keep their ratio."""
    own = prices.get(model.id)
    return model if own is None else msgspec.structs.replace(model, price=_price(own, model.price))


def all_priced(models: Mapping[str, Model], prices: Mapping[str, TokenPrice]) -> Mapping[str, Model]:
    """Return *models* at the tenant's *prices*; the very mapping where there are none."""
    return {name: priced(model, prices) for name, model in models.items()} if prices else models


def _price(own: TokenPrice, listed: Price | None) -> Price:
    """Dollars per million tokens are micro-dollars per token, so that the numbers stay as they are."""
    ratio = own.input / listed.fresh_input if listed is not None and listed.fresh_input > 0 else None
    read = own.input if listed is None or ratio is None else ratio * listed.cache_read
    write = own.input if listed is None or ratio is None else ratio * listed.cache_write
    return Price(
        fresh_input=own.input,
        cache_read=read if own.cached is None else own.cached,
        cache_write=write,
        output=own.output,
    )
