"""Internet addresses: IPv4 and IPv6. Not looked for unless a tenant asks, because versions look the same."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

_CANDIDATE: Final = re.compile(
    r"(?<![0-9A-Za-z.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,40})[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3})"
    r"(?![0-9A-Za-z:]|\.\d)"
)


def find_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each address."""
    for found in _CANDIDATE.finditer(text):
        if _is_address(found[0]):
            yield found.span()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return len(text) > len("::")
