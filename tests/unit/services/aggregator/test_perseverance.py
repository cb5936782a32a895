"""A known reason is waited out, any other ends the task."""

import asyncio

import pytest

from services.aggregator import perseverance
from services.aggregator.perseverance import persevere


class AwayError(Exception):
    pass


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(perseverance, "FIRST_WAIT_S", 0.001)


def attempts(*outcomes):
    left = iter(outcomes)

    async def attempt():
        outcome = next(left)
        if outcome is not None:
            raise outcome

    return attempt


async def test_it_goes_on_until_an_attempt_returns():
    waits = []
    await persevere(
        "t",
        attempts(AwayError(), AwayError(), None),
        stop=asyncio.Event(),
        recoverable=(AwayError,),
        on_wait=lambda: waits.append(1),
    )
    assert [1, 1] == waits


async def test_an_unknown_error_rises():
    with pytest.raises(ValueError, match="broken"):
        await persevere(
            "t", attempts(AwayError(), ValueError("broken")), stop=asyncio.Event(), recoverable=(AwayError,)
        )


async def test_a_wait_ends_when_it_is_asked_to_stop(monkeypatch):
    monkeypatch.setattr(perseverance, "FIRST_WAIT_S", 60.0)
    stop = asyncio.Event()
    task = asyncio.create_task(persevere("t", attempts(AwayError()), stop=stop, recoverable=(AwayError,)))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(task, 5)
