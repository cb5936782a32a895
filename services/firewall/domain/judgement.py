"""What follows from opinions on the texts of a transcript: the event, and the quarantine of a session that turned hostile."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from libs.contracts.events import TranscriptRecorded, VerdictReached
from libs.contracts.state import Quarantine
from libs.scanner.verdict import Action, Verdict
from services.firewall.domain.evidence import HOSTILE, Clues
from services.firewall.domain.exchange import Origin

_NAMESPACE: Final = uuid.UUID("6f1f7e0c-6a51-4f0e-9a53-6b1f5f3c8e11")
_ORDER: Final[tuple[Action, ...]] = get_args(Action)


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is thought of one text: the verdict, what it weighs against its session, and the scores that the verdict comes from.

    *second_score* is None where only the scanner was asked.
    """

    verdict: Verdict
    weight: float
    first_score: float
    second_score: float | None = None


def worst(opinions: Sequence[Opinion]) -> Opinion:
    """Return the most severe of at least one opinion, the higher score first among equals."""
    return max(opinions, key=lambda opinion: (_severity(opinion), opinion.verdict.score))


def change(before: Opinion, after: Opinion) -> Literal["agreed", "raised", "lowered"]:
    """Say what became of the verdict."""
    if _severity(before) == _severity(after):
        return "agreed"
    return "raised" if _severity(before) < _severity(after) else "lowered"


def clues(opinions: Mapping[str, Opinion]) -> Clues:
    """Return the weight of each text, by its digest, that weighs anything."""
    return {digest: opinion.weight for digest, opinion in opinions.items() if opinion.weight}


def quarantine(
    transcript: TranscriptRecorded, held: Sequence[Opinion], mode: str, *, now_ms: int, duration_ms: int
) -> Quarantine:
    """Return the quarantine that the session gets should it prove hostile now; a tenant that only flags has it flagged."""
    heaviest = max(held, key=lambda opinion: opinion.weight)
    return Quarantine(
        action="flag" if mode == "flag" else "block",
        category=heaviest.verdict.category,
        until_ms=now_ms + duration_ms,
        reason="passage" if heaviest.weight >= HOSTILE else "session",
        request_id=transcript.request_id,
    )


def event(
    transcript: TranscriptRecorded,
    origin: Origin,
    opinion: Opinion,
    *,
    evidence: float,
    quarantined_until_ms: int | None,
    now_ms: int,
) -> VerdictReached:
    """Return the event of *opinion*; the same transcript and origin always make the same event id, so a redelivery adds nothing."""
    verdict = opinion.verdict
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
        quarantined_until_ms=quarantined_until_ms,
        first_score=opinion.first_score,
        second_score=opinion.second_score,
        session_evidence=evidence,
    )


def _severity(opinion: Opinion) -> int:
    return _ORDER.index(opinion.verdict.action)
