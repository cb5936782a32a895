"""The output side of the firewall: what is found in an answer is flagged, redacted or blocked, under the tenant's policy."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from libs.contracts.events import AnswerVerdict, LeakCategory
from libs.contracts.state import FirewallPolicy
from libs.contracts.unreadable import UNREADABLE
from libs.redaction.holdback import Holdback
from libs.redaction.leakage import CANARY, MAX_WORDS, SYSTEM_PROMPT, LeakHoldback, MarkHoldback, Prompt
from libs.redaction.secret_shapes import KINDS
from libs.redaction.secrets import find, redact
from libs.scanner.text import ROLES, extract
from services.gateway.domain.errors import RefusedError

Path = tuple[str | int, ...]
Through = Callable[[Path, str], str]

_NAMES = frozenset({"role", "id", "type", "name", "object", "finish_reason"})
_MAX_PROMPT = 8 * MAX_WORDS
_NOT_SYSTEM = frozenset(ROLES) - {"system"}


class Filter(Protocol):
    """Hands on one growing text without what it looks for."""

    def feed(self, more: str) -> str:
        """Take the next piece; return what may be handed on."""

    def close(self) -> str:
        """Return what was held: there is no more."""


class Channel:
    """One growing text of an answer: each filter reads what the one before it hands on."""

    def __init__(self, filters: list[Filter]) -> None:
        self._filters = filters

    def feed(self, more: str) -> str:
        """Take the next piece; return what may be handed on."""
        for each in self._filters:
            more = each.feed(more)
        return more

    def close(self) -> str:
        """Return what was held: there is no more."""
        rest = ""
        for each in self._filters:
            rest = each.feed(rest) + each.close()
        return rest


class AnswerGuard:
    """Reads the texts of one answer for what *policy* wants found; *prompt* is the request's own system prompt."""

    def __init__(self, policy: FirewallPolicy, prompt: Prompt | None) -> None:
        self.found: Counter[str] = Counter()
        self.changes = policy.output != "flag"
        self._policy = policy
        self._prompt = prompt
        self._kinds = _kinds(policy)

    @property
    def blocks(self) -> bool:
        """Say whether the answer ends here."""
        return self._policy.output == "block" and bool(self.found)

    def verdict(self) -> AnswerVerdict | None:
        """Return what was found so far; None for nothing."""
        action = self._policy.output
        if not self.found or action == "off":
            return None
        secret = self.found.keys() - {SYSTEM_PROMPT, CANARY}
        category: LeakCategory = "secret_leak" if secret else "system_prompt_leak"
        return AnswerVerdict(action=action, category=category, kinds=dict(self.found))

    def channel(self, *, in_json: bool = False) -> Channel:
        """Return the filters of one text; *in_json* says that it is JSON itself."""
        filters: list[Filter] = []
        if self._kinds:  # First: a copy of the prompt may hold the label of a secret, or how it begins.
            filters.append(Holdback(self._kinds, self.found))
        if self._prompt:
            filters.append(LeakHoldback(self._prompt, in_json=in_json, found=self.found))
        if self._policy.canaries:
            filters.append(MarkHoldback(self._policy.canaries, self.found))
        return Channel(filters)

    def whole(self, body: bytes) -> bytes:
        """Return the `chat.completion` *body* as the client may see it: the same bytes where nothing had to be changed."""
        try:
            answer = msgspec.json.decode(body)
            choices = answer["choices"]
            changed = [passed_through(choice, (), self._whole_text) for choice in choices]
        except (*UNREADABLE, TypeError, KeyError, AttributeError):
            return self.plain(body)
        if not any(changed) or not self.changes:
            return body
        for choice, is_changed in zip(choices, changed, strict=True):
            if is_changed and choice.get("logprobs"):
                choice["logprobs"] = None  # They spell the text out once more.
        return msgspec.json.encode(answer)

    def plain(self, content: bytes) -> bytes:
        """Return *content* that is no completion as the client may see it, read as one text."""
        text = content.decode("utf-8", "surrogateescape")
        shown = self._whole_text((), text)
        return shown.encode("utf-8", "surrogateescape") if self.changes and shown != text else content

    def _whole_text(self, path: Path, text: str) -> str:
        channel = self.channel(in_json=is_json(path))
        return channel.feed(text) + channel.close()


def guard_of(tenant: str, policy: FirewallPolicy, request: bytes) -> AnswerGuard | None:
    """Return the guard of the answer to *request*, None where the tenant's answers are not looked at."""
    if policy.output == "off":
        return None
    is_wanted = "system_prompt_leak" in policy.output_categories
    prompt = _prompt(tenant, _system_text(request), _kinds(policy)) if is_wanted else None
    return AnswerGuard(policy, prompt)


def refuse_leak(guard: AnswerGuard) -> None:
    """Raise `RefusedError` (400) where the answer must not be seen."""
    if guard.blocks:
        raise answer_blocked()


def answer_blocked() -> RefusedError:
    """Return the refusal of an answer: the request was served and is paid for, asking again would be so too."""
    return RefusedError(400, "ANSWER_BLOCKED", "The answer was blocked by the firewall: it holds what must not leave.")


def passed_through(node: dict[str, Any], path: Path, through: Through) -> bool:
    """Put every text below *node* *through* a filter, in place; return whether any came out different."""
    changed = False
    for name, value in node.items():
        if name == "logprobs" or (name in _NAMES and isinstance(value, str)):
            continue
        shown, is_changed = _passed(value, (*path, name), through)
        if is_changed:
            node[name], changed = shown, True
    return changed


def is_json(path: Path) -> bool:
    """Say whether the text at *path* of a message is JSON: the arguments of a call."""
    return path[-1:] == ("arguments",)


def _passed(value: Any, path: Path, through: Through) -> tuple[Any, bool]:
    if isinstance(value, str):
        shown = through(path, value) if value else value
        return shown, shown != value
    if isinstance(value, dict):
        return value, passed_through(value, path, through)
    if isinstance(value, list):
        passed = [_passed(item, (*path, _place(item, place)), through) for place, item in enumerate(value)]
        return [item for item, _ in passed], any(is_changed for _, is_changed in passed)
    return value, False


def _place(item: Any, place: int) -> int:
    named = item.get("index") if isinstance(item, dict) else None
    return named if isinstance(named, int) else place


def _kinds(policy: FirewallPolicy) -> frozenset[str]:
    """Return the kinds of secrets that *policy* wants found."""
    is_wanted = "secret_leak" in policy.output_categories
    return frozenset(KINDS).difference(policy.output_allowed) if is_wanted else frozenset()


@lru_cache(maxsize=16)
def _prompt(tenant: str, text: str, kinds: frozenset[str]) -> Prompt:  # noqa: ARG001 - no tenant can tell from the time it takes what another's is
    """Return the prompt as a copy of it looks once secrets of *kinds* are replaced."""
    text = text[:_MAX_PROMPT]
    return Prompt(redact(text, (finding for finding in find(text) if finding.kind in kinds)))


def _system_text(request: bytes) -> str:
    return "\n".join(segment.text for segment in extract(request, skip=_NOT_SYSTEM))
