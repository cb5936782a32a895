"""The first rating of each subject, kept in Redis."""

import msgspec
from redis.asyncio import Redis

from libs.contracts import state
from libs.contracts.events import FeedbackReceived
from libs.contracts.state import FeedbackMark
from services.feedback_ingest.adapters.redis_calls import answered
from services.feedback_ingest.domain.ratings import mark_key
from services.feedback_ingest.ports import OverQuotaError, Quota

MONTH_S = 62 * 86_400  # A month's count is kept until the month after it has ended.

# One step, so that a crash can neither count a rating without its mark nor mark it without counting.
_CLAIM = """
local mark = redis.call('GET', KEYS[1])
if mark then return mark end
if KEYS[2] then
  local limit = tonumber(ARGV[3])
  if limit and tonumber(redis.call('GET', KEYS[2]) or '0') >= limit then return 0 end
  redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], ARGV[4])
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

_OVER_QUOTA = 0


class RedisLedger:
    """A `Ledger`; marks are kept *mark_ttl_s* after their rating."""

    def __init__(self, redis: "Redis", *, mark_ttl_s: int, deadline_s: float) -> None:
        self._redis = redis
        self._claim = redis.register_script(_CLAIM)
        self._mark_ttl_s = mark_ttl_s
        self._deadline_s = deadline_s

    async def find(self, key: str) -> FeedbackMark | None:
        """Return the mark under *key*, or None."""
        value = await answered(self._redis.get(key), self._deadline_s)
        return None if value is None else msgspec.json.decode(value, type=FeedbackMark)

    async def claim(self, event: FeedbackReceived, quota: Quota | None) -> FeedbackMark | None:
        """Make *event* the rating of its subject, or return the mark that is there; raises `OverQuotaError`."""
        keys = [mark_key(event)]
        if quota is not None:
            keys.append(state.month_count(event.tenant, "feedback", quota.month))
        limit = "" if quota is None or quota.limit is None else quota.limit
        mark = msgspec.json.encode(FeedbackMark(event=msgspec.json.encode(event).decode()))
        found = await answered(self._claim(keys=keys, args=[mark, self._mark_ttl_s, limit, MONTH_S]), self._deadline_s)
        if isinstance(found, bytes):
            return msgspec.json.decode(found, type=FeedbackMark)
        if found == _OVER_QUOTA:
            raise OverQuotaError
        return None

    async def settle(self, key: str, mark: FeedbackMark) -> None:
        """Note that the event of *mark* is durable."""
        value = msgspec.json.encode(mark)
        await answered(self._redis.set(key, value, xx=True, keepttl=True), self._deadline_s)
