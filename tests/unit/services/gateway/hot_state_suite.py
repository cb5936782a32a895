"""What is true of every `HotState`, in memory and in Redis."""

import asyncio
from collections.abc import Callable

from libs.contracts.state import CachedAnswer, SessionState
from services.gateway.ports import Found, HotState, Lookup, Settled
from tests.unit.services.gateway.fakes import NOW_MS

CACHED = CachedAnswer(body='{"é": 1}', provider="p", model="m", completion_id="c", stored_at_ms=NOW_MS)
SETTLED = Settled(
    tenant="t", key_id="k", request_id="r", session_id="s", session_inferred=False, completion_id="c",
    session=SessionState(pins={"chat": "m"}), cache_digest="d", cached=CACHED, cache_ttl_s=60,
)  # fmt: skip


def lookup(**fields: object) -> Lookup:
    return Lookup(**{"tenant": "t", "key_id": "k", "session_id": "s", "now_ms": NOW_MS, "cache_digest": "d"} | fields)


async def found_once(state: HotState, holds: Callable[[Found], bool], **fields: object) -> Found:
    """Look up until *holds*, since settling does not wait."""
    async with asyncio.timeout(5.0):
        found = await state.look_up(lookup(**fields))
        while not holds(found):
            found = await state.look_up(lookup(**fields))
    return found


class HotStateSuite:
    """Subclasses provide the fixture `state`: an empty `HotState`."""

    async def test_nothing_is_known_at_first(self, state: HotState):
        found = await state.look_up(lookup())
        assert (1, 1, SessionState(), None, None, False) == (
            found.usage.minute, found.usage.month, found.session, found.cached, found.quarantine, found.local,
        )  # fmt: skip

    async def test_requests_count_per_key_and_minute_and_per_tenant_and_month(self, state: HotState):
        next_month_ms = NOW_MS + 32 * 86_400_000
        counted = [
            await state.look_up(lookup(**fields))
            for fields in (
                {},
                {},
                {"key_id": "k2"},
                {"now_ms": NOW_MS + 60_000},
                {"tenant": "t2"},
                {"now_ms": next_month_ms},
            )
        ]
        assert [(1, 1), (2, 2), (1, 3), (1, 4), (1, 1), (1, 1)] == [
            (found.usage.minute, found.usage.month) for found in counted
        ]

    async def test_parallel_requests_are_all_counted(self, state: HotState):
        counts = await asyncio.gather(*(state.look_up(lookup()) for _ in range(50)))
        assert list(range(1, 51)) == sorted(found.usage.minute for found in counts)

    async def test_a_released_request_is_not_charged(self, state: HotState):
        await state.look_up(lookup())
        state.release("t", NOW_MS)
        assert 1 == (await state.look_up(lookup())).usage.month

    async def test_what_was_settled_is_found_again(self, state: HotState):
        state.settle(SETTLED)
        found = await found_once(state, lambda found: found.cached is not None)
        assert (CACHED, SETTLED.session) == (found.cached, found.session)

    async def test_it_is_found_by_its_own_tenant_session_and_digest_only(self, state: HotState):
        state.settle(SETTLED)
        await found_once(state, lambda found: found.cached is not None)
        assert (None, SessionState()) == (
            (foreign := await state.look_up(lookup(tenant="t2"))).cached, foreign.session
        )  # fmt: skip
        assert SessionState() == (await state.look_up(lookup(session_id="s2"))).session
        assert (await state.look_up(lookup(cache_digest="d2"))).cached is None
        assert (await state.look_up(lookup(cache_digest=None))).cached is None
