"""A recorded world as running services can be given it: a catalogue, tenants with keys, a Day-0 table, answers with their tokens."""

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from benchmarks.learning.tenants import Tenant, Visit, visits
from benchmarks.learning.world import World
from deploy.local.answers import Outcome
from libs.contracts.state import RoutingPolicy
from libs.providers.catalogue import Model, Price
from libs.routing.priors import Priors
from libs.routing.request import BYTES_PER_TOKEN, EXPECTED_OUTPUT_TOKENS
from libs.routing.tasks import TASKS

PROMPT_TOKENS = 600
PROBE, PROBE_TASK = "probe", "chat"
NEVER_DAYS = 100_000.0  # A half-life: a served run takes minutes, so nothing may fade in the simulation either.
FILLER = "Read the files that this step names, do what it asks, and say what you changed. "


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """Tenants that play the same visits: those that rate, judge and share, or those that stay silent and rest on Day 0."""

    title: str
    tenants: tuple[Tenant, ...]
    rates: bool


def arms(tenants: Iterable[Tenant]) -> tuple[Arm, Arm]:
    """Return *tenants* as they learn, and their silent doubles."""
    learning = tuple(tenants)
    silent = tuple(msgspec.structs.replace(tenant, name=f"quiet-{tenant.name}") for tenant in learning)
    return Arm(title="Day 0", tenants=silent, rates=False), Arm(title="ours", tenants=learning, rates=True)


def plays(arm: Arm, rounds: int, seed: int) -> list[list[Visit]]:
    """Return the visits of each tenant of *arm*: those that `Market.play` draws for it."""
    return [
        list(visits(tenant, rounds, np.random.default_rng([seed, place, 1])))
        for place, tenant in enumerate(arm.tenants)
    ]


def servable(world: World) -> World:
    """
    Return *world* as a gateway can know it.

    Tasks have names that a tenant may give; the table ranks models on the shapes that everybody has, so that a task of a
    tenant's own starts from a model's overall standing; a request is as long as it looks to the gateway.
    """
    names = {task: task.replace(":", "-").lower() for task in world.scores}
    return msgspec.structs.replace(
        world,
        models={name: msgspec.structs.replace(model, price=_flat(model)) for name, model in world.models.items()},
        scores={names[task]: found for task, found in world.scores.items()},
        costs={names[task]: found for task, found in world.costs.items()},
        priors=_on_shapes(world.priors),
        tokens=(PROMPT_TOKENS, EXPECTED_OUTPUT_TOKENS),
    )


def policy_of(world: World) -> RoutingPolicy:
    """Return the routing policy of every tenant, served and simulated."""
    return RoutingPolicy(cost_weight=world.cost_weight, ramp="smooth", half_life_days=NEVER_DAYS)


def catalogue(world: World, provider_port: int) -> bytes:
    """Return the providers file: every model of *world* at the simulated provider."""
    models = [
        {
            "upstream_id": name,
            "family": model.family,
            "context_tokens": model.context_tokens,
            "price": msgspec.to_builtins(model.price),
        }
        for name, model in world.models.items()
    ]
    base_url = f"http://127.0.0.1:{provider_port}/v1"
    return msgspec.toml.encode({"providers": {"recorded": {"base_url": base_url, "models": models}}})


def policy_file(world: World, both: Iterable[Arm]) -> bytes:
    """Return plans, tenants and keys; only what learning tenants are answered is kept for the judge to read."""
    plans = [{"name": "rated", "transcript_retention_days": 1, "may_leave_pool": True}]
    plans.append({"name": "silent", "may_leave_pool": True})
    tenants = [
        _tenant(world, tenant.name, tuple(tenant.items), rates=arm.rates) for arm in both for tenant in arm.tenants
    ]
    tenants.append(_tenant(world, PROBE, (), rates=False))
    keys = [
        {"tenant": found["tenant"], "key_id": "agent", "secret": secret_of(str(found["tenant"]))} for found in tenants
    ]
    return msgspec.toml.encode({"plans": plans, "tenants": tenants, "keys": keys})


def outcomes(world: World, tenants: Iterable[Tenant]) -> bytes:
    """Return what the simulated provider answers for each item of *tenants*, with tokens that cost the recorded dollars."""
    items = {(task, item) for tenant in tenants for task, own in tenant.items.items() for item in own}
    return msgspec.json.Encoder().encode_lines(
        [outcome for task, item in sorted(items) for outcome in _outcomes(world, task, item)]
    )


def table(world: World) -> bytes:
    """Return the Day-0 table as `priors load` takes it."""
    return msgspec.json.encode(world.priors)


def secret_of(tenant: str) -> str:
    """Return the secret of a tenant's key; it exists only on this machine."""
    return f"sk-{tenant}"


def item_name(task: str, item: int) -> str:
    """Return what the provider calls an item."""
    return f"{task}/{item}"


def marker(visit: Visit, place: int) -> str:
    """Return what the prompt of one step says, by which the judge knows it."""
    return f"<step {visit.session}/{place}>"


def prompt(visit: Visit, place: int) -> str:
    """Return a prompt of `PROMPT_TOKENS`, as the gateway counts them."""
    size_bytes = PROMPT_TOKENS * BYTES_PER_TOKEN
    text = marker(visit, place) + " " + FILLER * (size_bytes // len(FILLER) + 1)
    return text[: size_bytes - len('""')]


def _flat(model: Model) -> Price:
    """Return one price for every kind of input: outcomes were recorded with what caches saved already taken off."""
    price = model.price or Price(fresh_input=0.0, cache_read=0.0, cache_write=0.0, output=0.0)
    return msgspec.structs.replace(price, cache_read=price.fresh_input, cache_write=price.fresh_input)


def _on_shapes(priors: Priors) -> Priors:
    families = {
        name: msgspec.structs.replace(found, tasks={task: z for task, z in found.tasks.items() if task in TASKS})
        for name, found in priors.families.items()
    }
    return msgspec.structs.replace(priors, families=families)


def _tenant(world: World, name: str, tasks: tuple[str, ...], *, rates: bool) -> dict[str, object]:
    return {
        "tenant": name,
        "plan": "rated" if rates else "silent",
        "tasks": list(tasks),
        "contribute": rates,
        "consume": rates,
        "firewall": {"mode": "off"},
        "redaction": {"mode": "off"},
        "routing": msgspec.to_builtins(policy_of(world)),
    }


def _outcomes(world: World, task: str, item: int) -> Iterator[Outcome]:
    for place, (name, model) in enumerate(world.models.items()):
        dollars = float(world.costs[task][item, place])
        input_tokens, output_tokens = tokens_for(model, dollars, world.tokens)
        yield Outcome(
            item=item_name(task, item),
            model=name,
            score=float(world.scores[task][item, place]),
            cost_usd=dollars,
            prompt_tokens=input_tokens,
            completion_tokens=output_tokens,
        )


def tokens_for(model: Model, dollars: float, usual: tuple[int, int]) -> tuple[int, int]:
    """Return input and output tokens, in the proportion of *usual*, that cost *dollars* as nearly as whole tokens can."""
    price = model.price
    listed = (price.fresh_input * usual[0] + price.output * usual[1]) / 1e6 if price else 0.0
    share = dollars / listed if listed else 1.0
    return max(1, round(share * usual[0])), max(1, round(share * usual[1]))
