"""What follows from a verdict on a transcript: the event, and the quarantine of a session that turned hostile."""

import uuid
from typing import Final

from libs.contracts.events import TranscriptRecorded, VerdictReached
from libs.contracts.state import FirewallPolicy, Quarantine
from libs.scanner.verdict import Verdict
from services.firewall.domain.exchange import Origin

_NAMESPACE: Final = uuid.UUID("6f1f7e0c-6a51-4f0e-9a53-6b1f5f3c8e11")


def quarantine(verdict: Verdict, policy: FirewallPolicy, *, now_ms: int, duration_ms: int) -> Quarantine | None:
    """Return the quarantine that a blockable verdict earns the session; a tenant that only flags has it flagged."""
    if verdict.action != "block" or policy.mode == "off":
        return None
    return Quarantine(action=policy.mode, category=verdict.category, until_ms=now_ms + duration_ms)


def event(
    transcript: TranscriptRecorded, origin: Origin, verdict: Verdict, quarantined: Quarantine | None, *, now_ms: int
) -> VerdictReached:
    """Return the event of *verdict*; the same transcript and origin always make the same event id, so a redelivery adds nothing."""
    return VerdictReached(
        event_id=str(uuid.uuid5(_NAMESPACE, f"{transcript.tenant}:{transcript.request_id}:{origin}")),
        tenant=transcript.tenant,
        session_id=transcript.session_id,
        request_id=transcript.request_id,
        action=verdict.action,
        score=verdict.score,
        reached_at_ms=now_ms,
        category=None if verdict.category == "none" else verdict.category,
        origin=origin,
        quarantined_until_ms=quarantined.until_ms if quarantined else None,
    )
