"""Fakes of the ports of the firewall, and what tests share."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from libs.contracts.events import TranscriptRecorded, VerdictLabelled, VerdictReached
from libs.contracts.state import FeedbackMark, FirewallPolicy, Quarantine, RedactionPolicy
from libs.kafka.ports import PublishError
from libs.scanner.scanner import FakeScanner, ScannerError
from libs.scanner.text import Segment
from libs.scanner.verdict import CLEAN, Band, Thresholds, Verdict
from services.firewall.domain.evidence import HOSTILE, Clues, merged, total
from services.firewall.labelling import Labelling
from services.firewall.metrics import FirewallMetrics
from services.firewall.pipeline import Inspector
from services.firewall.ports import Standing, StoreUnavailableError

NOW_MS = 1_795_370_400_000
CALIBRATED = Thresholds(default=Band(flag=0.5, block=0.9))
BLOCK = Verdict(action="block", score=0.97, category="indirect_injection", role="tool", evidence=("evil",), took_us=150)
FLAG = Verdict(action="flag", score=0.6, category="indirect_injection", role="tool", took_us=150)
TOOL_ANSWER = '{"messages":[{"role":"user","content":"read it"},{"role":"tool","tool_call_id":"c","content":"a page"}]}'

TRANSCRIPT = TranscriptRecorded(
    event_id="r-1",
    request_id="r-1",
    tenant="acme",
    session_id="s-1",
    created_at_ms=NOW_MS,
    expires_at_ms=NOW_MS + 1,
    model="m",
    provider="p",
    request=TOOL_ANSWER,
    response='{"choices":[{"message":{"role":"assistant","content":"done"}}]}',
)


class FakePolicies:
    def __init__(self) -> None:
        self.policies: dict[str, FirewallPolicy] = {}
        self.indiscreet: set[str] = set()
        self.down = False

    async def of(self, tenant: str) -> FirewallPolicy:
        if self.down:
            raise StoreUnavailableError("down")
        return self.policies.get(tenant, FirewallPolicy())

    async def redaction_of(self, tenant: str) -> RedactionPolicy:
        return RedactionPolicy(mode="off" if tenant in self.indiscreet else "mask")


class FakeQuarantines:
    """Time stands still: nothing expires."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], Quarantine] = {}
        self.evidence: dict[tuple[str, str], dict[str, float]] = {}
        self.down = False

    async def weigh(self, tenant: str, session_id: str, clues: Clues, hostile: Quarantine, *, now_ms: int) -> Standing:
        if self.down:
            raise StoreUnavailableError("down")
        key = (tenant, session_id)
        before = self.evidence.get(key, {})
        after = self.evidence[key] = merged(before, clues)
        total_after = total(after.values())
        new = total_after > total(before.values()) and total_after >= HOSTILE
        if new:
            self.sessions[key] = hostile
        return Standing(evidence=total_after, quarantine=self.sessions.get(key), new=new)

    async def release(self, tenant: str, session_id: str) -> Quarantine | None:
        key = (tenant, session_id)
        self.evidence[key] = dict.fromkeys(self.evidence.get(key, {}), 0.0)
        return self.sessions.pop(key, None)

    async def standing(self, tenant: str) -> AsyncIterator[tuple[str, Quarantine]]:
        for (owner, session_id), quarantine in self.sessions.items():
            if owner == tenant:
                yield session_id, quarantine


class FakeEvents:
    def __init__(self) -> None:
        self.verdicts: list[Any] = []
        self.keys: list[tuple[str, bytes]] = []
        self.down = False

    async def publish_durably(self, topic: str, key: bytes, value: bytes) -> None:
        if self.down:
            raise PublishError("down")
        self.keys.append((topic, key))
        self.verdicts.append(msgspec.json.decode(value, type=VerdictReached | VerdictLabelled))


class FakeSessions:
    def __init__(self) -> None:
        self.aliases: dict[tuple[str, str], str] = {}
        self.down = False

    async def of_alias(self, tenant: str, alias: str) -> str | None:
        if self.down:
            raise StoreUnavailableError("down")
        return self.aliases.get((tenant, alias))


class FakeMarks:
    """Remembers claims; `forgets_to_settle` loses Redis between the claim and the end."""

    def __init__(self) -> None:
        self.marks: dict[str, FeedbackMark] = {}
        self.forgets_to_settle = False

    async def claim(self, key: str, mark: FeedbackMark) -> FeedbackMark | None:
        if key in self.marks:
            return self.marks[key]
        self.marks[key] = mark
        return None

    async def settle(self, key: str, mark: FeedbackMark) -> None:
        if self.forgets_to_settle:
            raise StoreUnavailableError("down")
        self.marks[key] = mark


class World:
    """An inspector over a scanner that answers by *answers*: text to verdict or error, everything else is clean."""

    def __init__(self, answers: dict[str, Verdict | ScannerError] | None = None) -> None:
        self.answers = answers or {}
        self.scanner = FakeScanner(self._answer)
        self.policies = FakePolicies()
        self.registry = CollectorRegistry()
        self.metrics = FirewallMetrics(self.registry)
        self.inspector = Inspector(self.scanner, self.policies, self.metrics, calibrated=CALIBRATED, deadline_s=1)
        self.sessions, self.marks, self.events = FakeSessions(), FakeMarks(), FakeEvents()
        self.labelling = Labelling(
            self.sessions,
            self.marks,
            self.policies,
            self.events,
            self.metrics,
            now_ms=lambda: NOW_MS,
            secret="between us",
        )

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"firewall_{name}_total", labels) or 0.0

    def _answer(self, segments: Sequence[Segment]) -> Verdict | ScannerError:
        return next((self.answers[segment.text] for segment in segments if segment.text in self.answers), CLEAN)
