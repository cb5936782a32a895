"""Headers become options whatever their case and prefix; one that cannot be used is named."""

import pytest

from libs.contracts.http import SESSION_HEADERS
from services.gateway.domain.errors import RefusedError
from services.gateway.domain.options import CacheControl, Options, read_options


def test_no_headers_are_no_options():
    assert Options() == read_options([("content-type", "application/json"), ("Authorization", "Bearer x")])


@pytest.mark.parametrize("prefix", ["floopy", "Floopy", "helicone", "HELICONE"])
def test_either_prefix_in_any_case_names_an_option(prefix):
    headers = [(f"{prefix}-Cache-Enabled", "TRUE"), (f"{prefix}-User-Id", " u1 "), (f"{prefix}-property-Plan", "pro")]
    options = read_options(headers)
    assert (True, "u1", {"plan": "pro"}) == (options.cache_enabled, options.user_id, options.properties)


@pytest.mark.parametrize("headers", [["floopy-user-id", "helicone-user-id"], ["helicone-user-id", "floopy-user-id"]])
def test_the_floopy_header_wins_over_its_alias_in_any_order(headers):
    assert read_options([(name, name) for name in headers]).user_id == "floopy-user-id"


def test_session_headers_have_an_order_of_precedence():
    headers = [(name.upper(), f"from {name}") for name in SESSION_HEADERS]
    for missing in range(len(headers)):
        assert f"from {SESSION_HEADERS[missing]}" == read_options(reversed(headers[missing:])).session_id


def test_an_empty_session_header_is_no_session():
    assert read_options([("floopy-session-id", "  "), ("x-session-id", "s")]).session_id == "s"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("max-age=60", CacheControl(max_age_s=60)),
        ("no-store, max-age=5, max-age=3", CacheControl(no_store=True, max_age_s=3)),
        ("No-Cache", CacheControl(no_cache=True)),
        ("max-age=soon, public", CacheControl()),
    ],
)
def test_cache_control_is_understood_and_what_is_not_is_ignored(value, expected):
    assert expected == read_options([("Cache-Control", value)]).cache_control


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("floopy-cache-enabled", "perhaps"),
        ("floopy-llm-security-enabled", ""),
        ("floopy-cache-bucket-max-size", "0"),
        ("floopy-cache-bucket-max-size", "21"),
        ("floopy-cache-bucket-max-size", "²"),
        ("floopy-cache-bucket-max-size", "-1"),
        ("floopy-user-id", "x" * 513),
        ("floopy-user-id", b"\xff".decode(errors="surrogateescape")),
        ("floopy-property-plan", "a\udcff"),
        ("floopy-session-id", "x" * 257),
        ("x-session-id", "a\x00b"),
    ],
)
def test_an_unusable_value_is_refused_by_name(name, value):
    with pytest.raises(RefusedError) as refused:
        read_options([(name, value)])
    assert (400, "BAD_REQUEST", name) == (refused.value.status, refused.value.code, refused.value.param)


def test_lists_and_numbers_are_typed():
    options = read_options(
        [
            ("floopy-fallback", "a, b,,c "),
            ("floopy-cache-ignore-keys", "seed"),
            ("floopy-cache-bucket-max-size", "20"),
            ("floopy-llm-security-enabled", "false"),
        ]
    )
    assert (("a", "b", "c"), ("seed",), 20, False) == (
        options.fallback,
        options.cache_ignore_keys,
        options.cache_bucket_size,
        options.security_enabled,
    )
