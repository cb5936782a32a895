"""A model that fails again and again is left alone, probed by one request at a time, and welcomed back."""

from services.gateway.domain.breaker import Breaker, BreakerSettings

SETTINGS = BreakerSettings(failures=3, open_s=5.0, max_open_s=20.0)


def opened() -> Breaker:
    breaker = Breaker(SETTINGS)
    for _ in range(3):
        breaker.failed("m", 0.0)
    return breaker


def test_a_healthy_model_is_always_called():
    breaker = Breaker(SETTINGS)
    assert breaker.allows("m", 0.0)
    assert breaker.unavailable(0.0) == frozenset()


def test_failures_count_only_in_a_row():
    breaker = Breaker(SETTINGS)
    for _ in range(5):
        breaker.failed("m", 0.0)
        breaker.failed("m", 0.0)
        breaker.succeeded("m")
    assert breaker.allows("m", 0.0)


def test_enough_failures_open_the_circuit_of_that_model_only():
    breaker = opened()
    assert not breaker.allows("m", 4.9)
    assert breaker.allows("other", 4.9)
    assert breaker.unavailable(4.9) == {"m"}
    assert breaker.retry_after_s("m", 4.0) == 1.0
    assert breaker.retry_after_s("other", 4.0) == 0.0


def test_one_caller_probes_after_the_pause():
    breaker = opened()
    assert breaker.unavailable(5.0) == frozenset()
    assert [True, False, False] == [breaker.allows("m", 5.0) for _ in range(3)]
    assert breaker.allows("m", 10.0), "a probe that never came back must not close the model for good"


def test_a_good_probe_closes_the_circuit():
    breaker = opened()
    breaker.allows("m", 5.0)
    breaker.succeeded("m")
    assert [True, True] == [breaker.allows("m", 5.0) for _ in range(2)]


def test_a_stream_that_begins_closes_the_circuit_on_trial():
    breaker = opened()
    breaker.allows("m", 5.0)
    breaker.began("m")
    assert breaker.allows("m", 5.0)
    breaker.failed("m", 6.0)
    assert not breaker.allows("m", 6.0)


def test_a_beginning_forgets_no_failure():
    breaker = Breaker(SETTINGS)
    for _ in range(3):
        breaker.began("m")
        breaker.failed("m", 0.0)
    assert not breaker.allows("m", 0.0)


def test_each_failed_probe_doubles_the_pause_up_to_a_limit():
    breaker, now_s, pauses = opened(), 0.0, []
    for _ in range(4):
        now_s += breaker.retry_after_s("m", now_s)
        assert breaker.allows("m", now_s)
        breaker.failed("m", now_s)
        pauses.append(breaker.retry_after_s("m", now_s))
    assert [10.0, 20.0, 20.0, 20.0] == pauses


def test_late_failures_of_calls_from_before_do_not_lengthen_the_pause():
    breaker = opened()
    for _ in range(50):
        breaker.failed("m", 1.0)
    assert breaker.retry_after_s("m", 1.0) == 4.0
