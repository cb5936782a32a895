"""A Redis address says where Redis is and who logs in."""

import pytest

from services.gateway.adapters.redis_wire import RedisAddress, parse_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", RedisAddress()),
        ("redis://h:7/3", RedisAddress(host="h", port=7, database=3)),
        ("rediss://u:p%40@h", RedisAddress(host="h", username="u", password="p@", tls=True)),
        ("redis://:p@h", RedisAddress(host="h", username="", password="p")),
        ("unix:///run/r.sock?db=2", RedisAddress(path="/run/r.sock", database=2)),
    ],
)
def test_an_address_is_read(url, expected):
    assert expected == parse_address(url)


def test_another_scheme_is_refused():
    with pytest.raises(ValueError, match="http"):
        parse_address("http://h")
