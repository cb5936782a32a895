"""Records into events: the edge between Kafka and both of the aggregator's readers."""

from typing import cast

import msgspec

from libs.contracts.events import Event, FeedbackReceived
from libs.contracts.topics import BY_NAME
from libs.contracts.unreadable import UNREADABLE
from libs.kafka.record import InvalidRecordError, Record
from services.aggregator.domain.folding import LearnedEvent

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def decode(record: Record) -> Event:
    """Return the event that *record* carries; raises `InvalidRecordError` for one that can never be used."""
    try:
        event = _decoder.decode(record.value)
    except UNREADABLE as error:
        raise InvalidRecordError(f"not an event: {error}") from error
    expected = BY_NAME[record.topic].event
    if not isinstance(event, expected):
        raise InvalidRecordError(f"{type(event).__name__} in a topic of {expected.__name__}")
    if isinstance(event, FeedbackReceived) and not 0.0 <= event.score <= 1.0:
        raise InvalidRecordError(f"score {event.score} outside [0, 1]")
    return event


def decode_learned(record: Record) -> LearnedEvent:
    """Return a request or a rating, for a reader of only these topics."""
    return cast(LearnedEvent, decode(record))
