"""What leaves the gateway as events: nothing does before its tenant's redaction has seen it."""

from collections import deque
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import TypeAlias

import structlog

from libs.contracts.events import RequestCompleted, TranscriptRecorded
from libs.contracts.state import RedactionPolicy
from libs.redaction.memory import CleanTexts
from libs.redaction.redactor import Redactor
from services.gateway.domain.discretion import discreet_record, discreet_transcript
from services.gateway.ports import Clock, Events

MAX_WAITING_CHARS = 64 << 20
TURN_NS = 300_000
REMEMBERED_REDACTORS = 1_024

Defer: TypeAlias = Callable[[Callable[[], None]], object]
_Work: TypeAlias = Generator[None, None, TranscriptRecorded]

log = structlog.get_logger(__name__)


class Publication:
    """
    Redacts events and leaves them.

    Bodies may be large: they are redacted in slices, `TURN_NS` at a time, and other requests are served between (*defer* runs
    a function in the next turn of the event loop). A transcript that cannot be redacted, or for which there is no room, is
    dropped and counted; it is never left as it was.
    """

    def __init__(
        self, events: Events, clock: Clock, *, secret: str, defer: Defer, degrade: Callable[[str], None]
    ) -> None:
        self._events = events
        self._clock = clock
        self._defer = defer
        self._degrade = degrade
        clean = CleanTexts()
        self._redactor = lru_cache(REMEMBERED_REDACTORS)(
            lambda tenant, policy: Redactor(policy, tenant=tenant, secret=secret, clean=clean)
        )
        self._waiting: deque[tuple[int, _Work]] = deque()
        self._waiting_chars = 0
        self._is_closed = False

    def completed(self, event: RequestCompleted, policy: RedactionPolicy) -> None:
        """Leave the record of a request."""
        self._events.completed(discreet_record(event, self._redactor(event.tenant, policy)))

    def transcript(self, event: TranscriptRecorded, policy: RedactionPolicy) -> None:
        """Leave the bodies of an exchange, as soon as they are redacted."""
        size = len(event.request) + len(event.response)
        if self._waiting_chars + size > MAX_WAITING_CHARS:
            self._degrade("transcript_room")
            return
        self._waiting_chars += size
        self._waiting.append((size, discreet_transcript(event, self._redactor(event.tenant, policy))))
        if len(self._waiting) == 1:
            self._take_turn()

    def close(self) -> None:
        """Leave what waits; from now on nothing does."""
        self._is_closed = True
        self._take_turn()

    def _take_turn(self) -> None:
        until_ns = self._clock.monotonic_ns() + TURN_NS
        while self._waiting:
            size, work = self._waiting[0]
            if self._goes_on(work):
                if self._clock.monotonic_ns() >= until_ns and not self._is_closed:
                    self._defer(self._take_turn)
                    return
            else:
                self._waiting.popleft()
                self._waiting_chars -= size

    def _goes_on(self, work: _Work) -> bool:
        """Do one slice of *work*; say whether there is more."""
        try:
            next(work)
        except StopIteration as done:
            self._events.transcript(done.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bodies must not leave as they are
            log.error("transcript.not_redacted", error=type(error).__name__)  # noqa: TRY400 - a traceback may quote the body
            self._degrade("redaction")
        else:
            return True
        return False
