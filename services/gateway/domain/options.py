"""What a client asks for in headers: session, cache, security, routing hints and labels."""

from collections.abc import Iterable

import msgspec

from libs.contracts.http import SESSION_HEADERS
from libs.contracts.state import MAX_SESSION_ID_CHARS
from services.gateway.domain.errors import bad_request

MAX_LABEL_CHARS = 512
MAX_PROPERTIES = 32
MAX_CACHE_BUCKET = 20
_PREFIXES = ("floopy-", "helicone-")
_FLAGS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


class CacheControl(msgspec.Struct, frozen=True, kw_only=True):
    """The directives of `cache-control` that a cache of answers knows; *max_age_s* None means the tenant's own."""

    max_age_s: int | None = None
    no_store: bool = False
    no_cache: bool = False


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Every optional header, typed; None where it was not sent."""

    session_id: str | None = None
    session_name: str | None = None
    session_path: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    properties: dict[str, str] = {}
    cache_enabled: bool | None = None
    cache_seed: str | None = None
    cache_bucket_size: int = 1
    cache_ignore_keys: tuple[str, ...] = ()
    cache_control: CacheControl = CacheControl()
    security_enabled: bool | None = None
    provider: str | None = None
    fallback: tuple[str, ...] = ()
    task: str | None = None


def read_options(headers: Iterable[tuple[str, str]]) -> Options:
    """
    Read *headers*, whatever their case; `helicone-x` is an alias of `floopy-x`, which wins.

    Raises `RefusedError` (400) naming the header whose value cannot be used.
    """
    own: dict[str, str] = {}
    sessions: dict[str, str] = {}
    control = ""
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in SESSION_HEADERS:
            sessions[name] = value
        elif name == "cache-control":
            control = value
        elif name.startswith(_PREFIXES):
            prefix, _, option = name.partition("-")
            if prefix == "floopy" or option not in own:
                own[option] = value
    return _options(own, sessions, control)


def _options(own: dict[str, str], sessions: dict[str, str], control: str) -> Options:
    session_id = _session_id(sessions)
    if not own and not control:  # What most requests are like.
        return Options(session_id=session_id)
    return Options(
        session_id=session_id,
        session_name=_label(own, "session-name"),
        session_path=_label(own, "session-path"),
        user_id=_label(own, "user-id"),
        project_id=_label(own, "project-id"),
        properties=_properties(own),
        cache_enabled=_flag(own, "cache-enabled"),
        cache_seed=_label(own, "cache-seed"),
        cache_bucket_size=_bucket_size(own),
        cache_ignore_keys=_names(own, "cache-ignore-keys"),
        cache_control=_cache_control(control),
        security_enabled=_flag(own, "llm-security-enabled"),
        provider=_label(own, "provider"),
        fallback=_names(own, "fallback"),
        task=_label(own, "task"),
    )


def _session_id(sessions: dict[str, str]) -> str | None:
    for name in SESSION_HEADERS:
        value = sessions.get(name, "").strip()
        if value:
            return checked_session_id(value, name)
    return None


def checked_session_id(value: str, param: str) -> str:
    """Return *value*, or raise `RefusedError` (400) naming *param* where it cannot be a session id."""
    if len(value) > MAX_SESSION_ID_CHARS or not value.isprintable():
        raise bad_request(f"{param} has to be at most {MAX_SESSION_ID_CHARS} printable characters", param)
    return value


def _label(own: dict[str, str], option: str) -> str | None:
    value = own.get(option, "").strip()
    if len(value) > MAX_LABEL_CHARS or not value.isprintable():
        name = f"floopy-{option}"
        raise bad_request(f"{name} has to be at most {MAX_LABEL_CHARS} printable characters", name)
    return value or None


def _names(own: dict[str, str], option: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in own.get(option, "").split(","))))


def _flag(own: dict[str, str], option: str) -> bool | None:
    value = own.get(option)
    if value is None:
        return None
    flag = _FLAGS.get(value.strip().lower())
    if flag is None:
        raise bad_request(f"floopy-{option} has to be true or false", f"floopy-{option}")
    return flag


def _bucket_size(own: dict[str, str]) -> int:
    value = own.get("cache-bucket-max-size", "1").strip()
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:4]) <= MAX_CACHE_BUCKET):
        name = "floopy-cache-bucket-max-size"
        raise bad_request(f"{name} has to be a whole number from 1 to {MAX_CACHE_BUCKET}", name)
    return int(value)


def _properties(own: dict[str, str]) -> dict[str, str]:
    names = [option for option in own if option.startswith("property-")]
    found = {name.removeprefix("property-"): _label(own, name) or "" for name in names}
    if len(found) > MAX_PROPERTIES:
        raise bad_request(f"at most {MAX_PROPERTIES} floopy-property headers are kept", "floopy-property")
    return found


def _cache_control(value: str) -> CacheControl:
    directives = {part.strip().lower() for part in value.split(",")}
    ages = [part[8:] for part in directives if part.startswith("max-age=") and part[8:].isdecimal()]
    return CacheControl(
        max_age_s=min((int(age[:9]) for age in ages), default=None),
        no_store="no-store" in directives,
        no_cache="no-cache" in directives,
    )
