"""The one place that says which requests may share a cached answer."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from libs.contracts.unreadable import UNREADABLE

IGNORED_FIELDS = frozenset(
    {"model", "user", "metadata", "prompt_cache_key", "safety_identifier", "stream", "stream_options"}
)
"""Fields that say who asks, in which session, or how the answer is carried; the model stands in the key on its own."""


class CacheKey(msgspec.Struct, frozen=True, kw_only=True):
    """
    All of a request but its body that an answer depends on: *model* as requested, *bucket* one of several variants.

    *scanned* says that the firewall looks at the request: an answer to a prompt that nobody looked at is not for it.
    """

    tenant: str
    model: str
    rule_id: str | None = None
    provider: str | None = None
    seed: str | None = None
    bucket: int = 0
    scanned: bool = True


def cache_digest(key: CacheKey, body: bytes, *, ignore_keys: Iterable[str] = ()) -> str | None:
    """
    Return the digest under which the answer to *body* is kept, or None for a body that has no canonical form.

    Equal digests mean: the same *key* and the same JSON whatever its key order and whitespace, apart from `IGNORED_FIELDS`
    and *ignore_keys* at the top level.
    """
    ignored = IGNORED_FIELDS | frozenset(ignore_keys)
    try:
        fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        kept = {name: value for name, value in fields.items() if name not in ignored}
        canonical = msgspec.json.encode([key, kept], order="deterministic")
    except UNREADABLE:
        return None
    return hashlib.sha256(canonical).hexdigest()
