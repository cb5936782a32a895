"""API keys: made, kept across changes of their secret, and revoked for good."""

import re

import msgspec

from libs.contracts.bootstrap import KEY_ID_PATTERN
from libs.contracts.state import TENANT_PATTERN, ApiKey
from services.router.domain.entities import StoredKey
from services.router.domain.refusals import AbsentError, ConflictError, RefusedError


def stored(key: ApiKey, secret_sha256: str) -> StoredKey:
    """Return *key* as the control log keeps it; raises `RefusedError` where tenant or id cannot be used."""
    if not re.fullmatch(TENANT_PATTERN, key.tenant):
        raise RefusedError(
            f"tenant {key.tenant!r}: use lower-case letters, digits, dash and underscore", param="tenant"
        )
    if not re.fullmatch(KEY_ID_PATTERN, key.key_id):
        raise RefusedError(f"key id {key.key_id!r}: use letters, digits, dot, dash and underscore", param="key_id")
    fields = {name: getattr(key, name) for name in ApiKey.__struct_fields__}
    return StoredKey(**fields, secret_sha256=secret_sha256)


def added(key: StoredKey, before: StoredKey | None) -> StoredKey:
    """Return the new *key*; raises `ConflictError` where its id is taken."""
    if before is not None:
        raise ConflictError(f"there is a key {key.key_id!r} already: choose another id")
    return key


def brought_in_line(key: StoredKey, before: StoredKey | None) -> StoredKey:
    """
    Return the declared *key* after *before*.

    A new secret takes the old one out of force. A revoked secret stays revoked whatever is declared: a leak that was answered
    by hand is not undone by the next run of a script.
    """
    if before is None:
        return key
    if before.secret_sha256 != key.secret_sha256:
        return msgspec.structs.replace(key, previous_sha256=before.secret_sha256)
    return msgspec.structs.replace(key, previous_sha256=before.previous_sha256, revoked=key.revoked or before.revoked)


def revoked(before: StoredKey | None) -> StoredKey:
    """Return the key out of force; raises `AbsentError` where there is none."""
    if before is None:
        raise AbsentError
    return msgspec.structs.replace(before, revoked=True)
