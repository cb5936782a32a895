"""E-mail addresses, found from their `@` outwards."""

import re
from collections.abc import Iterator
from typing import Final

LONGEST_LOCAL: Final = 128

_LOCAL_BACKWARDS = re.compile(r"[\w.+%'&~=-]*+")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?P<top>[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])")
_FILE_ENDINGS: Final = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "css",
        "scss",
        "less",
        "js",
        "jsx",
        "mjs",
        "cjs",
        "ts",
        "tsx",
        "json",
        "html",
        "htm",
        "xml",
        "yml",
        "yaml",
        "toml",
        "lock",
        "md",
        "txt",
    ]
)
"""What `icon@2x.png` and `lib@next.js` end with; none of them is a top-level domain."""


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each address; internationalised ones too, quoted local parts not."""
    at = text.find("@")
    while at >= 0:
        found = _DOMAIN.match(text, at + 1)
        start = _local_start(text, at) if found else at
        if found and start < at and not _is_code(text, start, at, found):
            yield start, found.end()
        at = text.find("@", at + 1)


def _local_start(text: str, at: int) -> int:
    before = text[max(0, at - LONGEST_LOCAL) : at][::-1]
    found = _LOCAL_BACKWARDS.match(before)
    local = before[: found.end() if found else 0][::-1].lstrip(".'&=~%-")
    start = at - len(local)
    # Text that holds JSON escapes: the letter after the backslash is no part of the address.
    return start + 1 if local[:1] in "nrtbf" and text[start - 1 : start] == "\\" else start


def _is_code(text: str, start: int, at: int, domain: "re.Match[str]") -> bool:
    """Say whether it is a file of two resolutions, or an SSH remote such as `git@github.com:owner/name`."""
    if domain["top"].lower() in _FILE_ENDINGS:
        return True
    return text[start:at] == "git" and text[domain.end() : domain.end() + 1] in (":", "/")
