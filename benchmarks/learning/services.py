"""The running platform that plays a world: started with it, driven round by round, and asked at the end whether anything was lost."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from redis.asyncio import Redis

from benchmarks.demo.platform import free_settings, running, write
from benchmarks.learning import stage
from benchmarks.learning.client import Client, Session
from benchmarks.learning.mock_judge import MockJudge
from benchmarks.learning.stage import Arm
from benchmarks.learning.tenants import HOPS, Visit
from benchmarks.learning.world import World
from deploy.local.settings import StackSettings
from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.routing.priors import prior_of

PARALLEL = 8
ARRIVES_WITHIN_S = 60.0
POLL_S = 0.1
PACE = {"OBSERVE_S": "0.3", "POOL_S": "0.5", "WEIGHTS_POLL_S": "1", "REFRESH_S": "3"}
EXACT = 1e-6


class NotServedError(Exception):
    """The services did not do what the run rests on; the message says what."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The *sessions* played, by arm and tenant; the *hops* and *ratings* sent, and what was *lost* of them, by kind."""

    sessions: dict[str, list[list[Session]]]
    hops: int
    ratings: int
    lost: dict[str, int]


async def serve(
    world: World, both: Sequence[Arm], *, rounds: int, seed: int, folder: Path, advanced: Callable[[], object]
) -> Run:
    """Play *rounds* sessions of every tenant of *both*, a round at a time: the next begins when all have learned from it."""
    settings = free_settings(folder)
    visits = {arm.title: stage.plays(arm, rounds, seed) for arm in both}
    judge = MockJudge(flips(visit for arm in both if arm.rates for played in visits[arm.title] for visit in played))
    async with _listening(judge) as judge_url, running(settings, _environment(world, both, settings, judge_url)):
        await _load_table(world, settings)
        async with aiohttp.ClientSession() as http, Redis(port=settings.valkey_port) as redis:
            play = _Play(world, both, settings, judge=judge, http=http, redis=redis)
            await play.day0()
            for number in range(rounds):
                await play.round({title: [found[number] for found in played] for title, played in visits.items()})
                advanced()
            return await play.result()


def flips(visits: Iterable[Visit]) -> dict[str, bool]:
    """Return for the marker of each judged step whether the judge is wrong there."""
    return {
        stage.marker(visit, place): step.flipped
        for visit in visits
        for place, step in enumerate(visit.steps)
        if step.judged
    }


class _Play:
    """What has been sent, and what the services have made of it."""

    def __init__(
        self,
        world: World,
        both: Sequence[Arm],
        settings: StackSettings,
        *,
        judge: MockJudge,
        http: aiohttp.ClientSession,
        redis: Redis,
    ) -> None:
        self._world = world
        self._both = both
        self._settings = settings
        self._judge = judge
        self._http = http
        self._redis = redis
        self._client = Client(http, settings.base_url, world)
        self._slots = asyncio.Semaphore(PARALLEL)
        self._sessions: dict[str, list[list[Session]]] = {arm.title: [[] for _ in arm.tenants] for arm in both}

    async def day0(self) -> None:
        """Wait until gateways decide by the world's table."""
        expected = {
            model.id: prior_of(self._world.priors, model, stage.PROBE_TASK).mean
            for model in self._world.models.values()
        }

        async def taken_up() -> bool:
            found = await self._client.benchmarks(stage.PROBE)
            return all(abs(found[name] - mean) < EXACT for name, mean in expected.items())

        await _until(taken_up, "the Day-0 table in decisions")

    async def round(self, visits: dict[str, list[Visit]]) -> None:
        """Play one session of every tenant at once, and wait until it is in everybody's weights."""
        async with asyncio.TaskGroup() as group:
            for arm in self._both:
                for place, visit in enumerate(visits[arm.title]):
                    group.create_task(self._session(arm, place, visit))
        await _until(self._learned, "the round in the weights")

    async def result(self) -> Run:
        """Return what was played, and what of it the services do not know."""
        played = [(arm, session) for arm in self._both for found in self._sessions[arm.title] for session in found]
        lost = {"decisions": await self._missing_decisions(), "events": await self._dropped()}
        judged = len(self._judge.judged)
        lost["steps to judge"] = len(self._judge.flips) - judged
        return Run(
            sessions=self._sessions,
            hops=HOPS * len(played),
            ratings=sum(session.ratings for _, session in played) + judged,
            lost=lost,
        )

    async def _session(self, arm: Arm, place: int, visit: Visit) -> None:
        async with self._slots:
            played = await self._client.play(arm.tenants[place], visit, rates=arm.rates)
        self._sessions[arm.title][place].append(played)

    async def _learned(self) -> bool:
        judged = sum(HOPS * len(found) for arm in self._both if arm.rates for found in self._sessions[arm.title])
        if len(self._judge.asked) < judged:
            return False
        return all([await self._knows(arm, place) for arm in self._both for place in range(len(arm.tenants))])

    async def _knows(self, arm: Arm, place: int) -> bool:
        raw = await self._redis.get(state.weights(arm.tenants[place].name))
        found = self._sessions[arm.title][place]
        if raw is None:
            return False
        weights = msgspec.json.decode(raw, type=WeightsPublished)
        sent = (HOPS * len(found), sum(session.rated for session in found))
        return (weights.requests, weights.rated_sessions) == sent

    async def _missing_decisions(self) -> int:
        """Return how many hops are not in the decision log; it may lag a moment behind."""
        missing = 0

        async def stored() -> bool:
            nonlocal missing
            rows = [
                await self._client.decisions(tenant.name) - HOPS * len(self._sessions[arm.title][place])
                for arm in self._both
                for place, tenant in enumerate(arm.tenants)
            ]
            missing = -sum(rows)
            return missing == 0

        try:
            await _until(stored, "every decision in the log")
        except NotServedError:
            return missing
        return 0

    async def _dropped(self) -> int:
        async with self._http.get(f"http://127.0.0.1:{self._settings.gateway_port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith("gateway_events_dropped")))


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(ARRIVES_WITHIN_S):
            while not await holds():  # noqa: ASYNC110 - the effect happens in another process
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise NotServedError(f"{what}: not within {ARRIVES_WITHIN_S:g} s") from error


@asynccontextmanager
async def _listening(judge: MockJudge) -> AsyncIterator[str]:
    runner = web.AppRunner(judge.app())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def _environment(world: World, both: Sequence[Arm], settings: StackSettings, judge_url: str) -> dict[str, str]:
    folder = settings.data
    tenants = [tenant for arm in both for tenant in arm.tenants]
    return {
        "PROVIDERS_FILE": write(folder / "providers.toml", stage.catalogue(world, settings.provider_port)),
        "BOOTSTRAP_FILE": write(folder / "bootstrap.toml", stage.policy_file(world, both)),
        "RECORDED": write(folder / "outcomes.jsonl", stage.outcomes(world, tenants)),
        "JUDGE_MODEL": "planned",
        "JUDGE_BASE_URL": judge_url,
        "JUDGE_SAMPLE_RATE": "1",
        **PACE,
    }


async def _load_table(world: World, settings: StackSettings) -> None:
    backends = {
        "REDIS_URL": f"redis://127.0.0.1:{settings.valkey_port}/0",
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{settings.broker_port}",
        "KAFKA_IDEMPOTENT": "false",  # The embedded broker knows no idempotent producers.
    }
    file = write(settings.data / "table.json", stage.table(world))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.feedback_ingest", "priors", "load", file),
        env={**os.environ, **backends},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise NotServedError(f"the Day-0 table was not loaded: {errors.decode()}")
