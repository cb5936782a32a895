"""A gateway that cannot use what it is told says so by name before it starts."""

import pytest

from libs.runtime.config import ConfigError, load
from services.gateway.config import GatewayConfig


def configured(**env: str) -> GatewayConfig:
    return load(GatewayConfig, env={"INTERNAL_SECRET": "s"} | env)


@pytest.mark.parametrize(
    ("text", "urls"),
    [("", ()), ("http://a:1", ("http://a:1",)), ("http://a:1,https://b", ("http://a:1", "https://b"))],
)
def test_the_firewall_has_any_number_of_addresses(text: str, urls: tuple[str, ...]):
    assert urls == configured(FIREWALL_URL=text).firewall.url


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(ConfigError, match="FIREWALL: url: an address begins with http"):
        configured(FIREWALL_URL="http://a:1,b:2")
