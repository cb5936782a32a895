"""Records into events: the edge between Kafka and both of the aggregator's readers."""

from typing import cast

import msgspec

from libs.contracts.events import Event, FeedbackReceived, RequestCompleted
from libs.kafka.events import decode_event
from libs.kafka.record import InvalidRecordError, Record
from services.aggregator.domain.folding import LearnedEvent

MAX_AMOUNT = 10**15  # Of what one request adds to a sum: stores keep 64 bits, and an overflow ends a script half way.


def decode(record: Record) -> Event:
    """Return the event that *record* carries; raises `InvalidRecordError` for one that can never be used."""
    event = decode_event(record)
    if isinstance(event, FeedbackReceived) and not 0.0 <= event.score <= 1.0:
        raise InvalidRecordError(f"score {event.score} outside [0, 1]")
    if isinstance(event, RequestCompleted) and not all(0 <= amount <= MAX_AMOUNT for amount in _amounts(event)):
        raise InvalidRecordError(f"cost, latency or tokens outside [0, {MAX_AMOUNT}]")
    return event


def decode_learned(record: Record) -> LearnedEvent:
    """Return a request or a rating, for a reader of only these topics."""
    return cast(LearnedEvent, decode(record))


def _amounts(event: RequestCompleted) -> tuple[int, ...]:
    return event.cost_micro_usd, event.latency_ms, *msgspec.structs.astuple(event.usage)
