"""Labelled prompts as rows that the scanner can be trained with."""

from typing import Literal

import msgspec

from libs.contracts.events import FirewallVerdict, Label
from libs.contracts.unreadable import UNREADABLE
from libs.scanner.text import extract

_LICENCE = "own"


class LabelledPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """
    A label with what was judged: the gateway's *verdict*, and *request*, the body as JSON text, None where nothing is kept.

    *text* is what the labeller sent along as the text that was judged; it goes before the body.
    """

    tenant: str
    request_id: str
    label: Label
    verdict: FirewallVerdict | None
    request: str | None
    text: str | None = None


class TrainingRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    One text as training reads it: *label* 1 is an attack, *category* is the verdict's, *role* whose text it is.

    The tenant is the *source*, so that its rows are held out together.
    """

    text: str
    label: Literal[0, 1]
    source: str
    licence: str
    category: str
    role: str
    request_id: str


def training_row(prompt: LabelledPrompt) -> TrainingRow | None:
    """
    Return the row that *prompt* makes, None where its text is not kept or cannot be read.

    The text is what the role said whose text decided; where nobody scanned, all that was said.
    """
    role = prompt.verdict.role if prompt.verdict is not None else None
    text = prompt.text or _text(prompt.request, role)
    if not text:
        return None
    return TrainingRow(
        text=text,
        label=_truth(prompt),
        source=f"tenant/{prompt.tenant}",
        licence=_LICENCE,
        category=(prompt.verdict.category if prompt.verdict is not None else None) or "",
        role=role or "",
        request_id=prompt.request_id,
    )


def _text(request: str | None, role: str | None) -> str:
    try:
        segments = extract((request or "{}").encode())
    except UNREADABLE:
        return ""
    return "\n".join(segment.text for segment in segments if role in (None, segment.role))


def _truth(prompt: LabelledPrompt) -> Literal[0, 1]:
    if prompt.label != "correct":
        return 1 if prompt.label == "missed_attack" else 0
    return 1 if prompt.verdict is not None and prompt.verdict.action in ("flag", "block") else 0
