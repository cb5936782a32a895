"""Which session a request belongs to: as the client says, else inferred from how its conversation began."""

import msgspec

from libs.routing.request import inferred_session_id
from services.gateway.domain.options import Options, checked_session_id
from services.gateway.domain.request import ChatBody


class SessionRef(msgspec.Struct, frozen=True, kw_only=True):
    """
    The session of a request; *inferred* ones keep a conversation on its model.

    An inferred session is never its key's most recent session, so feedback without a session id does not reach it. A rating
    that names one of its completion or request ids does resolve to it.
    """

    session_id: str
    inferred: bool


def session_of(options: Options, chat: ChatBody, key_id: str) -> SessionRef:
    """Return the session: header, then `metadata.session_id`, then `prompt_cache_key`, then inferred."""
    given = options.session_id or _from_metadata(chat) or _from_cache_key(chat)
    if given:
        return SessionRef(session_id=given, inferred=False)
    return SessionRef(session_id=inferred_session_id(chat.messages, key_id), inferred=True)


def _from_metadata(chat: ChatBody) -> str | None:
    value = (chat.metadata or {}).get("session_id")
    return checked_session_id(value, "metadata.session_id") if isinstance(value, str) and value else None


def _from_cache_key(chat: ChatBody) -> str | None:
    value = chat.prompt_cache_key
    return checked_session_id(value, "prompt_cache_key") if value else None
