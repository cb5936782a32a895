"""Two requests share a cached answer only where tenant, model, rule, provider, seed, bucket and the asked-for JSON are equal."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.cachekey import IGNORED_FIELDS, CacheKey, cache_digest

text = st.text(max_size=8)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(text.filter(lambda name: name not in IGNORED_FIELDS), json_values, max_size=5)
keys = st.builds(
    CacheKey,
    tenant=text,
    model=text,
    rule_id=st.none() | text,
    provider=st.none() | text,
    seed=st.none() | text,
    bucket=st.integers(0, 19),
    scanned=st.booleans(),
)
surrogate_free = st.text(st.characters(codec="utf-8"), max_size=8)


def digest(key: CacheKey, fields: dict[str, Any], **dumps: Any) -> str | None:
    return cache_digest(key, json.dumps(fields, **dumps).encode())


@given(keys, keys, bodies, bodies)
def test_equal_digests_mean_equal_keys_and_equal_json(one, other, fields, others):
    if digest(one, fields) == digest(other, others) is not None:
        assert one == other
        assert msgspec.json.encode(fields, order="deterministic") == msgspec.json.encode(others, order="deterministic")


@given(surrogate_free, surrogate_free, bodies)
def test_two_tenants_never_share(tenant, other, fields):
    if tenant != other:
        one = digest(CacheKey(tenant=tenant, model="m"), fields)
        assert one != digest(CacheKey(tenant=other, model="m"), fields)


@given(keys, bodies, st.randoms(use_true_random=False))
def test_key_order_and_white_space_do_not_matter(key, fields, rng):
    shuffled = list(fields.items())
    rng.shuffle(shuffled)
    assert digest(key, fields) == digest(key, dict(shuffled), indent=3, separators=(" ,", " : "))


@given(keys, bodies, st.dictionaries(st.sampled_from(sorted(IGNORED_FIELDS)), json_values))
def test_who_asks_and_how_the_answer_travels_does_not_matter(key, fields, ignored):
    assert digest(key, fields) == digest(key, fields | ignored)


@given(keys, bodies, text, json_values, json_values)
def test_a_client_can_leave_fields_out(key, fields, name, one, other):
    first, second = (
        cache_digest(key, json.dumps(fields | {name: value}).encode(), ignore_keys=[name]) for value in (one, other)
    )
    assert first == second


def test_the_messages_matter():
    key = CacheKey(tenant="t", model="m")
    assert digest(key, {"messages": ["a"]}) != digest(key, {"messages": ["b"]})


def test_json_without_a_canonical_form_has_no_key():
    key = CacheKey(tenant="t", model="m")
    assert [None, None, None] == [cache_digest(key, raw) for raw in (b"[]", b"{", b'{"seed": "\\ud800"}')]
