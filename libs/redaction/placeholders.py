"""What stands in place of a value: its kind, and where values are to stay joinable a keyed digest of it."""

import hashlib
import hmac
import re
from typing import Final

from libs.contracts.state import PiiKind

_DIGEST_LETTERS: Final = 12
_LETTERS: Final = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
_NOTATION: Final = re.compile(r"[\s().\-/]")


def masked(kind: str) -> str:
    """Return the placeholder of a *kind*."""
    return f"[{kind}]"


def hashed(kind: str, value: str, key: bytes) -> str:
    """
    Return the placeholder of *kind* with 48 bits of the HMAC-SHA-256 of *value* under *key*, in letters.

    However a number or an address is written, its digest is the same. Letters, because digits could be taken for a number.
    """
    digest = hmac.digest(key, f"{kind}:{_canonical(kind, value)}".encode("utf-8", "replace"), "sha256").hex()
    return f"[{kind}:{digest[:_DIGEST_LETTERS].encode().translate(_LETTERS).decode()}]"


def tenant_key(secret: str, tenant: str) -> bytes:
    """Return the key of one tenant's digests: no tenant's values can be joined with another's."""
    return hmac.digest(secret.encode(), f"redaction:{tenant}".encode(), hashlib.sha256)


def _canonical(kind: PiiKind | str, value: str) -> str:
    if kind == "secret":
        return value
    return value.casefold() if kind in ("email", "ip") else _NOTATION.sub("", value).upper()
