"""What is true of every `Quarantines`, in memory and in Redis."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from libs.contracts.state import Quarantine
from services.firewall.domain.evidence import KEPT, total
from services.firewall.ports import Quarantines, Standing

NOW_MS = 1_795_370_400_000
HOSTILE = Quarantine(
    action="block", category="indirect_injection", until_ms=NOW_MS + 60_000, reason="session", request_id="r-1"
)


async def weigh(quarantines: Quarantines, *, session_id: str = "s-1", hostile: Quarantine = HOSTILE, **clues: float):
    return await quarantines.weigh("acme", session_id, clues, hostile, now_ms=NOW_MS)


class QuarantinesSuite:
    """Subclasses provide the fixture `quarantines`: an empty `Quarantines`."""

    async def test_faint_evidence_is_kept_and_quarantines_nobody(self, quarantines: Quarantines):
        assert Standing(evidence=0.5) == await weigh(quarantines, a=0.5)
        assert [] == [found async for found in quarantines.standing("acme")]

    async def test_what_only_together_is_hostile_is_quarantined_when_it_is(self, quarantines: Quarantines):
        await weigh(quarantines, a=0.6)
        standing = await weigh(quarantines, b=0.8)
        assert pytest.approx(0.8 + 0.7 * 0.6) == standing.evidence
        assert (HOSTILE, True) == (standing.quarantine, standing.new)
        assert [("s-1", HOSTILE)] == [found async for found in quarantines.standing("acme")]

    async def test_what_is_known_changes_nothing(self, quarantines: Quarantines):
        first = await weigh(quarantines, a=0.6, b=0.8)
        later = replace(HOSTILE, until_ms=NOW_MS + 90_000, request_id="r-2")
        assert replace(first, new=False) == await weigh(quarantines, hostile=later, a=0.6, b=0.8)

    async def test_what_is_new_of_a_quarantined_session_prolongs_its_quarantine(self, quarantines: Quarantines):
        await weigh(quarantines, a=1.5)
        later = replace(HOSTILE, until_ms=NOW_MS + 90_000, request_id="r-2")
        assert later == (await weigh(quarantines, hostile=later, b=0.5)).quarantine

    async def test_sessions_and_tenants_are_apart(self, quarantines: Quarantines):
        await weigh(quarantines, a=1.5)
        assert Standing(evidence=0.1) == await weigh(quarantines, session_id="s-2", a=0.1)
        assert [] == [found async for found in quarantines.standing("beta")]

    async def test_a_released_session_is_not_quarantined_by_what_it_repeats(self, quarantines: Quarantines):
        await weigh(quarantines, a=1.5, b=0.5)
        assert HOSTILE == await quarantines.release("acme", "s-1")
        assert Standing() == await weigh(quarantines, a=1.5, b=0.5)
        assert Standing(evidence=0.9) == await weigh(quarantines, c=0.9)

    async def test_nothing_to_release_is_none(self, quarantines: Quarantines):
        assert await quarantines.release("acme", "s-1") is None

    async def test_only_the_heaviest_are_kept(self, quarantines: Quarantines):
        many = {f"p{number}": number / 1_000 for number in range(KEPT * 3)}
        standing = await weigh(quarantines, **many)
        assert pytest.approx(total(sorted(many.values())[-KEPT:])) == standing.evidence

    async def test_the_order_of_a_batch_does_not_matter(self, quarantines: Quarantines):
        hops = [{"a": 0.5}, {"a": 0.5, "b": 0.4}, {"c": 0.45}]
        for number, order in enumerate(itertools.permutations(hops)):
            session_id = f"s-{number}"
            await asyncio.gather(*(weigh(quarantines, session_id=session_id, **hop) for hop in order))
            standing = await weigh(quarantines, session_id=session_id, **hops[0])
            assert pytest.approx(0.5 + 0.7 * 0.45 + 0.49 * 0.4) == standing.evidence
            assert HOSTILE == standing.quarantine
