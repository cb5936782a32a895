"""Every model that is not a candidate is named with the constraint that removed it."""

import pytest

from libs.contracts.events import Filtered, Strategy
from libs.contracts.state import RoutingRule, RuleTarget, TenantPolicy, TokenPrice
from libs.routing.candidates import NoCandidateError, Requirements, field_of
from tests.unit.libs.routing.builders import a_model, a_request, catalogue

MODELS = catalogue(
    a_model("plain", tools=False, json_schema=False),
    a_model("seeing", vision=True, context_tokens=8_000),
    a_model("able"),
)


def names(**fields: object) -> list[str]:
    return [model.id for model in field_of(a_request(**fields), MODELS).models]


def a_rule(**fields: object) -> RoutingRule:
    return RoutingRule(**{"rule_id": "r", "name": "r", **fields})


@pytest.mark.parametrize(
    ("needs", "left", "constraint"),
    [
        (Requirements(), ["able", "plain", "seeing"], None),
        (Requirements(tools=True), ["able", "seeing"], "tools"),
        (Requirements(json_schema=True), ["able", "seeing"], "json_schema"),
        (Requirements(vision=True), ["seeing"], "vision"),
        (Requirements(context_tokens=8_001), ["able", "plain"], "context_tokens"),
    ],
)
def test_constraints(needs: Requirements, left: list[str], constraint: str | None) -> None:
    field = field_of(a_request(requirements=needs), MODELS)
    assert left == [model.id for model in field.models]
    assert {constraint} - {None} == {item.constraint for item in field.filtered}


def test_when_none_is_left_the_error_says_why_for_each() -> None:
    with pytest.raises(NoCandidateError) as raised:
        field_of(
            a_request(
                requested=("seeing", "ghost", "able"),
                unavailable=frozenset({"able"}),
                requirements=Requirements(context_tokens=9_000),
            ),
            MODELS,
        )
    assert (
        Filtered(provider="p", model="seeing", constraint="context_tokens"),
        Filtered(provider="", model="ghost", constraint="unknown_model"),
        Filtered(provider="p", model="able", constraint="unavailable"),
    ) == raised.value.filtered
    assert "ghost: unknown_model" in str(raised.value)


@pytest.mark.parametrize(
    ("requested", "strategy", "order"),
    [
        ((), "feedback_driven", ["able", "plain", "seeing"]),
        (("seeing",), "passthrough", ["seeing"]),
        (("seeing", "able", "seeing"), "fallback", ["seeing", "able"]),
    ],
)
def test_what_the_client_names_decides_the_strategy(
    requested: tuple[str, ...], strategy: Strategy, order: list[str]
) -> None:
    field = field_of(a_request(requested=requested), MODELS)
    assert (strategy, order) == (field.strategy, [model.id for model in field.models])


def test_auto_goes_to_the_candidates_of_the_policy() -> None:
    assert ["able", "plain"] == names(policy=TenantPolicy(tenant="acme", candidates=("plain", "able")))


def test_a_rule_goes_before_what_the_client_named() -> None:
    rule = a_rule(strategy="fallback", targets=(RuleTarget(model="seeing"), RuleTarget(model="plain")))
    assert ["seeing", "plain"] == names(rule=rule, requested=("able",))


def test_a_disabled_rule_is_as_none() -> None:
    assert ["able"] == names(rule=a_rule(enabled=False, targets=(RuleTarget(model="plain"),)), requested=("able",))


def test_a_pinned_rule_sends_everything_to_its_default() -> None:
    field = field_of(a_request(rule=a_rule(pinned=True, default_model="plain")), MODELS)
    assert ("passthrough", ["plain"]) == (field.strategy, [model.id for model in field.models])


def test_weights_of_a_rule_come_along() -> None:
    rule = a_rule(
        strategy="weighted", targets=(RuleTarget(model="able", weight=3.0), RuleTarget(model="plain", weight=1.0))
    )
    assert {"able": 3.0, "plain": 1.0} == field_of(a_request(rule=rule), MODELS).shares


def test_candidates_carry_the_tenants_own_price():
    policy = TenantPolicy(tenant="acme", prices={"able": TokenPrice(input=9.0, output=9.0)})
    field = field_of(a_request(policy=policy), MODELS)
    assert {"able": 9.0, "plain": 1.0, "seeing": 1.0} == {
        model.id: model.price.fresh_input for model in field.models if model.price is not None
    }
