"""What a simulated model answers: texts made from the request, or recorded outcomes of real models."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
WORDS = [
    "first",
    "check",
    "the",
    "inputs",
    "then",
    "compare",
    "both",
    "options",
    "and",
    "keep",
    "the",
    "simpler",
    "one",
    "because",
    "it",
    "fails",
    "less",
    "often",
    "while",
    "the",
    "other",
    "needs",
    "more",
    "memory",
    "so",
    "measure",
    "before",
    "you",
    "change",
    "anything",
    "and",
    "write",
    "down",
    "what",
    "you",
    "found",
    "for",
    "the",
    "next",
    "reader",
]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is asked: the model's id, the texts of the messages in order, and the recorded item if one is named."""

    model: str
    texts: tuple[str, ...]
    item: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What it says, the tokens it is billed for, and for a recorded item how good it was, from 0 to 1."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    score: float | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a recorded table: how `model` did on `item`, and what that used."""

    item: str
    model: str
    score: float
    cost_usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Answers(Protocol):
    """A source of answers: the same question always has the same one."""

    def answer(self, question: Question) -> Answer | None:
        """Return the answer, None when this source has none for the question."""


class WrittenAnswers:
    """Answers every question with a few sentences chosen by the question's hash."""

    def answer(self, question: Question) -> Answer:
        """Return between 12 and 43 words that name the model."""
        seed = hashlib.sha256("\0".join((question.model, *question.texts)).encode()).digest()
        words = [WORDS[byte % len(WORDS)] for byte in seed][: 12 + seed[0] % 32]
        text = f"{question.model}: {' '.join(words)}."
        return Answer(text=text, prompt_tokens=prompt_tokens(question.texts), completion_tokens=tokens(text))


class RecordedAnswers:
    """Answers questions that name an item with the outcome that was recorded for the model; asks `others` for the rest."""

    def __init__(self, outcomes: Iterable[Outcome], others: Answers) -> None:
        self._outcomes: Mapping[tuple[str, str], Outcome] = {(row.item, row.model): row for row in outcomes}
        self._others = others

    def answer(self, question: Question) -> Answer | None:
        """Return the recorded outcome as a JSON text; None when the item was not recorded for the model."""
        if question.item is None:
            return self._others.answer(question)
        outcome = self._outcomes.get((question.item, question.model))
        if outcome is None:
            return None
        text = msgspec.json.encode(outcome).decode()
        return Answer(
            text=text,
            prompt_tokens=outcome.prompt_tokens or prompt_tokens(question.texts),
            completion_tokens=outcome.completion_tokens or tokens(text),
            score=outcome.score,
        )


def read_outcomes(path: Path) -> list[Outcome]:
    """Read a table of JSON lines; raises msgspec.DecodeError where a line is not an Outcome."""
    return msgspec.json.Decoder(Outcome).decode_lines(path.read_bytes())


def tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def prompt_tokens(texts: Iterable[str]) -> int:
    """Estimate the tokens of a conversation."""
    return sum(tokens(text) + TOKENS_PER_MESSAGE for text in texts)
