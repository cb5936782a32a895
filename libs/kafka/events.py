"""Records into events: decoded once, and only the event that the topic table says a topic carries."""

import msgspec

from libs.contracts.events import Event
from libs.contracts.topics import BY_NAME
from libs.contracts.unreadable import UNREADABLE
from libs.kafka.record import InvalidRecordError, Record

# The union, because a lone tagged Struct also decodes where the tag is missing.
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def decode_event(record: Record) -> Event:
    """Return the event in *record*; raises `InvalidRecordError` for what can never be read or belongs elsewhere."""
    try:
        event = _decoder.decode(record.value)
    except UNREADABLE as error:
        raise InvalidRecordError(f"{type(error).__name__}: {error}") from error
    if not isinstance(event, BY_NAME[record.topic].events):
        raise InvalidRecordError(f"{type(event).__name__} does not belong in topic {record.topic}")
    return event
