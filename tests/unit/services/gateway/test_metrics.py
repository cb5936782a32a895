"""A request is measured once, by the event that it ends with."""

from libs.contracts.state import FirewallPolicy
from tests.unit.services.gateway.fakes import Reply, World, caller


def value(world: World, sample: str, **labels: str) -> float | None:
    return world.registry.get_sample_value(sample, labels)


async def test_a_served_request_counts_tokens_money_attempts_and_time():
    world = World()
    await world.ask()
    await world.ask()
    expected = {
        "input": 20.0,
        "output": 10.0,
        "cache_read": None,
    }
    assert expected == {
        name: value(world, "gateway_tokens_total", provider="p", model="a", bucket=name) for name in expected
    }
    assert 120.0 == value(world, "gateway_cost_micro_usd_total", provider="p", model="a")
    assert 2.0 == value(world, "gateway_upstream_attempts_total", provider="p", model="a", outcome="ok")
    assert 2.0 == value(world, "gateway_requests_total", status="ok", http_status="200", cache="off")
    assert 2.0 == value(world, "gateway_stage_seconds_count", stage="overhead")
    assert 2.0 == value(world, "gateway_firewall_total", action="allow", role="user", scanner="local")


async def test_failures_and_degradations_are_told_apart():
    world = World(who=caller(firewall=FirewallPolicy(on_failure="open")))
    world.upstream.script["a"] = [Reply(status=500)]
    world.firewall.verdict = None
    await world.ask()
    assert 1.0 == value(world, "gateway_requests_total", status="failed", http_status="502", cache="off")
    assert 2.0 == value(world, "gateway_upstream_attempts_total", provider="p", model="a", outcome="error")
    assert 1.0 == value(world, "gateway_degraded_total", what="firewall")
