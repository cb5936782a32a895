"""A firewall service that gives no verdict costs no request: this process scans, and soon does so without asking first."""

import pytest

from libs.contracts.state import FirewallPolicy
from libs.scanner.verdict import CLEAN
from services.gateway.adapters.fallback_firewall import FallbackFirewall
from services.gateway.adapters.remote_firewall import RemoteScanError
from services.gateway.domain.breaker import Breaker, BreakerSettings
from services.gateway.ports import ScanFailedError, Scanned
from tests.unit.services.gateway.fakes import FakeFirewall

REMOTE = Scanned(verdict=CLEAN, scanner="remote")
POLICY = FirewallPolicy(block_threshold=0.7)


class FakeRemote:
    """Gives a verdict, or fails for *reason*; remembers what it was asked."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.asked: list[tuple[bytes, str, FirewallPolicy]] = []

    async def scan(self, body: bytes, tenant: str, policy: FirewallPolicy) -> Scanned:
        self.asked.append((body, tenant, policy))
        if self.reason is not None:
            raise RemoteScanError(self.reason)
        return REMOTE


class World:
    def __init__(self, replicas: int = 1) -> None:
        self.now_s = 0.0
        self.replicas = [FakeRemote() for _ in range(replicas)]
        self.remote = self.replicas[0]
        self.local = FakeFirewall()
        self.degraded: list[str] = []
        breaker = Breaker(BreakerSettings(failures=3, open_s=1.0, max_open_s=4.0))
        named = {f"replica {number}": replica for number, replica in enumerate(self.replicas)}
        self.firewall = FallbackFirewall(named, self.local, breaker, lambda: self.now_s, self.degraded.append)

    async def scanners(self, requests: int) -> list[str]:
        return [(await self.firewall.scan(b"{}", "acme", POLICY)).scanner for _ in range(requests)]


async def test_the_service_is_asked_with_the_tenants_policy_and_nobody_else():
    world = World()
    assert ["remote"] == await world.scanners(1)
    assert [(b"{}", "acme", POLICY)] == world.remote.asked
    assert ([], []) == (world.local.shown, world.degraded)


@pytest.mark.parametrize("reason", ["timeout", "unreachable", "broken"])
async def test_a_failing_service_is_asked_no_more_until_its_time_is_over_and_then_by_one_request(reason: str):
    world = World()
    world.remote.reason = reason
    assert ["local"] * 10 == await world.scanners(10)
    assert 3 == len(world.remote.asked)
    assert [f"firewall_service_{reason}"] * 3 + ["firewall_service_open"] * 7 == world.degraded
    world.now_s = 1.0
    assert ["local"] * 2 == await world.scanners(2)
    assert 4 == len(world.remote.asked)


async def test_a_service_that_is_back_is_asked_again():
    world = World()
    world.remote.reason = "unreachable"
    await world.scanners(3)
    world.remote.reason = None
    world.now_s = 1.0
    assert ["remote"] * 3 == await world.scanners(3)


async def test_replicas_take_turns_and_one_that_fails_is_passed_over():
    world = World(replicas=3)
    assert ["remote"] * 6 == await world.scanners(6)
    assert [2, 2, 2] == [len(replica.asked) for replica in world.replicas]
    world.replicas[1].reason = "timeout"
    scanners = await world.scanners(30)
    assert 3 == scanners.count("local"), "each failure until the breaker opens is one fallback"
    assert 3 + 2 == len(world.replicas[1].asked)
    world.now_s = 1.0
    world.replicas[1].reason = None
    await world.scanners(3)
    assert ["remote"] * 3 == await world.scanners(3)


@pytest.mark.parametrize("reason", ["too_large", "refused"])
async def test_what_lies_with_the_request_is_not_held_against_the_service(reason: str):
    world = World()
    world.remote.reason = reason
    assert ["local"] * 5 == await world.scanners(5)
    assert 5 == len(world.remote.asked)


async def test_without_either_there_is_no_verdict():
    world = World()
    world.remote.reason = "timeout"
    world.local.verdict = None
    with pytest.raises(ScanFailedError):
        await world.scanners(1)
