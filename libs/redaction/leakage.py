"""
Leakage of a request's own system prompt: its words again in the answer, in the same order.

Case, spaces and punctuation do not matter. Three words in a row prove nothing and pass; from the fourth on the run is held
until it ends or is long enough to be a copy. A word at either end counts, but stays, if something is glued to it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from libs.redaction.secrets import LONGEST_HELD, placeholder

SYSTEM_PROMPT: Final = "system_prompt"
CANARY: Final = "canary"
LEAST_LETTERS: Final = 56
"""A run of so many letters, about eleven English words, is a copy; a shorter one may be chance or courtesy."""

MAX_WORDS: Final = 4096
_MAX_PLACES = 8
_QUOTE = '"'
_CHARACTER = (
    r"\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # Scripts without spaces: every character is a word.
)
_WORD = rf"[{_CHARACTER}]|[^\W{_CHARACTER}]{{1,{LONGEST_HELD}}}+"
_TEXT_TOKENS = re.compile(_WORD)
_JSON_TOKENS = re.compile(rf'\\(?:u[0-9a-fA-F]{{0,4}}|.)?|"|{_WORD}', re.DOTALL)


class Prompt:
    """The words of a system prompt, the first `MAX_WORDS` of them, and where three in a row stand in it."""

    def __init__(self, text: str) -> None:
        self.words = [found.group().casefold() for found in islice(_TEXT_TOKENS.finditer(text), MAX_WORDS)]
        self._places: dict[tuple[str, ...], list[int]] = {}
        if sum(map(len, self.words)) >= LEAST_LETTERS:
            for end in range(3, len(self.words) + 1):
                places = self._places.setdefault(tuple(self.words[end - 3 : end]), [])
                places += (end,) if len(places) < _MAX_PLACES else ()

    def __bool__(self) -> bool:
        """Say whether it is long enough to be recognised."""
        return bool(self._places)

    def places(self, three: tuple[str, ...]) -> list[int]:
        """Return where a run that began with *three* words goes on, at most a few places."""
        return self._places.get(three, [])


class _Run(msgspec.Struct, frozen=True):
    """Words that stand in the prompt as well: *start* is where the first three end in the text."""

    start: int
    letters: int


class LeakHoldback:
    """
    Replaces runs of *prompt* in one growing text; what `feed` and `close` return does not depend on how it was cut.

    With *in_json* the text is JSON: a run ends with its string, so that what is left is JSON too. *found*, which may be shared, counts.
    """

    def __init__(self, prompt: Prompt, *, in_json: bool = False, found: Counter[str] | None = None) -> None:
        self.found = Counter() if found is None else found
        self.held = ""
        self._prompt = prompt
        self._in_json = in_json
        self._tokens = _JSON_TOKENS if in_json else _TEXT_TOKENS
        self._text = ""  # What is not read yet, and what is not handed on yet.
        self._read = 0
        self._released = 0
        self._last: tuple[str, ...] = ()
        self._runs: dict[int, _Run] = {}
        self._leaking: set[int] = set()

    def feed(self, more: str) -> str:
        """Take the next piece; return what may be handed on."""
        self._text += more
        out = [self._take(*token) for token in self._complete()]
        self._forget(len(self._text))
        out.append(self._release(self._until()))
        self._trim()
        return "".join(out)

    def close(self) -> str:
        """Return what was held: there is no more."""
        out = [self._take(found.group(), found.end()) for found in self._rest()]
        out.append(self._release(len(self._text)))
        self._read = len(self._text)
        self._trim()
        return "".join(out)

    def _rest(self) -> Iterable[re.Match[str]]:
        return self._tokens.finditer(self._text, self._read)

    def _complete(self) -> Iterable[tuple[str, int]]:
        """Yield the tokens that cannot grow any more."""
        for found in self._rest():
            if found.end() == len(self._text) and found.group() != _QUOTE and len(found.group()) < LONGEST_HELD:
                return
            self._read = found.end()
            yield found.group(), found.end()

    def _take(self, token: str, end: int) -> str:
        """Read one token; return what was handed on for it."""
        if self._runs or self._leaking:
            self._forget(end)
        if self._in_json and token[0] in '\\"':
            if token == _QUOTE:
                self._last, self._runs, self._leaking = (), {}, set()
            return ""
        word = token.casefold()
        self._last = (*self._last[-3:], word)
        if self._leaking and (goes_on := self._next(self._leaking, word)):
            self._leaking, self._released = goes_on, end
            return ""
        self._leaking = set()
        return self._follow(token, word, end)

    def _follow(self, token: str, word: str, end: int) -> str:
        runs = self._longer(word) if self._runs else {}
        if copies := {place for place, run in runs.items() if run.letters >= LEAST_LETTERS}:
            out = self._release(min(runs[place].start for place in copies))
            self._runs, self._leaking, self._released = {}, copies, end
            self.found[SYSTEM_PROMPT] += 1
            return f"{out} {placeholder(SYSTEM_PROMPT)}"
        if (start := self._glued_copy(word)) is not None:
            out = self._release(start)
            self._runs, self._released = {}, end - len(token)
            self.found[SYSTEM_PROMPT] += 1
            return f"{out} {placeholder(SYSTEM_PROMPT)} "
        three = self._last[-3:]
        for place in self._prompt.places(three):
            runs.setdefault(place, _Run(end, sum(map(len, three)) + self._glued_before(place)))
        self._runs = runs
        return ""

    def _glued_copy(self, word: str) -> int | None:
        """Return where a run starts that is a copy with the beginning of *word*, to which something is glued."""
        words = self._prompt.words
        starts = (
            run.start
            for place, run in self._runs.items()
            if place < len(words) and word != words[place] and word.startswith(words[place])
            if run.letters + len(words[place]) >= LEAST_LETTERS
        )
        return min(starts, default=None)

    def _glued_before(self, place: int) -> int:
        """Return the letters of the prompt's word before the last three, if something is glued to the front of it."""
        earlier = self._prompt.words[max(0, place - 4) : place - 3]
        return len(earlier[0]) if earlier and self._last[:-3] and self._last[0].endswith(earlier[0]) else 0

    def _longer(self, word: str) -> dict[int, _Run]:
        words, size = self._prompt.words, len(word)
        return {
            place + 1: _Run(run.start, run.letters + size)
            for place, run in self._runs.items()
            if place < len(words) and words[place] == word
        }

    def _next(self, places: set[int], word: str) -> set[int]:
        words = self._prompt.words
        return {place + 1 for place in places if place < len(words) and words[place] == word}

    def _forget(self, end: int) -> None:
        """Give up what would have to hold more than `LONGEST_HELD` characters up to *end*."""
        if self._leaking and end - self._released > LONGEST_HELD:
            self._leaking = set()
        if self._runs:
            self._runs = {place: run for place, run in self._runs.items() if end - run.start <= LONGEST_HELD}

    def _until(self) -> int:
        if self._leaking:
            return self._released
        return min((run.start for run in self._runs.values()), default=len(self._text))

    def _release(self, until: int) -> str:
        out = self._text[self._released : until]
        self._released = max(self._released, until)
        return out

    def _trim(self) -> None:
        """Drop the text that is read and handed on."""
        self.held = self._text[self._released :]
        cut = min(self._read, self._released)
        self._text = self._text[cut:]
        self._read -= cut
        self._released -= cut
        self._runs = {place: _Run(run.start - cut, run.letters) for place, run in self._runs.items()}


class MarkHoldback:
    """Replaces *marks*, strings that a tenant has planted in its prompts, in one growing text; *found* counts them."""

    def __init__(self, marks: Iterable[str], found: Counter[str] | None = None) -> None:
        self.found = Counter() if found is None else found
        self.held = ""
        known = frozenset(marks)
        least = [mark for mark in known if not any(other in mark for other in known - {mark})]
        self._marks = re.compile("|".join(map(re.escape, least)))
        self._beginnings = {mark[:size] for mark in least for size in range(1, len(mark))}
        self._longest = max(map(len, least))

    def feed(self, more: str) -> str:
        """Take the next piece; return what may be handed on."""
        text, count = self._marks.subn(placeholder(CANARY), self.held + more)
        if count:
            self.found[CANARY] += count
        sizes = range(min(len(text), self._longest - 1), 0, -1)
        open_size = next((size for size in sizes if text[-size:] in self._beginnings), 0)
        self.held = text[len(text) - open_size :]
        return text[: len(text) - open_size]

    def close(self) -> str:
        """Return what was held: there is no more."""
        held, self.held = self.held, ""
        return held
