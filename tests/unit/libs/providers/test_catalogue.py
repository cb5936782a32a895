"""Models are found by the names clients use, and tokens cost what the price list says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from libs.providers.catalogue import Catalogue, Model, Price, Provider, cost_micro_usd

PROVIDERS = {"groq": Provider(name="groq", base_url="http://groq")}
MODEL = Model(id="oss", provider="groq", upstream_id="openai/gpt-oss-120b", family="gpt-oss-120b")
CATALOGUE = Catalogue(providers=PROVIDERS, models={"oss": MODEL})

counts = st.integers(0, 10**7)
usages = st.builds(Usage, fresh_input=counts, cache_read=counts, cache_write=counts, output=counts, reasoning=counts)
prices = st.floats(0, 200)
price_lists = st.builds(Price, fresh_input=prices, cache_read=prices, cache_write=prices, output=prices)


@pytest.mark.parametrize(
    ("name", "found"), [("oss", MODEL), ("groq/openai/gpt-oss-120b", MODEL), ("gpt-oss-120b", None), ("x/y", None)]
)
def test_a_model_is_found_by_its_id_or_by_provider_and_upstream_id(name: str, found: Model | None) -> None:
    assert found == CATALOGUE.find(name)


def test_a_model_knows_its_provider() -> None:
    assert PROVIDERS["groq"] == CATALOGUE.provider_of(MODEL)


def test_a_thousand_tokens_of_each_bucket_cost_the_listed_price() -> None:
    price = Price(fresh_input=3.0, cache_read=0.3, cache_write=3.75, output=15.0)
    usage = Usage(fresh_input=1000, cache_read=1000, cache_write=1000, output=1000, reasoning=1000)
    assert 3000 + 300 + 3750 + 15_000 + 15_000 == cost_micro_usd(price, usage)


@given(price_lists, usages, usages)
def test_costs_add_up_to_within_a_rounding(price: Price, one: Usage, other: Usage) -> None:
    both = Usage(
        fresh_input=one.fresh_input + other.fresh_input,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
        output=one.output + other.output,
        reasoning=one.reasoning + other.reasoning,
    )
    assert abs(cost_micro_usd(price, one) + cost_micro_usd(price, other) - cost_micro_usd(price, both)) <= 2
    assert cost_micro_usd(price, both) >= cost_micro_usd(price, one) - 1


@given(price_lists)
def test_nothing_costs_nothing(price: Price) -> None:
    assert 0 == cost_micro_usd(price, Usage())
