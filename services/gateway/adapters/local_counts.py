"""Request counts of this process alone, for while the shared ones are away."""

from services.gateway.domain.limits import Usage, minute_of, month_of

MAX_KEYS = 10_000


class LocalCounts:
    """Fixed windows per key and tenant; a new window forgets the old one."""

    def __init__(self) -> None:
        self._minute = 0
        self._by_key: dict[tuple[str, str], int] = {}
        self._month = ""
        self._by_tenant: dict[str, int] = {}

    def count(self, tenant: str, key_id: str, now_ms: int) -> Usage:
        """Count one request and return how many this process has seen in the running minute and month."""
        self._turn(now_ms)
        key = (tenant, key_id)
        self._by_key[key] = minute = self._by_key.get(key, 0) + 1
        self._by_tenant[tenant] = month = self._by_tenant.get(tenant, 0) + 1
        return Usage(minute=minute, month=month)

    def release(self, tenant: str, now_ms: int) -> None:
        """Take back one request of the month."""
        self._turn(now_ms)
        if self._by_tenant.get(tenant, 0) > 0:
            self._by_tenant[tenant] -= 1

    def _turn(self, now_ms: int) -> None:
        minute, month = minute_of(now_ms), month_of(now_ms)
        if minute != self._minute or len(self._by_key) > MAX_KEYS:
            self._minute = minute
            self._by_key.clear()
        if month != self._month:
            self._month = month
            self._by_tenant.clear()
