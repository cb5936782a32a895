"""The firewall stage of a request: what is blocked, flagged, passed, and what becomes of a scan that fails."""

import pytest

from libs.contracts.state import FirewallPolicy, Quarantine
from libs.scanner.verdict import Verdict
from tests.unit.services.gateway.fakes import (
    NOW_MS,
    REQUEST_ID,
    World,
    caller,
    error_of,
)

HOSTILE = Verdict(action="block", score=0.9, category="prompt_injection", role="user")
ODD = Verdict(action="flag", score=0.6, category="prompt_injection", role="user")


class TestFirewall:
    async def test_a_threat_is_blocked_before_anything_is_sent(self):
        world = World()
        world.firewall.verdict = HOSTILE
        answer = await world.ask()
        assert (400, "PROMPT_THREAT_DETECTED") == (answer.status, error_of(answer)["code"])
        assert ("blocked", "block", 0.9) == (
            world.event.status,
            world.event.firewall.action,
            world.event.firewall.score,
        )
        assert world.upstream.calls == []

    async def test_a_blocked_request_leads_to_its_session_so_that_the_block_can_be_disputed(self):
        world = World()
        world.firewall.verdict = HOSTILE
        await world.ask(headers={"floopy-session-id": "s"})
        assert {("t", REQUEST_ID): "s"} == world.hot_state.aliases
        assert {} == world.hot_state.sessions

    @pytest.mark.parametrize(("verdict", "mode"), [(HOSTILE, "flag"), (ODD, "flag"), (ODD, "block")])
    async def test_a_flagged_request_is_served_told_recorded_and_never_cached(self, verdict, mode):
        world = World(who=caller(firewall=FirewallPolicy(mode=mode), exact_cache=True))
        world.firewall.verdict = verdict
        answer = await world.ask()
        assert (200, "flag") == (answer.status, dict(answer.headers)["Floopy-Firewall"])
        assert world.event.firewall.action == "flag"
        assert world.hot_state.cache == {}

    @pytest.mark.parametrize(
        ("mode", "header", "scans"), [("off", None, 0), ("off", "true", 1), ("block", "false", 1), ("flag", "false", 0)]
    )
    async def test_a_client_may_turn_it_on_and_only_turn_off_what_does_not_block(self, mode, header, scans):
        world = World(who=caller(firewall=FirewallPolicy(mode=mode)))
        await world.ask(headers={"floopy-llm-security-enabled": header} if header else {})
        assert scans == len(world.firewall.shown)
        assert ("off" if scans == 0 else "allow") == world.event.firewall.action

    async def test_a_scan_that_fails_open_serves_but_stores_nothing(self):
        world = World(who=caller(exact_cache=True))
        world.firewall.verdict = None
        assert 200 == (await world.ask()).status
        assert ("error", {}) == (world.event.firewall.action, world.hot_state.cache)
        assert 1 == world.metrics.degraded.labels("firewall")._value.get()

    async def test_a_scan_that_fails_closed_refuses(self):
        world = World(who=caller(firewall=FirewallPolicy(on_failure="closed")))
        world.firewall.verdict = None
        answer = await world.ask()
        assert (503, "SERVICE_UNAVAILABLE") == (answer.status, error_of(answer)["code"])
        assert world.upstream.calls == []

    @pytest.mark.parametrize(
        ("mode", "action", "until_ms", "status"),
        [
            ("block", "block", NOW_MS + 1000, 400),
            ("block", "flag", NOW_MS + 1000, 200),
            ("flag", "block", NOW_MS + 1000, 200),
            ("off", "block", NOW_MS + 1000, 200),
            ("block", "block", NOW_MS - 1, 200),
        ],
    )
    async def test_a_quarantined_session_is_met_as_the_policy_says(self, mode, action, until_ms, status):
        world = World(who=caller(firewall=FirewallPolicy(mode=mode)))
        world.hot_state.quarantines["t", "s"] = Quarantine(action=action, category=None, until_ms=until_ms)
        answer = await world.ask(headers={"floopy-session-id": "s"})
        assert status == answer.status
        flagged = status == 200 and mode != "off" and until_ms > NOW_MS
        assert flagged == ("Floopy-Firewall" in dict(answer.headers))
