"""Records into events: the edge between Kafka and both of the aggregator's readers."""

from typing import cast

from libs.contracts.events import Event, FeedbackReceived
from libs.kafka.events import decode_event
from libs.kafka.record import InvalidRecordError, Record
from services.aggregator.domain.folding import LearnedEvent


def decode(record: Record) -> Event:
    """Return the event that *record* carries; raises `InvalidRecordError` for one that can never be used."""
    event = decode_event(record)
    if isinstance(event, FeedbackReceived) and not 0.0 <= event.score <= 1.0:
        raise InvalidRecordError(f"score {event.score} outside [0, 1]")
    return event


def decode_learned(record: Record) -> LearnedEvent:
    """Return a request or a rating, for a reader of only these topics."""
    return cast(LearnedEvent, decode(record))
