"""The shape of a request as a task name: a structural classifier, and the taxonomy that priors share."""

import re
from typing import Literal, Protocol, TypeAlias, get_args

import msgspec

Task: TypeAlias = Literal[
    "agentic_coding",
    "tool_use",
    "coding",
    "math",
    "reasoning",
    "data",
    "structured",
    "writing",
    "vision",
    "long_context",
    "chat",
]
TASKS: tuple[str, ...] = get_args(Task)

LONG_CONTEXT_TOKENS = 48_000
READ_CHARS = 500  # Words are looked for at both ends of the text: a bound on time, not on meaning.

_FENCE = "```"
_WORD = re.compile(r"[a-z_]{3,}")
_CODE_TOOL = re.compile(
    r"bash|shell|terminal|exec|edit|patch|str_replace|read_?file|write_?file|apply|grep|glob|run_|code|git|file",
    re.IGNORECASE,
)

# Of two kinds with as many words the first, which is the more specific, is taken.
_KEY_WORDS: dict[str, str] = {
    "coding": (
        "def class import function refactor traceback stacktrace unittest repository codebase compile compiler debug python "
        "javascript typescript rust golang java kotlin regex endpoint dockerfile commit diff bug pytest api code implement"
    ),
    "math": (
        "prove proof theorem integral derivative equation solve probability polynomial matrix geometry arithmetic calculate "
        "compute modulo prime integer triangle angle sum percent fraction frac"
    ),
    "data": (
        "csv spreadsheet table tables dataframe column columns row rows pivot aggregate dataset statistics chart sql excel"
    ),
    "structured": (
        "extract classify label labels json schema field fields entity entities parse categorize categorise yaml xml"
    ),
    "reasoning": (
        "deduce logic logical puzzle riddle reasoning implications hypothesis hypotheses tradeoffs constraint constraints "
        "therefore infer plan strategy"
    ),
    "writing": (
        "write rewrite essay email blog story poem translate summarize summarise tone paragraph article proofread draft "
        "headline letter speech translation summary"
    ),
}
_WORDS = {kind: frozenset(words.split()) for kind, words in _KEY_WORDS.items()}


class RequestFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """What the classifier looks at; *text* is the newest user message, *system* the system message."""

    text: str = ""
    system: str = ""
    tools: tuple[str, ...] = ()
    structured: bool = False
    images: bool = False
    context_tokens: int = 0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a request, and who says so: `client`, `structure`, `words`, or a head by its version."""

    task: str
    by: str


class Head(Protocol):
    """What tells a shape from a text where structure says nothing."""

    version: str

    def shape_of(self, text: str, kind: str) -> str:
        """Return the task of a request of *text* whose key words suggest *kind*."""


class UnknownTaskError(ValueError):
    """A request names a task that neither everybody nor its tenant has; the message lists those there are."""


def task_of(features: RequestFeatures, *, named: str | None, own: tuple[str, ...], head: Head | None = None) -> Told:
    """
    Return the task of a request: the one it names, else the one its structure has, else what *head* makes of its words.

    It may name a task of the taxonomy or one of the tenant's *own*: statistics are kept per task, so that names made up by
    clients would grow them without end. Raises `UnknownTaskError`.
    """
    if named is not None:
        if named not in TASKS and named not in own:
            raise UnknownTaskError(f"there is no task {named!r}; known: {', '.join((*TASKS, *own))}")
        return Told(task=named, by="client")
    task = _by_structure(features)
    if task is not None:
        return Told(task=task, by="structure")
    kind = _by_words(_words(features.text))
    return (
        Told(task=kind, by="words") if head is None else Told(task=head.shape_of(features.text, kind), by=head.version)
    )


def classify(features: RequestFeatures) -> str:
    """Return the task of a request by structure and key words; the first trait that fits decides."""
    return _by_structure(features) or _by_words(_words(features.text))


def _by_structure(features: RequestFeatures) -> str | None:
    if features.tools:
        return _agent_task(features)
    if features.images:
        return "vision"
    if features.context_tokens >= LONG_CONTEXT_TOKENS:
        return "long_context"
    if _FENCE in features.text:
        return "coding"
    return "structured" if features.structured else None


def _agent_task(features: RequestFeatures) -> str:
    """Return `agentic_coding` when half of the tools touch files or a shell, or the words do, else `tool_use`."""
    touching = sum(_CODE_TOOL.search(tool) is not None for tool in features.tools)
    if 2 * touching >= len(features.tools) or _FENCE in features.text:
        return "agentic_coding"
    return "agentic_coding" if len(_words(features.system) & _WORDS["coding"]) > 1 else "tool_use"


def _by_words(words: set[str]) -> str:
    """Return the kind with most key words: a tie goes to the more specific kind, and no word at all is chat."""
    count, kind = 0, "chat"
    for candidate, keys in _WORDS.items():
        found = len(words & keys)
        if found > count:
            count, kind = found, candidate
    return kind


def _words(text: str) -> set[str]:
    excerpt = text if len(text) <= 2 * READ_CHARS else f"{text[:READ_CHARS]} {text[-READ_CHARS:]}"
    return set(_WORD.findall(excerpt.lower()))
