"""The Redis client answers, tells of an outage in time, and comes back by itself."""

import asyncio

from aiohttp import web
from redis.asyncio import Redis

from deploy.local.process import free_port
from libs.runtime.redis import RedisSettings, redis_resource
from libs.runtime.server import HEALTH, new_app

REDIS: web.AppKey[Redis] = web.AppKey("redis", Redis)


async def report(settings: RedisSettings, *, required: bool = True):
    app = new_app("test", max_body_bytes=1)
    app.cleanup_ctx.append(redis_resource(REDIS, settings, required=required))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        return await asyncio.wait_for(app[HEALTH].report(), 10)
    finally:
        await runner.cleanup()


async def test_a_redis_that_answers_is_healthy(redis_url):
    assert "ok" == (await report(RedisSettings(url=redis_url))).status


async def test_a_redis_that_is_away_is_reported():
    settings = RedisSettings(url=f"redis://127.0.0.1:{free_port()}/0", connect_timeout_s=0.2, retries=0)
    assert "failing" == (await report(settings)).status
    assert "degraded" == (await report(settings, required=False)).status
