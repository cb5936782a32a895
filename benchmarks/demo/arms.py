"""Three ways to answer the same sessions over HTTP, and what each achieved."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from floopy import AsyncFloopy
from openai import AsyncOpenAI

from benchmarks.demo.world import Hop, Session, nps

SHAPES = {"gaia": "tool_use", "swe-bench": "agentic_coding", "swe-bench-multimodal": "vision", "swt-bench": "coding"}
RECENT_SESSIONS = 100


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One way to route: a tenant, the `model` its requests name, and whether its users' ratings are sent."""

    name: str
    tenant: str
    model: str
    rates: bool = False

    @property
    def api_key(self) -> str:
        """Return the secret of the arm's key; it exists only on this machine."""
        return f"sk-demo-{self.tenant}"


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One answered hop: the model that served it and the outcome recorded for it."""

    request_id: str
    model: str
    score: float
    cost_usd: float


class Tally:
    """What one arm has achieved so far; sessions in the order in which they ended."""

    def __init__(self, arm: Arm, cost_weight: float) -> None:
        self.arm = arm
        self.sessions: list[list[Served]] = []
        self.ratings = 0
        self._cost_weight = cost_weight

    def hops(self, last: int | None = None) -> list[Served]:
        """Return the hops of the *last* sessions, or of all."""
        return [hop for session in self.sessions[-last if last else None :] for hop in session]

    def quality(self, last: int | None = None) -> float:
        """Return the mean score of a hop, in [0, 1]."""
        return _mean([hop.score for hop in self.hops(last)])

    def cost_usd(self, last: int | None = None) -> float:
        """Return the mean cost of a hop in dollars."""
        return _mean([hop.cost_usd for hop in self.hops(last)])

    def utility(self, last: int | None = None) -> float:
        """Return quality less what the tenant's policy takes off for cost."""
        return self.quality(last) - self._cost_weight * self.cost_usd(last)

    def share(self, last: int = RECENT_SESSIONS) -> Counter[str]:
        """Return how many recent hops each model served."""
        return Counter(hop.model for hop in self.hops(last))


class _Outcome(msgspec.Struct):
    score: float
    cost_usd: float


async def run_arm(
    base_url: str, tally: Tally, sessions: Sequence[Session], *, parallel: int, advanced: Callable[[], object]
) -> None:
    """Answer *sessions* in order, *parallel* at a time; call *advanced* after each. An error of the gateway ends the run."""
    waiting = iter(sessions)
    client = AsyncOpenAI(base_url=base_url, api_key=tally.arm.api_key, max_retries=0, timeout=60)
    floopy = AsyncFloopy(base_url=base_url, api_key=tally.arm.api_key)

    async def work() -> None:
        for session in waiting:
            await _run_session(client, floopy, tally, session)
            advanced()

    async with client, asyncio.TaskGroup() as workers:
        for _ in range(parallel):
            workers.create_task(work())


async def _run_session(client: AsyncOpenAI, floopy: AsyncFloopy, tally: Tally, session: Session) -> None:
    served = [await _ask(client, tally.arm, session, hop, turn) for turn, hop in enumerate(session.hops)]
    tally.sessions.append(served)
    rating = nps(session, [hop.score for hop in served])
    if tally.arm.rates and rating is not None:
        await floopy.feedback.submit(score=rating, useful=rating >= 7, session_id=_session_id(tally.arm, session))  # noqa: PLR2004 - 7 and 8 are passives
        tally.ratings += 1


async def _ask(client: AsyncOpenAI, arm: Arm, session: Session, hop: Hop, turn: int) -> Served:
    raw = await client.chat.completions.with_raw_response.create(
        model=arm.model,
        messages=[{"role": "user", "content": f"Work on {hop.item}, step {turn}."}],
        metadata={"item": hop.item},
        extra_headers={"floopy-session-id": _session_id(arm, session), "floopy-task": SHAPES[hop.task]},
    )
    completion: Any = raw.parse()
    outcome = msgspec.json.decode(completion.choices[0].message.content, type=_Outcome)
    return Served(
        request_id=raw.headers["x-request-id"],
        model=raw.headers["floopy-model"],
        score=outcome.score,
        cost_usd=outcome.cost_usd,
    )


def _session_id(arm: Arm, session: Session) -> str:
    return hashlib.sha256(f"{arm.tenant}/{session.session_id}".encode()).hexdigest()[:24]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
