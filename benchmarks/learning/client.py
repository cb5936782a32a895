"""What a tenant's agent sends: the hops of a session, then what user and admin say of them."""

import asyncio
from collections.abc import Mapping

import aiohttp
import msgspec

from benchmarks.learning import stage
from benchmarks.learning.tenants import Step, Tenant, Visit, ratings, request_id
from benchmarks.learning.world import World
from libs.routing.credit import Rating

ALWAYS = "from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"
POLL_S = 0.2
PROMOTER = 7  # From here on a session counts as useful.


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One answered step: the place in the world of the model that served it, and how that did."""

    request_id: str
    task: str
    model: int
    outcome: float


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One finished session: its hops, and how many ratings were sent for it, the user's among them or not."""

    hops: tuple[Hop, ...]
    rated: bool = False
    ratings: int = 0


class Client:
    """Plays visits against the gateway at *base_url*."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, world: World) -> None:
        self._http = http
        self._base_url = base_url
        self._world = world
        self._places = {name: place for place, name in enumerate(world.models)}

    async def play(self, tenant: Tenant, visit: Visit, *, rates: bool) -> Session:
        """Send the hops of *visit* one after the other, then its ratings; raises `aiohttp.ClientResponseError`."""
        hops = tuple([await self._ask(tenant, visit, place, step) for place, step in enumerate(visit.steps)])
        if not rates:
            return Session(hops=hops)
        said = ratings(tenant, visit, [hop.outcome for hop in hops])
        sent = [rating for rating in said.values() if rating.source != "auto"]
        for rating in sent:
            await self._rate(tenant, visit, hops, rating)
        return Session(hops=hops, rated=visit.rated, ratings=len(sent))

    async def _ask(self, tenant: Tenant, visit: Visit, place: int, step: Step) -> Hop:
        body = {
            "model": "auto",
            "messages": [{"role": "user", "content": stage.prompt(visit, place)}],
            "metadata": {"item": stage.item_name(step.task, step.item)},
        }
        headers = {"floopy-session-id": visit.session, "floopy-task": step.task}
        served = await self._post("/chat/completions", tenant.name, body, headers)
        model = self._places[served["floopy-model"]]
        return Hop(
            request_id=served["x-request-id"],
            task=step.task,
            model=model,
            outcome=float(self._world.scores[step.task][step.item, model]),
        )

    async def _rate(self, tenant: Tenant, visit: Visit, hops: tuple[Hop, ...], rating: Rating) -> None:
        score = round(10 * rating.score)
        if rating.source == "session":
            body = {"score": score, "useful": score >= PROMOTER, "session_id": visit.session}
            await self._post("/feedback", tenant.name, body, {})
        else:
            hop = next(hop for place, hop in enumerate(hops) if request_id(place) == rating.request_id)
            body = {"score": score, "request_id": hop.request_id, "session_id": visit.session}
            await self._post("/ratings", tenant.name, body, {})

    async def benchmarks(self, tenant: str) -> dict[str, float]:
        """Return what a new chat of *tenant* finds each model to be worth by benchmarks, once its decision is stored."""
        body = {"model": "auto", "messages": [{"role": "user", "content": "Good morning."}]}
        served = await self._post("/chat/completions", tenant, body, {"floopy-task": stage.PROBE_TASK})
        while True:
            async with self._get(f"/decisions/{served['x-request-id']}", tenant) as answer:
                if answer.ok:
                    candidates = (await answer.json())["decision_trace"]["candidates"]
                    return {found["model"]: found["scores"]["benchmark"] for found in candidates}
            await asyncio.sleep(POLL_S)

    async def decisions(self, tenant: str) -> int:
        """Return how many decisions of *tenant* are stored."""
        async with self._get(f"/export/decisions?format=jsonl&{ALWAYS}", tenant) as answer:
            answer.raise_for_status()
            trailer = (await answer.text()).strip().rsplit("\n", 1)[-1]
        return int(msgspec.json.decode(trailer)["rows_emitted"])

    def _get(self, path: str, tenant: str) -> "aiohttp.client._RequestContextManager":
        return self._http.get(self._base_url + path, headers=_authorised(tenant))

    async def _post(
        self, path: str, tenant: str, body: Mapping[str, object], headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        async with self._http.post(
            self._base_url + path, json=body, headers={**_authorised(tenant), **headers}
        ) as answer:
            await answer.read()
            answer.raise_for_status()
            return answer.headers


def _authorised(tenant: str) -> dict[str, str]:
    return {"authorization": f"Bearer {stage.secret_of(tenant)}"}
