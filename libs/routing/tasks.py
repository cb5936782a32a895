"""The shape of a request as a task name: a structural classifier, and the taxonomy that priors share."""

import re
from typing import Literal, TypeAlias, get_args

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
TASK_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,47}")

LONG_CONTEXT_TOKENS = 48_000
READ_CHARS = 2_000  # Keywords are looked for at both ends of the text: a bound on time, not on meaning.

_FENCE = "```"
_CODE = re.compile(
    r"\b(?:def |class |import |function|refactor|traceback|stack ?trace|unit tests?|pull request|repository|codebase|compile|"
    r"debug|python|javascript|typescript|rust|golang|java|sql query|regex|api endpoint|dockerfile|git (?:commit|diff)|"
    r"bug|source code|code review|pytest)\b",
    re.IGNORECASE,
)
_CODE_TOOL = re.compile(
    r"bash|shell|terminal|exec|edit|patch|str_replace|read_?file|write_?file|apply|grep|glob|run_|code|git|file",
    re.IGNORECASE,
)
_MATH = re.compile(
    r"\b(?:prove|theorem|integral|derivative|equation|solve for|probability|polynomial|matrix|geometry|arithmetic|"
    r"calculate|compute the|how many|modulo|prime)\b|\\(?:frac|int|sum)|[=<>]\s*\d+\s*[-+*/^]",
    re.IGNORECASE,
)
_REASONING = re.compile(
    r"\b(?:step by step|deduce|logic(?:al)?|puzzle|riddle|reason(?:ing)? about|implications?|hypothes[ie]s|trade-?offs?|"
    r"root cause|constraints?|plan (?:for|to|the))\b",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"\b(?:csv|spreadsheet|table|dataframe|columns?|rows?|pivot|aggregate|dataset|statistics|chart|sql)\b",
    re.IGNORECASE,
)
_STRUCTURED = re.compile(
    r"\b(?:extract|classify|label|json|schema|fields?|entities|parse|categori[sz]e|yaml|xml)\b", re.IGNORECASE
)
_WRITING = re.compile(
    r"\b(?:write|rewrite|essay|email|blog|story|poem|translate|summari[sz]e|tone|paragraph|article|proofread|draft|headline)\b",
    re.IGNORECASE,
)


class RequestFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """What the classifier looks at; *text* is the newest user message, *system* the system message."""

    text: str = ""
    system: str = ""
    tools: tuple[str, ...] = ()
    structured: bool = False
    images: bool = False
    context_tokens: int = 0


def classify(features: RequestFeatures) -> str:
    """Return the task of a request; the first trait that fits decides, structure before words."""
    text = _excerpt(features.text)
    if features.tools:
        return _agent_task(features, text)
    if features.images:
        return "vision"
    if features.context_tokens >= LONG_CONTEXT_TOKENS:
        return "long_context"
    if _FENCE in text or len(_CODE.findall(text)) > 1:
        return "coding"
    if features.structured:
        return "structured"
    return _by_words(text)


def _agent_task(features: RequestFeatures, text: str) -> str:
    """Return `agentic_coding` when half of the tools touch files or a shell, or the words do, else `tool_use`."""
    touching = sum(_CODE_TOOL.search(tool) is not None for tool in features.tools)
    if 2 * touching >= len(features.tools) or _CODE.search(_excerpt(features.system)) or _FENCE in text:
        return "agentic_coding"
    return "tool_use"


def _by_words(text: str) -> str:
    """Return the kind with most key words: a tie goes to the more specific kind, and no word at all is chat."""
    scores = [(len(pattern.findall(text)), task) for task, pattern in _KINDS]
    best = max(count for count, _ in scores)
    return next(task for count, task in scores if count == best) if best else "chat"


def _excerpt(text: str) -> str:
    return text if len(text) <= 2 * READ_CHARS else f"{text[:READ_CHARS]} {text[-READ_CHARS:]}"


_KINDS = (
    ("coding", _CODE),
    ("math", _MATH),
    ("data", _DATA),
    ("structured", _STRUCTURED),
    ("reasoning", _REASONING),
    ("writing", _WRITING),
)
