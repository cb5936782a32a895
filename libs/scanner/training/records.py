"""Records: tables, logs, listings and source code of the kind that tools return, with nothing in them to obey."""

import json
import random
from collections.abc import Callable
from typing import Final

_WORDS: Final = [
    "north",
    "harbour",
    "invoice",
    "alpha",
    "river",
    "engine",
    "copper",
    "station",
    "market",
    "garden",
    "vector",
    "socket",
    "parser",
    "ledger",
    "winter",
    "summit",
    "bridge",
    "lemon",
    "orbit",
    "signal",
    "cargo",
    "pilot",
    "mirror",
    "canvas",
    "forest",
    "anchor",
    "tunnel",
    "puzzle",
    "ribbon",
    "quartz",
    "falcon",
    "meadow",
]
_PEOPLE: Final = [
    "Ann",
    "Bob",
    "Carla",
    "Dmitri",
    "Eva",
    "Farid",
    "Grace",
    "Hiro",
    "Ines",
    "Jonas",
    "Keiko",
    "Lena",
    "Marc",
    "Nadia",
    "Omar",
    "Petra",
]
_PLACES: Final = [
    "Lisbon",
    "Osaka",
    "Leeds",
    "Graz",
    "Quito",
    "Turin",
    "Accra",
    "Perth",
    "Lyon",
    "Bergen",
    "Tampa",
    "Pune",
    "Cork",
    "Split",
]
_LEVELS: Final = ("INFO", "WARN", "DEBUG", "ERROR")
_CALLS: Final = ("load", "parse", "render", "update", "reset", "append", "close", "fetch", "print", "override", "skip")


def record(rng: random.Random) -> str:
    """Return one document of 3 to 40 lines."""
    return rng.choice(_WRITERS)(rng, rng.randint(3, 40))


def _table(rng: random.Random, lines: int) -> str:
    header = rng.sample(_WORDS, 4)
    rows = [[rng.choice(_PLACES), rng.choice(_PEOPLE), _number(rng), _date(rng)] for _ in range(lines)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * 4, *rows))


def _csv(rng: random.Random, lines: int) -> str:
    separator = rng.choice(",;\t")
    rows = [[_date(rng), rng.choice(_WORDS), _number(rng), _number(rng)] for _ in range(lines)]
    return "\n".join(separator.join(cells) for cells in (rng.sample(_WORDS, 4), *rows))


def _log(rng: random.Random, lines: int) -> str:
    return "\n".join(
        f"{_date(rng)} 12:{rng.randint(10, 59)}:07 {rng.choice(_LEVELS)} {rng.choice(_WORDS)}.{rng.choice(_CALLS)}: {_name(rng)}={_number(rng)}"
        for _ in range(lines)
    )


def _json(rng: random.Random, lines: int) -> str:
    items = [
        {"id": rng.randint(1, 9_999), "name": rng.choice(_PEOPLE), "city": rng.choice(_PLACES), "total": rng.random()}
        for _ in range(lines)
    ]
    return json.dumps({"items": items, "next": None}, indent=rng.choice((None, 2)))


def _listing(rng: random.Random, lines: int) -> str:
    return "\n".join(
        f"-rw-r--r-- 1 {rng.choice(_PEOPLE).lower()} staff {_number(rng)} {_date(rng)} {_name(rng)}.{rng.choice(('py', 'md', 'csv'))}"
        for _ in range(lines)
    )


def _code(rng: random.Random, lines: int) -> str:
    body = [
        f"    {_name(rng)} = {rng.choice(_CALLS)}({rng.choice(_WORDS)}, {rng.choice(_WORDS)}={_number(rng)})"
        for _ in range(lines)
    ]
    return "\n".join(
        (f"def {rng.choice(_CALLS)}_{rng.choice(_WORDS)}({rng.choice(_WORDS)}):", *body, "    return None")
    )


def _html(rng: random.Random, lines: int) -> str:
    items = "".join(f"<li><a href='/{_name(rng)}'>{rng.choice(_PLACES)} {_number(rng)}</a></li>" for _ in range(lines))
    return f"<html><head><title>{rng.choice(_WORDS)}</title></head><body><ul>{items}</ul></body></html>"


def _number(rng: random.Random) -> str:
    return rng.choice((str(rng.randint(0, 90_000)), f"{rng.uniform(0, 500):.2f}", f"{rng.randint(1, 99)}%"))


def _date(rng: random.Random) -> str:
    return f"20{rng.randint(10, 29)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _name(rng: random.Random) -> str:
    return "_".join(rng.sample(_WORDS, 2))


_WRITERS: Final[tuple[Callable[[random.Random, int], str], ...]] = (_table, _csv, _log, _json, _listing, _code, _html)
