"""Opinions become the event of a passage, and the quarantine of a session should it prove hostile; neither holds any text."""

import pytest
from msgspec.structs import asdict, replace

from libs.contracts.state import Quarantine
from libs.scanner.verdict import CLEAN
from services.firewall.domain.judgement import Opinion, clues, event, quarantine, worst
from tests.unit.services.firewall.fakes import BLOCK, FLAG, NOW_MS, TRANSCRIPT

HOSTILE = Opinion(verdict=BLOCK, weight=1.2, first_score=0.97, second_score=0.9)
SUSPICIOUS = Opinion(verdict=FLAG, weight=0.4, first_score=0.6)
HARMLESS = Opinion(verdict=CLEAN, weight=0.0, first_score=0.0)


def reached(opinion, origin="tool_result", **changes):
    return event(
        TRANSCRIPT, origin, opinion, **{"evidence": 0.0, "quarantined_until_ms": None, "now_ms": NOW_MS} | changes
    )


@pytest.mark.parametrize(("mode", "action"), [("block", "block"), ("flag", "flag")])
def test_a_hostile_session_is_quarantined_by_the_tenants_mode(mode, action):
    found = quarantine(TRANSCRIPT, [SUSPICIOUS, HOSTILE], mode, now_ms=NOW_MS, duration_ms=60_000)
    assert (
        Quarantine(
            action=action,
            category="indirect_injection",
            until_ms=NOW_MS + 60_000,
            reason="passage",
            request_id=TRANSCRIPT.request_id,
        )
        == found
    )


def test_what_only_tips_the_session_is_told_apart():
    assert "session" == quarantine(TRANSCRIPT, [SUSPICIOUS], "block", now_ms=NOW_MS, duration_ms=1).reason


def test_the_worst_opinion_is_the_most_severe_one():
    surer = replace(HARMLESS, verdict=replace(CLEAN, score=0.99))
    assert HOSTILE == worst([HARMLESS, HOSTILE, surer, SUSPICIOUS])
    assert surer == worst([HARMLESS, surer])


def test_only_what_weighs_something_is_a_clue():
    assert {"b": 1.2} == clues({"a": HARMLESS, "b": HOSTILE})


def test_the_event_tells_the_verdict_the_opinions_and_the_quarantine_but_no_text():
    told = reached(HOSTILE, evidence=1.3, quarantined_until_ms=NOW_MS + 5)
    assert ("acme", "s-1", "r-1", "block", 0.97, "tool_result", NOW_MS + 5, 0.97, 0.9, 1.3) == (
        told.tenant,
        told.session_id,
        told.request_id,
        told.action,
        told.score,
        told.origin,
        told.quarantined_until_ms,
        told.first_score,
        told.second_score,
        told.session_evidence,
    )
    assert "evil" not in str(asdict(told))


def test_the_event_id_follows_from_request_and_origin_alone():
    first = reached(HOSTILE, "answer")
    assert first.event_id == reached(HARMLESS, "answer", now_ms=NOW_MS + 9).event_id
    assert first.event_id != reached(HOSTILE).event_id
    assert reached(HARMLESS).category is None
