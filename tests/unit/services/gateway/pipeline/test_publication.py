"""Bodies leave redacted, in slices, or not at all."""

import json
from collections.abc import Callable, Generator

import pytest
from structlog.testing import capture_logs

from libs.contracts.events import TranscriptRecorded
from libs.contracts.state import RedactionPolicy
from services.gateway.pipeline import publication as module
from services.gateway.pipeline.publication import Publication
from tests.unit.services.gateway.fakes import FakeClock, FakeEvents

BODY = json.dumps({"messages": [{"role": "user", "content": "I am john@example.com"}]})
LARGE = json.dumps({"messages": [{"role": "user", "content": "I am john@example.com. " * 20_000}]})


class Desk:
    """A publication whose turns a test takes."""

    def __init__(self) -> None:
        self.events = FakeEvents()
        self.turns: list[Callable[[], None]] = []
        self.missed: list[str] = []
        self.publication = Publication(
            self.events, FakeClock(), secret="secret", defer=self.turns.append, degrade=self.missed.append
        )

    def leave(self, request: str, request_id: str = "r", **policy: object) -> None:
        event = TranscriptRecorded(
            event_id=request_id,
            request_id=request_id,
            tenant="t",
            session_id="s",
            created_at_ms=1,
            expires_at_ms=2,
            model="a",
            provider="p",
            request=request,
            response=BODY,
        )
        self.publication.transcript(event, RedactionPolicy(**policy))

    @property
    def ids(self) -> list[str]:
        return [event.request_id for event in self.events.transcripts]


def broken(_redactor: object, body: str) -> Generator[None, None, str]:
    yield
    raise ZeroDivisionError(body)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(module, "TURN_NS", 10_000)  # Ten looks at the clock.
    return Desk()


def test_a_small_transcript_leaves_redacted_at_once(desk: Desk):
    desk.leave(BODY)
    [event] = desk.events.transcripts
    assert BODY.replace("john@example.com", "[email]") == event.request == event.response


def test_off_publishes_the_bodies_as_they_came(desk: Desk):
    desk.leave(BODY, mode="off")
    assert BODY == desk.events.transcripts[0].request


def test_a_large_transcript_takes_turns_and_order_is_kept(desk: Desk):
    desk.leave(LARGE, "large")
    desk.leave(BODY, "small")
    assert [] == desk.ids
    taken = 0
    while desk.turns:
        desk.turns.pop()()
        taken += 1
    assert ["large", "small"] == desk.ids
    assert taken > 1
    assert "john" not in desk.events.transcripts[0].request


def test_closing_leaves_what_waits_and_what_comes(desk: Desk):
    desk.leave(LARGE, "waiting")
    desk.publication.close()
    desk.leave(LARGE, "late")
    assert ["waiting", "late"] == desk.ids


def test_what_cannot_be_redacted_is_counted_and_never_leaves(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.Redactor, "body", broken)
    with capture_logs() as logs:
        desk.leave(BODY)
    monkeypatch.undo()
    desk.leave(BODY, "next")
    assert ["next"] == desk.ids
    assert ["redaction"] == desk.missed
    assert [{"event": "transcript.not_redacted", "log_level": "error", "error": "ZeroDivisionError"}] == logs


def test_what_has_no_room_is_counted_and_never_leaves(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_WAITING_CHARS", len(LARGE) + 2 * len(BODY))
    desk.leave(LARGE, "first")
    desk.leave(LARGE, "second")
    desk.publication.close()
    assert ["first"] == desk.ids
    assert ["transcript_room"] == desk.missed
