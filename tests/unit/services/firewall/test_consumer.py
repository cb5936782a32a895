"""Every passage gets a verdict, a hostile session is quarantined, and nothing is lost or doubled on the way."""

import msgspec
import pytest
from msgspec.structs import replace

from libs.contracts.events import TranscriptRecorded
from libs.contracts.state import FirewallPolicy, Quarantine
from libs.kafka.batches import Batch
from libs.kafka.record import InvalidRecordError, Record
from libs.scanner.scanner import ScannerFailedError
from libs.scanner.text import Segment
from services.firewall.consumer import DeepScan, decode
from services.firewall.domain.evidence import weight
from services.firewall.opinions import Opinions
from tests.unit.services.firewall.fakes import (
    BLOCK,
    CALIBRATED,
    FLAG,
    NOW_MS,
    TRANSCRIPT,
    FakeEvents,
    FakeQuarantines,
    World,
)

SURE = replace(BLOCK, score=0.9999)


class Setting(World):
    def __init__(self, answers=None) -> None:
        super().__init__(answers)
        self.quarantines = FakeQuarantines()
        self.events = FakeEvents()
        self.deep_scan = DeepScan(
            self.inspector,
            Opinions(self.inspector, self.metrics, None),
            self.quarantines,
            self.events,
            self.metrics,
            concurrency=2,
            quarantine_ms=60_000,
            now_ms=lambda: NOW_MS,
        )

    async def handle(self, *transcripts: TranscriptRecorded) -> None:
        records = tuple(record(msgspec.json.encode(transcript)) for transcript in transcripts)
        await self.deep_scan.handle(
            Batch(partition=0, records=records, events=transcripts, start_offsets={}, next_offsets={})
        )

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(verdict.origin, verdict.action) for verdict in self.events.verdicts]


def record(value: bytes) -> Record:
    return Record(topic="transcripts", partition=0, offset=0, key=b"acme:s-1", value=value)


async def test_tool_results_and_answers_get_a_verdict_each_under_the_sessions_key():
    setting = Setting()
    await setting.handle(TRANSCRIPT)
    assert [("tool_result", "allow"), ("answer", "allow")] == setting.told
    assert [("verdicts", b"acme:s-1")] * 2 == setting.events.keys
    assert {} == setting.quarantines.sessions


async def test_a_hostile_tool_result_quarantines_its_session():
    setting = Setting({"a page": SURE})
    await setting.handle(TRANSCRIPT, replace(TRANSCRIPT, session_id="s-2", request="{}"))
    expected = Quarantine(
        action="block", category="indirect_injection", until_ms=NOW_MS + 60_000, reason="passage", request_id="r-1"
    )
    assert {("acme", "s-1"): expected} == setting.quarantines.sessions
    assert expected.until_ms == setting.events.verdicts[0].quarantined_until_ms
    assert 1 == setting.counted("quarantined")


async def test_a_flagged_answer_is_told_and_not_quarantined():
    setting = Setting({"done": FLAG})
    await setting.handle(TRANSCRIPT)
    assert [("tool_result", "allow"), ("answer", "flag")] == setting.told
    assert {} == setting.quarantines.sessions


async def test_a_tenant_that_switched_scanning_off_is_left_alone():
    setting = Setting({"a page": SURE})
    setting.policies.policies["acme"] = FirewallPolicy(mode="off")
    await setting.handle(TRANSCRIPT)
    assert [] == setting.scanner.scanned
    assert [] == setting.told


async def test_a_passage_that_breaks_the_scanner_is_counted_and_passed_over():
    setting = Setting({"a page": ScannerFailedError("broke")})
    await setting.handle(TRANSCRIPT)
    assert [("answer", "allow")] == setting.told
    assert 1 == setting.counted("unscanned", origin="tool_result", error="ScannerFailedError")


def hop(number: int, *tool_results: str, **changes: str) -> TranscriptRecorded:
    """Return an exchange of one growing session."""
    messages = [{"role": "user", "content": "read it"}, *({"role": "tool", "content": text} for text in tool_results)]
    request = msgspec.json.encode({"messages": messages}).decode()
    return replace(TRANSCRIPT, request_id=f"r-{number}", request=request, **changes)


async def test_faint_passages_of_several_hops_together_quarantine_the_session():
    hints = {name: replace(FLAG, score=0.85) for name in ("one", "two", "three", "four")}
    setting = Setting(hints)
    await setting.handle(hop(1, "one"))
    assert {} == setting.quarantines.sessions
    assert weight(0.85, CALIBRATED.default) == setting.events.verdicts[0].session_evidence
    await setting.handle(hop(2, "one", "two", "three"))
    assert {} == setting.quarantines.sessions
    await setting.handle(hop(3, "one", "two", "three", "four"))
    expected = ("session", "r-3", "indirect_injection")
    found = setting.quarantines.sessions["acme", "s-1"]
    assert expected == (found.reason, found.request_id, found.category)


async def test_a_history_that_is_repeated_counts_once_and_is_scanned_once():
    setting = Setting({"one": replace(FLAG, score=0.85)})
    for number in range(5):
        await setting.handle(hop(number, "one"))
    assert {} == setting.quarantines.sessions
    assert 3 == len(setting.scanner.scanned)


async def test_equal_texts_of_other_sessions_and_tenants_are_no_evidence():
    setting = Setting({"one": replace(FLAG, score=0.85)})
    await setting.handle(hop(1, "one"), hop(2, "one", session_id="s-2"), hop(3, "one", tenant="beta"))
    assert {} == setting.quarantines.sessions


async def test_a_suspicious_prompt_is_told_and_counts_and_an_ordinary_one_is_not_told():
    setting = Setting({"read it": replace(FLAG, category="prompt_injection", role="user")})
    await setting.handle(TRANSCRIPT)
    assert [("tool_result", "allow"), ("prompt", "flag"), ("answer", "allow")] == setting.told
    evidence = {verdict.origin: verdict.session_evidence for verdict in setting.events.verdicts}
    assert evidence["prompt"] > 0


async def test_the_tenants_own_limits_are_what_a_remembered_opinion_is_of():
    setting = Setting()
    for block_threshold in (None, 0.1, 0.1):
        setting.policies.policies["acme"] = FirewallPolicy(block_threshold=block_threshold)
        await setting.handle(TRANSCRIPT)
    assert 2 * 3 == len(setting.scanner.scanned)


async def test_opinions_are_forgotten_in_the_end():
    setting = Setting()
    opinions = Opinions(setting.inspector, setting.metrics, None, remembered=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await opinions.of(Segment(role="tool", text=text), text, "tool_result", FirewallPolicy())
    assert ["a", "b", "c", "b"] == [segment.text for (segment,) in setting.scanner.scanned]


async def test_a_scan_that_died_after_the_quarantine_ends_in_the_same_state_and_events():
    undisturbed, disturbed = Setting({"a page": SURE}), Setting({"a page": SURE})
    await undisturbed.handle(TRANSCRIPT, hop(2, "a page"))
    disturbed.events.down = True
    with pytest.raises(ExceptionGroup):
        await disturbed.handle(TRANSCRIPT, hop(2, "a page"))
    disturbed.events.down = False
    await disturbed.handle(TRANSCRIPT, hop(2, "a page"))
    assert undisturbed.quarantines.sessions == disturbed.quarantines.sessions
    assert undisturbed.quarantines.evidence == disturbed.quarantines.evidence
    assert set(undisturbed.events.verdicts) == set(disturbed.events.verdicts)


@pytest.mark.parametrize("broken", ["quarantines", "events"])
async def test_a_verdict_that_cannot_be_kept_stops_the_batch_and_comes_out_the_same_when_repeated(broken):
    setting = Setting({"a page": SURE})
    getattr(setting, broken).down = True
    with pytest.raises(ExceptionGroup):
        await setting.handle(TRANSCRIPT)
    assert [] == setting.told
    getattr(setting, broken).down = False
    await setting.handle(TRANSCRIPT)
    await setting.handle(TRANSCRIPT)
    assert 2 == len({verdict.event_id for verdict in setting.events.verdicts})
    assert [("acme", "s-1")] == list(setting.quarantines.sessions)


@pytest.mark.parametrize("value", [b"", b"{}", msgspec.json.encode(replace(TRANSCRIPT, tenant="acme"))[:-1]])
def test_what_is_no_transcript_is_refused(value):
    with pytest.raises(InvalidRecordError):
        decode(record(value))


def test_a_transcript_is_decoded():
    assert TRANSCRIPT == decode(record(msgspec.json.encode(TRANSCRIPT)))
