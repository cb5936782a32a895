"""The platform that the demo runs on: the embedded stack with a catalogue, tenants and recorded answers of its own."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from benchmarks.demo.arms import Arm
from benchmarks.demo.world import World
from deploy.local.answers import Outcome as Recorded
from deploy.local.settings import StackSettings

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0
INPUT_SHARE_OF_COST = 0.7


class PlatformFailedError(Exception):
    """The stack did not come up; the message says where its logs are."""


@asynccontextmanager
async def platform(world: World, arms: Iterable[Arm], *, data: Path, cost_weight: float) -> AsyncIterator[str]:
    """Yield the base URL of a platform that serves *world* to the tenants of *arms*; everything of it lies under *data*."""
    settings = free_settings(data)
    files = {
        "PROVIDERS_FILE": write(data / "providers.toml", _catalogue(world, settings.provider_port)),
        "BOOTSTRAP_FILE": write(data / "bootstrap.toml", _tenants(arms, cost_weight)),
        "RECORDED": write(data / "outcomes.jsonl", _outcomes(world)),
    }
    async with running(settings, files):
        yield settings.base_url


@asynccontextmanager
async def running(settings: StackSettings, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Run the embedded stack, told *environment*, until the block ends; raises `PlatformFailedError`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local", "--plain", "--data", str(settings.data)),
        env={**os.environ, **_ports(settings), **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await _ready(process, settings)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)


async def _ready(process: asyncio.subprocess.Process, settings: StackSettings) -> None:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as client,
        asyncio.timeout(START_TIMEOUT_S),
    ):
        while process.returncode is None:
            try:
                async with client.get(f"{settings.base_url}/models", headers={"authorization": "Bearer x"}) as answer:
                    if answer.status == 401:  # noqa: PLR2004 - the gateway is up and refuses the unknown key
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise PlatformFailedError(
        f"the platform ended with exit code {process.returncode}; its logs are in {settings.logs}"
    )


def free_settings(data: Path) -> StackSettings:
    """Return settings with free ports and everything under *data*, which is made."""
    data.mkdir(parents=True, exist_ok=True)
    ports = [name for name in StackSettings.__struct_fields__ if name.endswith("_port")]
    free = dict(zip(ports, _free_ports(len(ports)), strict=True))
    return msgspec.convert({"data": str(data), **free}, StackSettings, dec_hook=lambda kind, text: kind(text))


def _ports(settings: StackSettings) -> Mapping[str, str]:
    return {name.upper(): str(getattr(settings, name)) for name in settings.__struct_fields__ if name.endswith("_port")}


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def write(path: Path, content: bytes) -> str:
    """Write *content*; return the absolute path."""
    path.write_bytes(content)
    return str(path.resolve())


def _catalogue(world: World, provider_port: int) -> bytes:
    models = [
        {
            "upstream_id": name,
            "context_tokens": 1_000_000,
            "tools": True,
            "vision": True,
            "json_schema": True,
            "price": {"fresh_input": p.input, "cache_read": p.input, "cache_write": p.input, "output": p.output},
        }
        for name, p in world.prices.items()
    ]
    base_url = f"http://127.0.0.1:{provider_port}/v1"
    return msgspec.toml.encode({"providers": {"recorded": {"base_url": base_url, "models": models}}})


def _tenants(arms: Iterable[Arm], cost_weight: float) -> bytes:
    arms = tuple(arms)
    routing = {"cost_weight": cost_weight}
    tenants = [
        {"tenant": arm.tenant, "plan": "demo", "contribute": False, "consume": False, "routing": routing}
        for arm in arms
    ]
    keys = [{"tenant": arm.tenant, "key_id": "demo", "secret": arm.api_key} for arm in arms]
    return msgspec.toml.encode({"plans": [{"name": "demo"}], "tenants": tenants, "keys": keys})


def _outcomes(world: World) -> bytes:
    return msgspec.json.Encoder().encode_lines(
        [
            Recorded(
                item=item,
                model=model,
                score=outcome.score,
                cost_usd=outcome.cost_usd,
                prompt_tokens=_tokens(outcome.cost_usd * INPUT_SHARE_OF_COST, world.prices[model].input),
                completion_tokens=_tokens(outcome.cost_usd * (1 - INPUT_SHARE_OF_COST), world.prices[model].output),
            )
            for (item, model), outcome in world.outcomes.items()
        ]
    )


def _tokens(usd: float, usd_per_million: float) -> int:
    return max(1, round(usd / usd_per_million * 1_000_000))
