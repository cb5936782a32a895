"""The learning benchmark drives recorded sessions through the running services and loses nothing."""

import pytest

from benchmarks.learning.__main__ import NEEDED
from benchmarks.learning.runs import WORLDS
from benchmarks.learning.served import compare
from benchmarks.learning.tenants import HOPS
from benchmarks.learning.world import data_dir

TENANTS, ROUNDS = 2, 2


@pytest.mark.skipif(
    not all((data_dir() / name).exists() for name in NEEDED),
    reason="no recorded outcomes: set FLOOPY_BENCH_DATA",
)
def test_sessions_of_two_tenants_are_served_rated_and_learned_from():
    found = compare(WORLDS["tools"](data_dir()), tenants=TENANTS, rounds=ROUNDS, seed=1)
    assert {"decisions": 0, "events": 0, "steps to judge": 0} == found.lost
    assert 2 * TENANTS * ROUNDS * HOPS == found.hops
    assert {"Day 0", "ours"} == set(found.served) == set(found.simulated)
    assert all((TENANTS, ROUNDS) == ledger.gained.shape for ledger in found.served.values())
