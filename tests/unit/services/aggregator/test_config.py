"""Noise is off until an epsilon is set, and what cannot be used is refused by name before the start."""

import pytest

from libs.routing.noise import Privacy
from libs.runtime.config import ConfigError, load
from services.aggregator.config import AggregatorConfig


def configured(**env: str) -> AggregatorConfig:
    return load(AggregatorConfig, env=env)


def test_there_is_no_noise_until_an_epsilon_is_set():
    assert configured().noise is None
    assert configured(POOL_NOISE_DELTA="1e-9", INTERNAL_SECRET="s").noise is None


def test_the_noise_is_what_the_environment_says():
    found = configured(
        INTERNAL_SECRET="s",
        POOL_NOISE_EPSILON="0.5",
        POOL_NOISE_PERIOD_EPSILON="4",
        POOL_NOISE_PERIOD_DAYS="7",
        POOL_NOISE_DELTA="1e-7",
        POOL_NOISE_TENANT_CAP="3",
    ).noise
    assert found is not None
    assert Privacy(epsilon=0.5, period_epsilon=4.0, period_days=7, delta=1e-7, tenant_cap=3.0) == found.privacy
    assert b"s" != found.key
    assert 32 == len(found.key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("POOL_NOISE_EPSILON", value) for value in ("0", "-1", "nan", "inf", "much", "9")),
        *(("POOL_NOISE_PERIOD_EPSILON", value) for value in ("0", "nan", "0.5")),
        ("POOL_NOISE_PERIOD_DAYS", "0"),
        *(("POOL_NOISE_DELTA", value) for value in ("0", "1")),
        *(("POOL_NOISE_TENANT_CAP", value) for value in ("0", "inf")),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str):
    with pytest.raises(ConfigError, match=name):
        configured(**{"INTERNAL_SECRET": "s", "POOL_NOISE_EPSILON": "1"} | {name: value})


def test_noise_without_a_secret_is_refused():
    with pytest.raises(ConfigError, match="INTERNAL_SECRET"):
        configured(POOL_NOISE_EPSILON="1")
