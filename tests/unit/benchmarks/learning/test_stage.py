"""What services are given of a world is the world: names they allow, tokens that cost what was recorded, prompts of the size said."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.learning import stage
from benchmarks.learning.market import population
from deploy.local.answers import Outcome
from libs.contracts.state import TASK_PATTERN
from libs.providers.catalogue import Model, Price, Usage, cost_micro_usd
from libs.routing.request import BYTES_PER_TOKEN
from libs.routing.tables import read_table
from libs.routing.tasks import TASKS
from tests.unit.benchmarks.learning.worlds import small_world

PRICE = Price(fresh_input=3.0, cache_read=3.0, cache_write=3.0, output=15.0)
MODEL = Model(id="m", provider="p", upstream_id="m", family="m", price=PRICE)


def test_tasks_have_names_that_a_tenant_may_give() -> None:
    world = small_world()
    renamed = msgspec.structs.replace(world, scores={f"bench:{t}": s for t, s in world.scores.items()})
    renamed = msgspec.structs.replace(renamed, costs={f"bench:{t}": c for t, c in world.costs.items()})
    found = stage.servable(renamed)
    assert list(found.scores) == list(found.costs)
    assert all(re.match(TASK_PATTERN, task) for task in found.scores)


def test_the_table_ranks_only_on_shapes_that_everybody_has() -> None:
    found = stage.servable(small_world())
    assert all(task in TASKS for family in found.priors.families.values() for task in family.tasks)


@given(st.floats(0.001, 50.0))
def test_tokens_cost_the_recorded_dollars(dollars: float) -> None:
    fresh, output = stage.tokens_for(MODEL, dollars, (600, 500))
    charged = cost_micro_usd(PRICE, Usage(fresh_input=fresh, output=output))
    assert pytest.approx(1e6 * dollars, abs=10) == charged


def test_silent_doubles_do_the_same_work_and_share_nothing() -> None:
    world = stage.servable(small_world())
    quiet, ours = stage.arms(population(world, 2, 1, prefix="s"))
    assert [t.items for t in quiet.tenants] == [t.items for t in ours.tenants]
    for silent, loud in zip(stage.plays(quiet, 3, 1), stage.plays(ours, 3, 1), strict=True):
        assert [visit.steps for visit in silent] == [visit.steps for visit in loud]
    policy = msgspec.toml.decode(stage.policy_file(world, (quiet, ours)))
    shares = {tenant["tenant"]: tenant["contribute"] or tenant["consume"] for tenant in policy["tenants"]}
    assert {False} == {shares[tenant.name] for tenant in quiet.tenants}
    assert {True} == {shares[tenant.name] for tenant in ours.tenants}


def test_every_item_of_a_tenant_has_an_answer_of_every_model() -> None:
    world = stage.servable(small_world())
    tenants = population(world, 1, 1, prefix="s")
    rows = msgspec.json.Decoder(Outcome).decode_lines(stage.outcomes(world, tenants))
    wanted = {
        (stage.item_name(task, item), model)
        for task, items in tenants[0].items.items()
        for item in items
        for model in world.models
    }
    assert wanted == {(row.item, row.model) for row in rows}


def test_a_prompt_is_as_long_as_the_simulation_holds_it_to_be() -> None:
    world = stage.servable(small_world())
    quiet, _ = stage.arms(population(world, 1, 1, prefix="s"))
    text = stage.prompt(stage.plays(quiet, 1, 1)[0][0], 2)
    assert stage.PROMPT_TOKENS == len(msgspec.json.encode(text)) // BYTES_PER_TOKEN
    assert text.startswith("<step quiet-s1-0-0/2>")


def test_a_loaded_table_is_accepted() -> None:
    world = stage.servable(small_world())
    assert world.priors == read_table(stage.table(world))
