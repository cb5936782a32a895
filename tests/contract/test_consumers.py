"""Every consumer that the topic table names reads every example of its topics and refuses what is no event, by one error."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.contracts import topics
from libs.kafka.record import InvalidRecordError, Record
from tests.contract.examples import Example, examples

Decode: TypeAlias = Callable[[Record], object]

CONSUMERS = sorted({service for topic in topics.ALL for service in topic.consumed_by})
NESTED = b"[" * 100_000 + b"]" * 100_000
PAIRS = [
    pytest.param(service, example, id=f"{service}-{example}")
    for example in examples()
    for service in example.topic.consumed_by
]
FULLEST = [
    pytest.param(service, max(found, key=lambda example: len(example.value)), id=f"{service}-{topic.name}")
    for topic in topics.ALL
    for service in topic.consumed_by
    if (found := [example for example in examples() if example.topic == topic])
]


@pytest.fixture
def decode(service: str) -> Decode:
    found: Decode = importlib.import_module(f"services.{service}.consumer").decode
    return found


@pytest.mark.parametrize(("service", "example"), PAIRS)
def test_a_consumer_reads_every_example(decode: Decode, example: Example):
    event = decode(example.record())
    assert msgspec.json.decode(example.value, type=example.kind) == event


def broken(example: Example) -> dict[str, bytes]:
    plain = example.plain
    required = next(field for field in msgspec.structs.fields(example.kind) if field.required)
    return {
        "empty": b"",
        "null": b"null",
        "a list": b"[]",
        "a number": b"1",
        "not JSON": b"\x00\x01\x02",
        "not UTF-8": example.value.replace(b"acme", b"\xff\xfe", 1),
        "half": example.value[: len(example.value) // 2],
        "twice": example.value + example.value,
        "without its tag": msgspec.json.encode({key: value for key, value in plain.items() if key != "type"}),
        "of an unknown type": msgspec.json.encode(plain | {"type": "nobody.knows"}),
        "with a type that is no text": msgspec.json.encode(plain | {"type": 1}),
        "without a required field": msgspec.json.encode({k: v for k, v in plain.items() if k != required.encode_name}),
        "with a wrong type": msgspec.json.encode(plain | {"event_id": 5}),
        "with a null where text belongs": msgspec.json.encode(plain | {"event_id": None}),
        "bottomless": msgspec.json.encode(plain)[:-1] + b',"deep":' + NESTED + b"}",
    } | {f"of topic {other.topic.name}": other.value for other in examples("minimal") if other.topic != example.topic}


@pytest.mark.parametrize(("service", "example"), FULLEST)
def test_a_broken_record_is_refused_by_the_one_error_that_dead_letters_it(decode: Decode, example: Example):
    accepted = [what for what, value in broken(example).items() if not refuses(decode, example.record(value))]
    assert [] == accepted


def refuses(decode: Decode, record: Record) -> bool:
    try:
        decode(record)
    except InvalidRecordError as error:
        return bool(str(error))
    return False


@pytest.mark.parametrize(("service", "example"), FULLEST)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_record_is_read_or_refused_never_anything_else(decode: Decode, example: Example, data: st.DataObject):
    value = bytearray(example.value)
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(value)))
    for damaged in (bytes(value), bytes(value[:cut])):
        try:
            event = decode(example.record(damaged))
        except InvalidRecordError:
            continue
        assert isinstance(event, example.topic.events)


def test_the_table_names_real_services():
    named = {service for topic in topics.ALL for service in (*topic.produced_by, *topic.consumed_by)}
    assert set() == {service for service in named if importlib.util.find_spec(f"services.{service}") is None}


def test_every_topic_is_consumed():
    assert [] == [topic.name for topic in topics.ALL if not topic.consumed_by]
