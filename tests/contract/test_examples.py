"""Every topic has examples that say what its event can say, and events of the past stay readable."""

from typing import Any, get_args

import msgspec
import pytest

from libs.contracts import topics
from libs.contracts.events import ControlChanged, Decision, Event, FeedbackReceived, RequestCompleted, WeightsPublished
from libs.contracts.state import OptimizationGates, Plan, RoutingRule, TenantPolicy
from libs.routing.priors import Priors
from tests.contract.examples import ROOT, Example, examples

ENTITIES: dict[str, type[msgspec.Struct]] = {
    "plan": Plan,
    "policy": TenantPolicy,
    "rule": RoutingRule,
    "gates": OptimizationGates,
    "priors": Priors,
}

each_example = pytest.mark.parametrize("example", examples(), ids=str)
each_event = pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)


def decode(value: bytes) -> Event:
    return msgspec.json.decode(value, type=Event)


def holds(whole: Any, part: Any) -> bool:
    """Say whether *whole* says everything that *part* says."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, (list, tuple)) and len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def fields_of(kind: type[msgspec.Struct], *, required_only: bool = False) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind) if field.required or not required_only}


@each_example
def test_an_example_is_its_topics_event(example: Example):
    assert type(decode(example.value)) in example.topic.events


@each_example
def test_an_example_survives_the_round_trip_and_holds_no_key_that_the_event_lacks(example: Example):
    event = decode(example.value)
    encoded = msgspec.json.encode(event)
    assert event == decode(encoded)
    assert holds(msgspec.json.decode(encoded), example.plain)


@each_event
def test_an_event_has_a_minimal_example_of_nothing_but_required_fields(kind: type[msgspec.Struct]):
    [minimal] = [example for example in examples("*minimal") if example.kind is kind]
    assert fields_of(kind, required_only=True) | {"type"} == set(minimal.plain)


@each_event
def test_every_field_of_an_event_occurs_in_an_example_with_a_value(kind: type[msgspec.Struct]):
    said = {
        key
        for example in examples()
        if example.kind is kind
        for key, value in example.plain.items()
        if value not in (None, [], {})
    }
    assert set() == fields_of(kind) - said


def test_every_field_of_a_decision_occurs_with_a_value():
    decisions = [example.plain.get("decision") for example in examples() if example.topic == topics.REQUESTS]
    said = {
        key
        for decision in decisions
        if isinstance(decision, dict)
        for key, value in decision.items()
        if value not in (None, [])
    }
    assert set() == fields_of(Decision) - said


def test_every_folder_is_a_version_of_a_topic():
    folders = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*")}
    assert {f"{topic.name}/v1" for topic in topics.ALL} == folders


@each_example
def test_an_event_from_before_any_optional_field_existed_still_decodes(example: Example):
    whole = example.plain
    for name in set(whole) - fields_of(example.kind, required_only=True) - {"type"}:
        old = {key: value for key, value in whole.items() if key != name}
        event = decode(msgspec.json.encode(old))
        default = next(field for field in msgspec.structs.fields(example.kind) if field.encode_name == name)
        expected = default.default if default.default is not msgspec.NODEFAULT else default.default_factory()
        assert expected == getattr(event, default.name)


@each_example
def test_a_field_from_the_future_does_no_harm(example: Example):
    assert decode(example.value) == decode(msgspec.json.encode(example.plain | {"from_the_future": {"a": [1]}}))


@each_example
def test_examples_obey_the_units_that_events_promise(example: Example):
    match decode(example.value):
        case RequestCompleted(decision=Decision() as decision):
            assert 0 < decision.propensity <= 1
            assert (
                decision.winner in {candidate.model for candidate in decision.candidates}
                or decision.strategy == "fallback"
            )
            assert sum(msgspec.structs.astuple(decision.weights)) == pytest.approx(1)
        case FeedbackReceived() as feedback:
            assert 0 <= feedback.score <= 1
            assert feedback.nps is None or feedback.score == pytest.approx(feedback.nps / 10)
        case WeightsPublished() as published if published.tasks:
            assert sum(msgspec.structs.astuple(published.weights)) == pytest.approx(1)
        case ControlChanged(value=dict() as value, kind=kind) if kind in ENTITIES:
            assert holds(msgspec.to_builtins(msgspec.convert(value, ENTITIES[kind])), value)


def test_statuses_and_sources_are_all_shown():
    said = {example.plain["status"] for example in examples() if example.topic == topics.REQUESTS}
    assert {"ok", "cache_hit", "blocked", "failed", "cancelled", "rejected"} == said
    sources = {example.plain["source"] for example in examples() if example.topic == topics.FEEDBACK}
    assert {"session", "auto", "manual"} == sources
