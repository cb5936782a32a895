"""Synthesis: attacks, ordinary requests and tool results written from grammars, for what public corpora hardly cover."""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

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


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many texts of each kind are written."""

    attacks: int = 6_000
    multilingual: int = 3_000
    ordinary: int = 9_000
    carried: int = 3_000
    records: int = 2_000


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


def synthesise(passages: Sequence[str], rng: random.Random, amounts: Amounts) -> list[Row]:
    """Return written rows; attacks are also planted in `passages` and records, which otherwise carry ordinary text."""
    records = [record(rng) for _ in range(amounts.records)]
    carriers = [*passages, *records]
    attacks, multilingual, ordinary = map(Grammar.read, ("attacks", "attacks_multilingual", "ordinary"))
    return [
        *_rows("own_attacks", 1, (_disguised(attacks.write(rng), rng) for _ in range(amounts.attacks))),
        *_rows("own_multilingual", 1, (multilingual.write(rng) for _ in range(amounts.multilingual))),
        *_rows("own_ordinary", 0, (_disguised(ordinary.write(rng), rng) for _ in range(amounts.ordinary))),
        *_rows("own_carried", 1, (_carried(attacks.write(rng), carriers, rng) for _ in range(amounts.carried))),
        *_rows("own_records", 0, iter(records)),
        *_rows("own_carrier", 0, (_carried(ordinary.write(rng), carriers, rng) for _ in range(amounts.carried))),
    ]


def _rows(source: str, label: int, texts: Iterator[str]) -> Iterator[Row]:
    return (Row(text=text, label=label, source=source, licence="own", written=True) for text in dict.fromkeys(texts))


def _disguised(text: str, rng: random.Random) -> str:
    """Spell one text in six in another way: how it is written must not tell attack from request."""
    return rng.choice(_DISGUISES)(text) if rng.random() < 1 / 6 else text


def _carried(planted: str, passages: Sequence[str], rng: random.Random) -> str:
    passage = rng.choice(passages)[:CARRIED_CHARS]
    at = passage.rfind(" ", 0, rng.randint(0, len(passage))) + 1
    return rng.choice(_CARRIERS) % f"{passage[:at]}{planted} {passage[at:]}"
