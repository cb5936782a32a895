"""The learner's state in a real Redis."""

from hypothesis import HealthCheck, given, settings

from libs.contracts import state as keys
from tests.unit.services.aggregator.learning_suite import LearningSuite, apply, nothing_is_left_to_change, step
from tests.unit.services.aggregator.world import feedback, logs, request


class TestRedisLearning(LearningSuite):
    async def test_sessions_expire_and_statistics_do_not(self, begun, redis):
        await apply(begun, [request(), request("r2", status="blocked"), feedback()], [step(0, 3)])
        for name in ("session:acme:s1", "seen:acme:s1"):
            assert 0 < await redis.ttl(keys.learning(0, name)) <= 60
        for name in ("statistics:acme:chat", "counters:acme", "offsets", "owner", "index"):
            assert -1 == await redis.ttl(keys.learning(0, name))

    async def test_every_key_of_a_partition_is_in_its_slot(self, begun, redis):
        await apply(begun, [request(), feedback()], [step(0, 2)])
        await begun.keep_alive([0], 5)
        assert all(key.startswith(b"ag:{p0}:") for key in await redis.keys("*"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs())
async def test_every_change_is_stored_exactly(state, log):
    await nothing_is_left_to_change(state, log)
