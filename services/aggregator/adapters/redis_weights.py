"""Published weights in Redis: replaced by compare-and-set, with an outbox of what the log has yet to get."""

import hashlib
from collections.abc import Sequence
from typing import cast

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import WeightsPublished
from libs.contracts.state import Changed
from services.aggregator.adapters.redis_learning import script
from services.aggregator.ports import Snapshot

OUTBOX_LENGTH = 100

_decoder = msgspec.json.Decoder(WeightsPublished)


class RedisWeights:
    """Implements `Weights`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._publish = redis.register_script(script("publish"))

    async def read(self, scope: str) -> Snapshot:
        """Read the newest weights; the stamp is the SHA-1 that the script compares."""
        stored = cast("bytes | None", await self._redis.get(state.weights(scope)))
        if stored is None:
            return Snapshot(weights=None, stamp="")
        return Snapshot(weights=_decoder.decode(stored), stamp=hashlib.sha1(stored, usedforsecurity=False).hexdigest())

    async def replace(self, scope: str, read: Snapshot, new: WeightsPublished) -> bool:
        """Run the publishing script."""
        keys = [state.weights(scope), _outbox(scope)]
        return bool(await self._publish(keys=keys, args=[read.stamp, msgspec.json.encode(new), OUTBOX_LENGTH]))

    async def unsent(self, scope: str) -> Sequence[bytes]:
        """Read the outbox."""
        return cast(list[bytes], await self._redis.lrange(_outbox(scope), 0, -1))

    async def sent(self, scope: str, weights: bytes) -> None:
        """Take one entry out of the outbox."""
        await self._redis.lrem(_outbox(scope), 1, cast(str, weights))

    async def announce(self, changed: Changed) -> None:
        """Publish on the channel that gateways listen to."""
        await self._redis.publish(state.CHANGES_CHANNEL, msgspec.json.encode(changed))


def _outbox(scope: str) -> str:
    return f"{state.weights(scope)}:outbox"
