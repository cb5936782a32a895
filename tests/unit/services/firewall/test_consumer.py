"""Every passage gets a verdict, a hostile session is quarantined, and nothing is lost or doubled on the way."""

import msgspec
import pytest
from msgspec.structs import replace

from libs.contracts.events import TranscriptRecorded
from libs.contracts.state import FirewallPolicy, Quarantine
from libs.kafka.batches import Batch
from libs.kafka.record import InvalidRecordError, Record
from libs.scanner.scanner import ScannerFailedError
from services.firewall.consumer import DeepScan, decode
from tests.unit.services.firewall.fakes import BLOCK, FLAG, NOW_MS, TRANSCRIPT, FakeEvents, FakeQuarantines, World


class Setting(World):
    def __init__(self, answers=None) -> None:
        super().__init__(answers)
        self.quarantines = FakeQuarantines()
        self.events = FakeEvents()
        self.deep_scan = DeepScan(
            self.inspector,
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
    setting = Setting({"a page": BLOCK})
    await setting.handle(TRANSCRIPT, replace(TRANSCRIPT, session_id="s-2", request="{}"))
    expected = Quarantine(action="block", category="indirect_injection", until_ms=NOW_MS + 60_000)
    assert {("acme", "s-1"): expected} == setting.quarantines.sessions
    assert expected.until_ms == setting.events.verdicts[0].quarantined_until_ms
    assert 1 == setting.counted("quarantined")


async def test_a_flagged_answer_is_told_and_not_quarantined():
    setting = Setting({"done": FLAG})
    await setting.handle(TRANSCRIPT)
    assert [("tool_result", "allow"), ("answer", "flag")] == setting.told
    assert {} == setting.quarantines.sessions


async def test_a_tenant_that_switched_scanning_off_is_left_alone():
    setting = Setting({"a page": BLOCK})
    setting.policies.policies["acme"] = FirewallPolicy(mode="off")
    await setting.handle(TRANSCRIPT)
    assert [] == setting.scanner.scanned
    assert [] == setting.told


async def test_a_passage_that_breaks_the_scanner_is_counted_and_passed_over():
    setting = Setting({"a page": ScannerFailedError("broke")})
    await setting.handle(TRANSCRIPT)
    assert [("answer", "allow")] == setting.told
    assert 1 == setting.counted("unscanned", origin="tool_result", error="ScannerFailedError")


@pytest.mark.parametrize("broken", ["quarantines", "events"])
async def test_a_verdict_that_cannot_be_kept_stops_the_batch_and_comes_out_the_same_when_repeated(broken):
    setting = Setting({"a page": BLOCK})
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
