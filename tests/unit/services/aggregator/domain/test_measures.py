"""What is written to fields is what is read from them."""

from hypothesis import given
from hypothesis import strategies as st

from libs.routing.operations import Operations
from libs.routing.statistics import Cell, Moments
from services.aggregator.domain import measures
from services.aggregator.domain.measures import TaskStatistics

names = st.text("abc:/-. é", min_size=1, max_size=12)
days = st.integers(0, 40_000)
sums = st.integers(-(2**62), 2**62)
cells = st.builds(
    Cell, task=st.just("chat"), model=names, source=st.sampled_from(["session", "auto", "manual"]), day=days
)
moments = st.builds(Moments, n=sums, sum_x=sums, sum_xx=sums)
operations = st.builds(Operations, requests=sums, errors=sums, cost_micro_usd=sums, latency_ms=sums, output=sums)


@given(evidence=st.dictionaries(cells, moments), done=st.dictionaries(st.tuples(names, days), operations))
def test_fields_are_read_back(evidence, done):
    fields = dict(field for cell, item in evidence.items() for field in measures.evidence_fields(cell, item))
    fields |= dict(field for (m, day), item in done.items() for field in measures.operations_fields(m, day, item))
    assert TaskStatistics(evidence=evidence, operations=done) == measures.parse("chat", fields)


def test_only_recent_operations_are_summed():
    done = {
        ("m1", 5): Operations(requests=1, latency_ms=10),
        ("m1", 6): Operations(requests=2, latency_ms=30),
        ("m1", 4): Operations(errors=9),
    }
    assert {"m1": Operations(requests=3, latency_ms=40)} == measures.recent(done, since_day=5)


def test_a_total_has_no_zeros():
    assert {"b": 3} == measures.total([{"a": 1, "b": 1}, {"a": -1, "b": 2}])
