"""The first label of a subject is published once in effect, stands against later ones, and is never lost half-way."""

from typing import Any

import pytest

from libs.contracts.events import VerdictLabelled
from libs.contracts.state import FirewallPolicy
from libs.kafka.ports import PublishError
from services.firewall.domain.labels import LabelRequest
from services.firewall.labelling import ConflictingLabelError, Labelled, NoTrainingError, UnknownRequestError
from services.firewall.ports import StoreUnavailableError
from tests.unit.services.firewall.fakes import NOW_MS, World


@pytest.fixture
def world() -> World:
    world = World()
    world.sessions.aliases = {("acme", "r-1"): "s-1", ("acme", "chatcmpl-1"): "s-1", ("beta", "r-2"): "s-2"}
    return world


async def label(world: World, **fields: Any) -> Labelled:
    asked = LabelRequest(**{"label": "false_positive"} | fields)
    return await world.labelling.label(asked, tenant="acme", labeller="k1")


async def test_a_label_of_a_request_is_published_with_its_session(world: World):
    labelled = await label(world, request_id="r-1", comment="ours")
    [event] = world.events.verdicts
    assert (False, event) == (labelled.duplicate, labelled.event)
    assert event == VerdictLabelled(
        event_id=event.event_id,
        tenant="acme",
        session_id="s-1",
        label="false_positive",
        labelled_at_ms=NOW_MS,
        request_id="r-1",
        labeller="k1",
        comment="ours",
    )
    assert [("verdicts", b"acme:s-1")] == world.events.keys


@pytest.mark.parametrize(("named", "session"), [("s-9", "s-9"), ("chatcmpl-1", "s-1"), ("r-1", "s-1"), ("r-2", "r-2")])
async def test_a_session_is_named_by_itself_or_by_what_belongs_to_it(world: World, named: str, session: str):
    labelled = await label(world, session_id=named)
    assert (session, None) == (labelled.event.session_id, labelled.event.request_id)


@pytest.mark.parametrize("request_id", ["r-2", "r-unknown"])
async def test_a_foreign_request_is_as_unknown_as_one_that_never_was(world: World, request_id: str):
    with pytest.raises(UnknownRequestError):
        await label(world, request_id=request_id)
    assert [] == world.events.verdicts


async def test_a_request_that_is_no_longer_remembered_is_labelled_beside_its_session(world: World):
    labelled = await label(world, request_id="r-old", session_id="s-1")
    assert ("s-1", "r-old") == (labelled.event.session_id, labelled.event.request_id)


async def test_the_same_label_again_changes_nothing(world: World):
    await label(world, request_id="r-1")
    assert (await label(world, request_id="r-1", comment="again")).duplicate
    assert 1 == len(world.events.verdicts)
    assert 1 == world.counted("labels", label="false_positive", outcome="repeated")


async def test_another_label_of_the_same_request_is_refused_and_of_its_session_is_not(world: World):
    await label(world, request_id="r-1")
    with pytest.raises(ConflictingLabelError):
        await label(world, request_id="r-1", label="correct")
    assert not (await label(world, session_id="s-1", label="correct")).duplicate


async def test_a_label_that_was_claimed_but_not_published_is_completed_by_the_next_one(world: World):
    world.events.down = True
    with pytest.raises(PublishError):
        await label(world, request_id="r-1")
    world.events.down = False
    with pytest.raises(ConflictingLabelError):
        await label(world, request_id="r-1", label="correct")
    assert ["false_positive"] == [event.label for event in world.events.verdicts]


async def test_a_claim_that_could_not_be_settled_costs_a_copy_of_the_same_event(world: World):
    world.marks.forgets_to_settle = True
    await label(world, request_id="r-1")
    assert (await label(world, request_id="r-1", comment="again")).duplicate
    first, copy = world.events.verdicts
    assert first == copy


async def test_without_redis_nothing_is_taken(world: World):
    world.sessions.down = True
    with pytest.raises(StoreUnavailableError):
        await label(world, request_id="r-1")
    assert [] == world.events.verdicts


async def test_a_comment_is_kept_without_what_the_tenant_wants_taken_out(world: World):
    comment = "ask eva@example.com"
    labelled = await label(world, request_id="r-1", comment=comment)
    assert "ask [email]" == labelled.event.comment
    assert all(comment not in mark.event for mark in world.marks.marks.values())
    world.policies.indiscreet.add("acme")
    assert comment == (await label(world, session_id="s-1", comment=comment)).event.comment


async def test_a_text_is_taken_for_training_without_what_is_taken_out_and_only_with_consent(world: World):
    with pytest.raises(NoTrainingError):
        await label(world, request_id="r-1", text="ask eva@example.com")
    assert ([], {}) == (world.events.verdicts, world.marks.marks)
    world.policies.policies["acme"] = FirewallPolicy(may_train=True)
    labelled = await label(world, request_id="r-1", text="ask eva@example.com")
    assert ("ask [email]", None) == (labelled.event.text, labelled.event.comment)


async def test_what_was_said_does_not_stay_beside_the_log(world: World):
    world.policies.policies["acme"] = FirewallPolicy(may_train=True)
    await label(world, request_id="r-1", text="a blocked prompt", comment="ours")
    [mark] = world.marks.marks.values()
    assert mark.published
    assert ("a blocked prompt" in mark.event, "ours" in mark.event) == (False, False)
    assert "a blocked prompt" == world.events.verdicts[0].text
