"""The read model in Redis behaves as its fake does: newest change wins, redelivery is harmless, gateways find what they read."""

from typing import TypeAlias

import msgspec
import pytest
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import ControlChanged
from libs.contracts.state import ApiKey, Changed, Plan, RoutingRule, TenantPolicy
from libs.runtime.redis import RedisSettings, new_redis
from services.router.adapters.redis_read_model import RedisReadModel, lock_key
from services.router.domain.changes import change, plain
from services.router.domain.entities import Entity, Place, Ref, StoredKey, ref_of, ref_to, rule_ref
from services.router.ports import BusyError, PolicyUnavailableError
from tests.unit.services.router.fakes import FakeReadModel

Model: TypeAlias = RedisReadModel | FakeReadModel


@pytest.fixture(params=["fake", "redis"])
def model(request: pytest.FixtureRequest) -> Model:
    """Both implementations, one after the other."""
    return FakeReadModel() if request.param == "fake" else RedisReadModel(request.getfixturevalue("redis"))


def fact(ref: Ref, after: Entity | None, *, event_id: str = "e") -> ControlChanged:
    return change(ref, before=None, after=after, actor="test", now_ms=1, event_id=event_id)


def policy(ttl_s: int) -> ControlChanged:
    entity = TenantPolicy(tenant="acme", cache_ttl_s=ttl_s)
    return fact(ref_to(entity), entity, event_id=f"p{ttl_s}")


def place(offset: int, log: str = "log") -> Place:
    return Place(log=log, offset=offset)


async def ttl(model: Model) -> int:
    entry = await model.entry(ref_of(policy(0)))
    return entry.change.value["cache_ttl_s"]


async def test_the_newest_change_of_a_log_wins_in_any_order_of_delivery(model: Model):
    for offset in (2, 5, 3, 5):
        await model.apply(policy(offset), place(offset))
    assert 5 == await ttl(model)


async def test_a_new_log_wins_over_an_old_one_whatever_its_offsets(model: Model):
    await model.apply(policy(9), place(9, "old"))
    await model.apply(policy(1), place(1, "new"))
    assert 1 == await ttl(model)


async def test_entries_are_those_of_one_tenant_and_kind_deleted_ones_too(model: Model):
    kept, deleted = RoutingRule(rule_id="r1", name="a"), rule_ref("acme", "r2")
    await model.apply(fact(rule_ref("acme", "r1"), kept), place(0))
    await model.apply(fact(deleted, None), place(1))
    await model.apply(fact(rule_ref("other", "r3"), kept), place(2))
    await model.apply(policy(1), place(3))
    entries = await model.entries("acme", "rule")
    assert {"r1": plain(kept), "r2": None} == {e.change.entity_id: e.change.value for e in entries}


async def test_the_resume_point_is_kept(model: Model):
    assert await model.resume_point() is None
    await model.keep_resume_point(place(7), last_event_id="e7")
    assert (place(7), "e7") == (await model.resume_point(), await model.last_event_id())


async def test_gateways_find_keys_plans_policies_and_rules(redis: "Redis"):
    model = RedisReadModel(redis)
    key = StoredKey(key_id="ci", tenant="acme", secret_sha256="a" * 64)
    plan = Plan(name="pro", monthly_requests=7)
    rule = RoutingRule(rule_id="r1", name="cheap")
    facts = [fact(ref_to(key), key), fact(ref_to(plan), plan), fact(rule_ref("acme", "r1"), rule), policy(3)]
    for offset, each in enumerate(facts):
        await model.apply(each, place(offset))
    assert ApiKey(key_id="ci", tenant="acme") == await stored(redis, state.api_key("a" * 64), ApiKey)
    assert plan == await stored(redis, state.plan("pro"), Plan)
    assert 3 == (await stored(redis, state.policy("acme"), TenantPolicy)).cache_ttl_s
    assert rule == msgspec.json.decode(await redis.hget(state.rules("acme"), "r1"), type=RoutingRule)


async def test_what_is_deleted_or_replaced_is_found_no_more(redis: "Redis"):
    model = RedisReadModel(redis)
    rule = RoutingRule(rule_id="r1", name="cheap")
    old = StoredKey(key_id="ci", tenant="acme", secret_sha256="a" * 64)
    new = StoredKey(key_id="ci", tenant="acme", secret_sha256="b" * 64, previous_sha256="a" * 64)
    await model.apply(fact(rule_ref("acme", "r1"), rule), place(0))
    await model.apply(fact(rule_ref("acme", "r1"), None), place(1))
    await model.apply(fact(ref_to(old), old), place(2))
    await model.apply(fact(ref_to(new), new), place(3))
    assert not await redis.hexists(state.rules("acme"), "r1")
    assert not await redis.exists(state.api_key("a" * 64))
    assert await redis.exists(state.api_key("b" * 64))


async def test_gateways_are_told_which_entity_to_read_again(redis: "Redis"):
    async with redis.pubsub() as channel:
        await channel.subscribe(state.CHANGES_CHANNEL)
        assert await channel.get_message(timeout=5)
        await RedisReadModel(redis).apply(policy(1), place(4))
        message = await channel.get_message(ignore_subscribe_messages=True, timeout=5)
    told = msgspec.json.decode(message["data"], type=Changed)
    assert Changed(kind="policy", tenant="acme", entity_id="acme", version=4) == told


async def test_a_tenant_has_one_writer_at_a_time(redis: "Redis", monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.router.adapters.redis_read_model.LOCK_WAIT_S", 0.05)
    model = RedisReadModel(redis)
    async with model.exclusive("acme"), model.exclusive("other"):
        with pytest.raises(BusyError):
            async with model.exclusive("acme"):
                pytest.fail("two writers")
    assert not await redis.exists(lock_key("acme"))


@pytest.mark.parametrize("method", ["entry", "entries", "apply", "resume_point", "keep_resume_point", "exclusive"])
async def test_a_redis_that_is_away_is_told_in_the_words_of_the_port(method: str):
    client = new_redis(RedisSettings(url="redis://127.0.0.1:1/0", retries=0))
    model, ref = RedisReadModel(client), ref_of(policy(0))

    async def lock() -> None:
        async with model.exclusive("acme"):
            pytest.fail("locked")

    calls = {
        "entry": lambda: model.entry(ref),
        "entries": lambda: model.entries("acme", "rule"),
        "apply": lambda: model.apply(policy(1), place(1)),
        "resume_point": model.resume_point,
        "keep_resume_point": lambda: model.keep_resume_point(place(1), last_event_id=None),
        "exclusive": lock,
    }
    with pytest.raises(PolicyUnavailableError):
        await calls[method]()
    await client.aclose()


async def stored(redis: "Redis", key: str, kind: type) -> object:
    return msgspec.json.decode(await redis.get(key), type=kind)
