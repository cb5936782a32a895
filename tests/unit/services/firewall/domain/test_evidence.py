"""Evidence is joined the same in any order and any number of times, stays bounded, and faint evidence alone is never enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.scanner.verdict import Band
from services.firewall.domain.evidence import DISCOUNT, HOSTILE, KEPT, merged, total, weight

BAND = Band(flag=0.5, block=0.9)
FAINTEST = weight(BAND.flag, BAND)

digests = st.text("abcdef", min_size=1, max_size=3)
# A passage weighs the same whenever it is judged.
truths = st.dictionaries(digests, st.floats(0.01, 2.0), max_size=80)


@st.composite
def hops(draw):
    """Exchanges of one session: each repeats some of it."""
    truth = draw(truths)
    names = st.lists(st.sampled_from(sorted(truth)), max_size=len(truth)) if truth else st.just([])
    return [{name: truth[name] for name in draw(names)} for _ in range(draw(st.integers(0, 8)))]


def joined(exchanges):
    known = {}
    for exchange in exchanges:
        known = merged(known, exchange)
    return known


@given(hops(), st.randoms())
def test_order_and_redelivery_do_not_matter(exchanges, random):
    again = [*exchanges, *random.choices(exchanges, k=5)] if exchanges else []
    random.shuffle(again)
    assert joined(exchanges) == joined(again)


@given(hops())
def test_memory_is_bounded_by_the_heaviest(exchanges):
    found = {digest: each for exchange in exchanges for digest, each in exchange.items()}
    known = joined(exchanges)
    assert sorted(found.values(), reverse=True)[:KEPT] == sorted(known.values(), reverse=True)


@given(st.lists(st.floats(0.0, 2.0)), st.floats(0.0, 2.0))
def test_more_evidence_never_weighs_less(weights, another):
    assert total([*weights, another]) >= total(weights) - 1e-12
    assert total([*weights, another]) >= another - 1e-12


@given(st.lists(st.floats(0.0, 0.29), max_size=500))
def test_faint_passages_never_suffice_however_many(weights):
    assert total(weights) < HOSTILE


def test_passages_that_are_barely_flagged_never_suffice():
    assert FAINTEST / (1 - DISCOUNT) < HOSTILE


@pytest.mark.parametrize("score", [0.0, 0.2, 0.4999])
def test_what_is_allowed_weighs_nothing(score):
    assert 0 == weight(score, BAND)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_more_suspicious_weighs_more(one, other):
    low, high = sorted((one, other))
    assert weight(low, BAND) <= weight(high, BAND) <= 2


def test_at_the_block_limit_three_passages_are_enough_and_far_beyond_it_one_is():
    assert total([weight(0.9, BAND)] * 2) < HOSTILE <= total([weight(0.9, BAND)] * 3)
    assert weight(0.99, BAND) < HOSTILE <= weight(0.9999, BAND)


def test_a_tenant_without_a_flag_band_of_its_own_has_what_it_blocks_weighed():
    assert 0.5 == pytest.approx(weight(0.9, Band(flag=0.9, block=0.9)))
    assert 0 == weight(0.89, Band(flag=0.9, block=0.9))
