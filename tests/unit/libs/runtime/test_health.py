"""The report says of every check what it found, and of all the worst."""

import asyncio

import pytest

from libs.runtime.health import Health


async def fine():
    return None


async def lacking():
    return "half of the replicas"


async def broken():
    raise ConnectionError("refused")


async def hanging():
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([], "ok"),
        ([(fine, True)], "ok"),
        ([(fine, True), (lacking, True)], "degraded"),
        ([(lacking, True), (broken, True)], "failing"),
        ([(broken, False)], "degraded"),
        ([(hanging, True)], "failing"),
        ([(hanging, False), (fine, True)], "degraded"),
    ],
)
async def test_the_worst_check_decides(checks, status):
    health = Health()
    for number, (check, required) in enumerate(checks):
        health.add(f"{number}", check, timeout_s=0.01, required=required)
    assert status == (await health.report()).status


async def test_each_check_says_what_it_found():
    health = Health()
    for check in (fine, lacking, broken, hanging):
        health.add(check.__name__, check, timeout_s=0.01)
    found = {name: (result.status, result.detail) for name, result in (await health.report()).checks.items()}
    assert {
        "fine": ("ok", None),
        "lacking": ("degraded", "half of the replicas"),
        "broken": ("failing", "ConnectionError: refused"),
        "hanging": ("failing", "no answer within 0.01 s"),
    } == found


async def test_checks_run_side_by_side():
    health = Health()
    for number in range(50):
        health.add(f"{number}", hanging, timeout_s=0.05)
    async with asyncio.timeout(1):
        assert 50 == len((await health.report()).checks)
