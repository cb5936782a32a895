"""A tenant's price takes the place of the list price of that model, and of no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from libs.contracts.state import TokenPrice
from libs.providers.catalogue import Model, Price, cost_micro_usd
from libs.providers.overrides import all_priced, priced

LISTED = Price(fresh_input=2.0, cache_read=0.2, cache_write=2.5, output=8.0)
dollars = st.floats(0.0, 500.0)


def a_model(price: Price | None = LISTED) -> Model:
    return Model(id="m", provider="p", upstream_id="m", family="m", price=price)


def test_the_cache_keeps_its_share_of_the_input_price():
    found = priced(a_model(), {"m": TokenPrice(input=1.0, output=3.0)}).price
    assert Price(fresh_input=1.0, cache_read=0.1, cache_write=1.25, output=3.0) == found


def test_a_cached_price_of_its_own_goes_before():
    found = priced(a_model(), {"m": TokenPrice(input=1.0, output=3.0, cached=0.5)}).price
    assert found is not None
    assert (0.5, 1.25) == (found.cache_read, found.cache_write)


@pytest.mark.parametrize("listed", [None, Price(fresh_input=0.0, cache_read=0.0, cache_write=0.0, output=0.0)])
def test_without_a_list_price_the_cache_costs_what_fresh_input_does(listed: Price | None):
    found = priced(a_model(listed), {"m": TokenPrice(input=1.0, output=3.0)}).price
    assert Price(fresh_input=1.0, cache_read=1.0, cache_write=1.0, output=3.0) == found


def test_other_models_and_tenants_without_prices_are_left_as_they_are():
    models = {"m": a_model()}
    assert models is all_priced(models, {})
    assert models == all_priced(models, {"other": TokenPrice(input=1.0, output=3.0)})


@given(dollars, dollars, st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_million_tokens_cost_what_the_contract_says(fresh: float, output: float, inputs: int, outputs: int):
    price = priced(a_model(), {"m": TokenPrice(input=fresh, output=output)}).price
    assert price is not None
    expected = fresh * inputs + output * outputs
    assert expected == pytest.approx(cost_micro_usd(price, Usage(fresh_input=inputs, output=outputs)), abs=0.51)
