"""Synthesis: attacks, ordinary requests and tool results written from grammars, for what public corpora hardly cover."""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from libs.scanner.training.corpus import Row
from libs.scanner.training.records import record

PHRASES: Final = Path(__file__).parent / "phrases"

CARRIED_CHARS: Final = 1_500
"""Longest passage that an attack is planted in."""

_SLOT: Final = re.compile(r"\{(\w+)\}")
_DOUBLED: Final = re.compile(r"([.!?:])[.]+")
_CARRIERS: Final = (
    "%s",
    '{"status": "ok", "result": "%s"}',
    '{"id": 4711, "from": "bob@shop.example", "subject": "Re: your order", "body": "%s"}',
    '[{"title": "First hit", "url": "https://site.example/a", "snippet": "%s"}]',
    '{"reviews": [{"stars": 4, "text": "%s"}], "next_page": null}',
    '{"name": "report.md", "content": "%s", "size": 812}',
    "From: ann@mail.example\nTo: me\nSubject: hello\n\n%s\n\nBest regards\nAnn",
    "<html><body><h1>News</h1><p>%s</p><footer>Imprint</footer></body></html>",
    "# README\n\n%s\n\n## Licence\nMIT",
    "```\n$ cat notes.txt\n%s\n```",
    "| date | note |\n| --- | --- |\n| 3 May | %s |",
    "2026-05-03 12:00:01 INFO worker: message=%s",
)
_DISGUISES: Final = (
    str.upper,
    str.lower,
    str.title,
    lambda text: text.replace(" ", "  "),
    lambda text: text.replace(" ", "_"),
    lambda text: text.replace(". ", "\n"),
)


class Plan(NamedTuple):
    """How many texts a grammar writes, and how many more that stand inside another text, as tool results carry them."""

    grammar: str
    label: int
    texts: int
    carried: int = 0


PLANS: Final = (
    Plan("attacks", 1, texts=6_000, carried=3_000),
    Plan("attacks_games", 1, texts=4_000),
    Plan("attacks_social", 1, texts=4_000),
    Plan("attacks_notes", 1, texts=4_000, carried=2_000),
    Plan("attacks_multilingual", 1, texts=3_000),
    Plan("attacks_tongues", 1, texts=4_000),
    Plan("ordinary", 0, texts=9_000, carried=3_000),
    Plan("ordinary_chat", 0, texts=12_000, carried=2_000),
    Plan("ordinary_code", 0, texts=8_000),
)

RECORDS: Final = 2_000
"""Tables, logs and listings with nothing in them."""


class Grammar:
    """Phrases under names; `text` is where a sentence begins."""

    def __init__(self, phrases: Mapping[str, Sequence[str]]) -> None:
        self._phrases = phrases

    @classmethod
    def read(cls, name: str) -> "Grammar":
        """Return the grammar `phrases/<name>.toml`."""
        return cls(tomllib.loads((PHRASES / f"{name}.toml").read_text(encoding="utf-8")))

    def write(self, rng: random.Random) -> str:
        """Return one text."""
        return _DOUBLED.sub(r"\1", self._expand("text", rng)).strip()

    def _expand(self, name: str, rng: random.Random) -> str:
        return _SLOT.sub(lambda slot: self._expand(slot.group(1), rng), rng.choice(self._phrases[name]))


def synthesise(
    passages: Sequence[str], rng: random.Random, plans: Sequence[Plan] = PLANS, records: int = RECORDS
) -> list[Row]:
    """Return written rows; some are planted in `passages` and records, attacks and ordinary requests alike."""
    tables = [record(rng) for _ in range(records)]
    carriers = [*passages, *tables]
    written = [_rows("own_records", 0, iter(tables))]
    for plan in plans:
        grammar, source = Grammar.read(plan.grammar), f"own_{plan.grammar}"
        written.append(_rows(source, plan.label, (_disguised(grammar.write(rng), rng) for _ in range(plan.texts))))
        carried = (_carried(grammar.write(rng), carriers, rng) for _ in range(plan.carried))
        written.append(_rows(f"{source}_carried", plan.label, carried))
    return [row for rows in written for row in rows]


def _rows(source: str, label: int, texts: Iterator[str]) -> list[Row]:
    return [Row(text=text, label=label, source=source, licence="own", written=True) for text in dict.fromkeys(texts)]


def _disguised(text: str, rng: random.Random) -> str:
    """Spell one text in six in another way: how it is written must not tell attack from request."""
    return rng.choice(_DISGUISES)(text) if rng.random() < 1 / 6 else text


def _carried(planted: str, passages: Sequence[str], rng: random.Random) -> str:
    passage = rng.choice(passages)[:CARRIED_CHARS]
    at = passage.rfind(" ", 0, rng.randint(0, len(passage))) + 1
    return rng.choice(_CARRIERS) % f"{passage[:at]}{planted} {passage[at:]}"
