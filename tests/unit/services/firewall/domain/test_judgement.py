"""A blockable verdict quarantines the session as hard as its tenant wants; the event tells, without any text."""

import pytest
from msgspec.structs import asdict

from libs.contracts.state import FirewallPolicy, Quarantine
from libs.scanner.verdict import CLEAN
from services.firewall.domain.judgement import event, quarantine
from tests.unit.services.firewall.fakes import BLOCK, FLAG, NOW_MS, TRANSCRIPT


@pytest.mark.parametrize(("mode", "action"), [("block", "block"), ("flag", "flag")])
def test_a_hostile_session_is_quarantined_by_the_tenants_mode(mode, action):
    found = quarantine(BLOCK, FirewallPolicy(mode=mode), now_ms=NOW_MS, duration_ms=60_000)
    assert Quarantine(action=action, category="indirect_injection", until_ms=NOW_MS + 60_000) == found


@pytest.mark.parametrize(("verdict", "mode"), [(FLAG, "block"), (CLEAN, "block"), (BLOCK, "off")])
def test_anything_less_is_not(verdict, mode):
    assert quarantine(verdict, FirewallPolicy(mode=mode), now_ms=NOW_MS, duration_ms=60_000) is None


def test_the_event_tells_the_verdict_and_the_quarantine_but_no_text():
    hostile = Quarantine(action="block", category="indirect_injection", until_ms=NOW_MS + 5)
    reached = event(TRANSCRIPT, "tool_result", BLOCK, hostile, now_ms=NOW_MS)
    assert ("acme", "s-1", "r-1", "block", 0.97, "tool_result", NOW_MS + 5) == (
        reached.tenant,
        reached.session_id,
        reached.request_id,
        reached.action,
        reached.score,
        reached.origin,
        reached.quarantined_until_ms,
    )
    assert "evil" not in str(asdict(reached))


def test_the_event_id_follows_from_request_and_origin_alone():
    first = event(TRANSCRIPT, "answer", BLOCK, None, now_ms=NOW_MS)
    assert first.event_id == event(TRANSCRIPT, "answer", CLEAN, None, now_ms=NOW_MS + 9).event_id
    assert first.event_id != event(TRANSCRIPT, "tool_result", BLOCK, None, now_ms=NOW_MS).event_id
    assert event(TRANSCRIPT, "answer", CLEAN, None, now_ms=NOW_MS).category is None
