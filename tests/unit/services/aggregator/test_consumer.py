"""Records become events, or are refused for good."""

import msgspec
import pytest

from libs.contracts.events import Usage
from libs.kafka.record import InvalidRecordError, Record
from services.aggregator.consumer import decode, decode_learned
from tests.unit.services.aggregator.world import feedback, request


def record(topic, value):
    return Record(topic=topic, partition=0, offset=0, key=b"k", value=value)


def test_an_event_of_the_topic_is_decoded():
    assert request() == decode(record("requests", msgspec.json.encode(request())))
    assert feedback() == decode_learned(record("feedback", msgspec.json.encode(feedback())))


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"{", b"null", b"{}", b'{"type":"request.completed"}', msgspec.json.encode(feedback())],
)
def test_anything_else_is_invalid(value):
    with pytest.raises(InvalidRecordError):
        decode(record("requests", value))


def test_the_tag_is_required():
    bare = msgspec.json.decode(msgspec.json.encode(feedback()))
    del bare["type"]
    with pytest.raises(InvalidRecordError):
        decode(record("feedback", msgspec.json.encode(bare)))


@pytest.mark.parametrize("amount", [-1, 10**30])
@pytest.mark.parametrize("field", ["cost_micro_usd", "latency_ms", "fresh_input", "reasoning"])
def test_an_amount_that_no_sum_can_take_is_invalid(field, amount):
    absurd = {"usage": Usage(**{field: amount})} if field in Usage.__struct_fields__ else {field: amount}
    with pytest.raises(InvalidRecordError, match="outside"):
        decode_learned(record("requests", msgspec.json.encode(request(**absurd))))


@pytest.mark.parametrize("score", [-0.1, 1.1, 1e300])
def test_a_score_outside_its_range_is_invalid(score):
    with pytest.raises(InvalidRecordError, match="score"):
        decode(record("feedback", msgspec.json.encode(feedback(score=score))))
