"""The books: what served is charged at its price, and an event never claims more than is known."""

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.events import Usage
from services.gateway.domain.accounting import Outcome, completed, estimated_usage
from services.gateway.domain.trace import Laps, Trace
from tests.unit.services.gateway.fakes import NOW_MS, PRICE, REQUEST_ID, caller

counts = st.integers(0, 10**9)


def trace(**fields: object) -> Trace:
    start = {"request_id": REQUEST_ID, "caller": caller(), "body": b"{}", "created_at_ms": NOW_MS, "started_ns": 5_000}
    return Trace(**start | fields)


@given(st.builds(Usage, fresh_input=counts, cache_read=counts, cache_write=counts, output=counts, reasoning=counts))
def test_every_bucket_is_charged_at_its_own_price(usage):
    event = completed(
        trace(model="a", provider="p", price=PRICE, usage=usage), Outcome(status="ok", http_status=200, ended_ns=6_000)
    )
    exact = (
        usage.fresh_input + 0.1 * usage.cache_read + 1.25 * usage.cache_write + 10 * (usage.output + usage.reasoning)
    )
    assert abs(event.cost_micro_usd - exact) <= 1


def test_an_unknown_price_costs_nothing_rather_than_a_guess():
    event = completed(trace(model="a", usage=Usage(output=5)), Outcome(status="ok", http_status=200, ended_ns=6_000))
    assert event.cost_micro_usd == 0


@given(upstream_us=st.integers(0, 10**7), total_us=st.integers(0, 10**7))
def test_overhead_is_what_the_upstream_did_not_take(upstream_us, total_us):
    ended = Outcome(status="ok", http_status=200, ended_ns=5_000 + total_us * 1000)
    timings = completed(trace(laps=Laps(upstream_us=upstream_us)), ended).timings
    assert (total_us, max(0, total_us - upstream_us)) == (timings.total_us, timings.overhead_us)


def test_a_request_that_could_not_be_read_has_a_session_of_its_own():
    event = completed(trace(), Outcome(status="rejected", http_status=400, ended_ns=6_000, error_code="BAD_REQUEST"))
    assert (f"inferred-{REQUEST_ID}", True, "", None) == (
        event.session_id,
        event.session_inferred,
        event.requested_model,
        event.decision,
    )


@given(counts, counts)
def test_an_estimate_counts_four_bytes_as_a_token(size_bytes, output):
    usage = estimated_usage(size_bytes, output)
    assert (output, True) == (usage.output, 0 <= 4 * usage.fresh_input - size_bytes < 4)
