"""What tenants said of the firewall's verdicts, with the requests that they said it of."""

from collections.abc import AsyncIterator, Collection, Sequence

import msgspec

from libs.contracts.events import FirewallVerdict, RequestCompleted, VerdictLabelled
from services.router.adapters.clickhouse_decisions import ClickHouseDecisions
from services.router.domain.training import LabelledPrompt

CHUNK = 500

_TENANTS = "SELECT DISTINCT tenant FROM verdicts WHERE label != '' AND {range} ORDER BY tenant"
_LABELS = """
SELECT event FROM verdicts FINAL
WHERE tenant = %(tenant)s AND label != '' AND request_id != '' AND {range}
AND (reached_at_ms, event_id) > (%(after_ms)s, %(after_id)s)
ORDER BY reached_at_ms, event_id LIMIT %(limit)s
"""
_RANGE = "reached_at_ms >= %(from_ms)s AND reached_at_ms < %(to_ms)s"
_REQUESTS = "SELECT event FROM requests WHERE tenant = %(tenant)s AND request_id IN %(ids)s LIMIT 1 BY request_id"
_BODIES = """
SELECT request_id, request FROM transcripts FINAL
WHERE tenant = %(tenant)s AND session_id IN %(sessions)s AND request_id IN %(ids)s
AND expires_at_ms > toUnixTimestamp64Milli(now64(3))
"""


class ClickHouseLabels:
    """Implements `LabelLog` over the connections of the decision log."""

    def __init__(self, log: ClickHouseDecisions) -> None:
        self._log = log
        self._labels = msgspec.json.Decoder(VerdictLabelled)
        self._requests = msgspec.json.Decoder(RequestCompleted)

    async def tenants(self, *, from_ms: int, to_ms: int) -> Sequence[str]:
        """Return who labelled in the time range."""
        values = {"from_ms": from_ms, "to_ms": to_ms}
        return [tenant for (tenant,) in await self._log.rows(_TENANTS.format(range=_RANGE), values)]

    async def prompts(self, tenant: str, *, from_ms: int, to_ms: int) -> AsyncIterator[Sequence[LabelledPrompt]]:
        """Yield the labelled requests, oldest label first."""
        values = {"tenant": tenant, "from_ms": from_ms, "to_ms": to_ms, "limit": CHUNK, "after_ms": 0, "after_id": ""}
        while True:
            rows = await self._log.rows(_LABELS.format(range=_RANGE), values)
            labels = [self._labels.decode(event) for (event,) in rows]
            if not labels:
                return
            yield await self._joined(tenant, labels)
            values |= {"after_ms": labels[-1].labelled_at_ms, "after_id": labels[-1].event_id}

    async def _joined(self, tenant: str, labels: Sequence[VerdictLabelled]) -> Sequence[LabelledPrompt]:
        ids = tuple(label.request_id or "" for label in labels)
        verdicts = await self._verdicts(tenant, ids)
        values = {"tenant": tenant, "ids": ids, "sessions": tuple({label.session_id for label in labels})}
        bodies = dict(await self._log.rows(_BODIES, values))
        return [
            LabelledPrompt(
                tenant=tenant,
                request_id=request_id,
                label=label.label,
                verdict=verdicts.get(request_id),
                request=bodies.get(request_id),
                text=label.text,
            )
            for label, request_id in zip(labels, ids, strict=True)
        ]

    async def _verdicts(self, tenant: str, ids: Collection[str]) -> dict[str, FirewallVerdict | None]:
        rows = await self._log.rows(_REQUESTS, {"tenant": tenant, "ids": tuple(ids)})
        requests = [self._requests.decode(event) for (event,) in rows]
        return {request.request_id: request.firewall for request in requests}
