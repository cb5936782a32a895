"""A registry tells what process it belongs to, and shares nothing with another."""

from prometheus_client import Counter

from libs.runtime.metrics import exposition, new_registry


def test_registries_are_apart():
    first, second = new_registry("one"), new_registry("two")
    Counter("things", "Things.", registry=first).inc()
    assert b"things_total 1.0" in exposition(first)
    assert b"things_total" not in exposition(second)


def test_the_process_is_described():
    text = exposition(new_registry("one"))
    assert b'agent_gateway_info{service="one"} 1.0' in text
    assert b"process_cpu_seconds_total" in text
