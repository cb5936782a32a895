"""One spelling for a model however a provider, a board or a client writes it."""

import re
from functools import lru_cache

_NOISE = re.compile(r"\((?:[^()]*)\)|\b(?:openrouter|latest|preview|instruct)\b")
_DATE = re.compile(r"-(?:20\d{2}-?[01]\d-?[0-3]\d|[01]\d-20\d{2}|[0-3]\d-[01]\d|[01]\d[0-3]\d|2[4-9][01]\d)(?=-|$)")
_EFFORT = re.compile(
    r"(?<!istral)-(?:xhigh|high|medium|low|minimal|auto|base|nothinking|highthinking|thinking|non-reasoning|reasoning|reasoner|chat)"
    r"(?:-(?:effort|reasoning|\d+k))?(?=-|$)"
)
_CLAUDE = re.compile(r"^claude-(\d+(?:-\d+)?)-(opus|sonnet|haiku)")
_SEPARATORS = re.compile(r"[\s._:+]+")
_VERSION_LETTER = re.compile(r"(?<=\d)p(?=\d)")


@lru_cache(maxsize=8192)
def family_of(name: str) -> str:
    """
    Return the canonical family of a model name: lower case, no vendor path, date, effort or formatting.

    `anthropic/claude-4.5-sonnet-20250929`, `Claude 4.5 Sonnet (20250929)` and `claude-sonnet-4-5` are one family.
    """
    text = _NOISE.sub(" ", name.lower().rsplit("/", 1)[-1]).strip()
    text = _VERSION_LETTER.sub("-", _SEPARATORS.sub("-", text)).strip("-")
    text = _strip(_DATE, text)
    text = _strip(_EFFORT, text)
    text = _CLAUDE.sub(r"claude-\2-\1", text)
    return re.sub(r"-+", "-", text).strip("-")


def _strip(pattern: re.Pattern[str], text: str) -> str:
    """Remove every match of *pattern* unless nothing but a first word would be left of a short name."""
    stripped = pattern.sub("", text)
    return stripped if "-" in stripped or any(char.isdigit() for char in stripped) else text


def line_of(family: str) -> str:
    """Return the product line of a family: its name without versions and sizes, as `claude-opus` of `claude-opus-4-8`."""
    return "-".join(part for part in family.split("-") if not part[:1].isdigit())


def version_of(family: str) -> tuple[int, ...]:
    """Return the version numbers in a family, as (4, 8) of `claude-opus-4-8`; of two in one line the greater is newer."""
    return tuple(int(part) for part in family.split("-") if part.isdigit())
