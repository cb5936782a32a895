"""Agents' sessions through real gateways, and what the agents were answered: the truth that the platform is held to."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Self

import httpx
import msgspec

from tests.support.process import wait_until

HOPS = (1, 2, 4, 5)  # They divide a session's million, so that what each hop is credited with is exact.
SCORES = 11
CLIENTS = 3
PACE_S = 0.08
TIMEOUT_S = 20.0
ANSWERS_S = 60.0
TASK = "chat"
MICRO = 1_000_000


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent is going to do: *hops* requests to *model*, and a rating after *rated_after* of them (0: before)."""

    session_id: str
    model: str
    hops: int
    rated_after: int
    score: int


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered 200."""

    session_id: str
    request_id: str
    model: str
    prompt_tokens: int
    completion_tokens: int


def sessions(prefix: str, models: tuple[str, ...] = ("auto",)) -> Iterator[Session]:
    """Yield the same sessions every time, of all lengths and scores; every seventh remains without a rating."""
    for number in count():
        hops = HOPS[number % len(HOPS)]
        yield Session(
            session_id=f"{prefix}-{number}",
            model=models[number % len(models)],
            hops=hops,
            rated_after=-1 if number % 7 == 6 else number % (hops + 1),
            score=number % SCORES,
        )


class Traffic:
    """
    Clients of *gateways* with *key* that hold *plan*'s sessions, each at a time, from entry to exit of the block.

    `failures` names every request and rating that was not answered 200; what is not there was.
    """

    def __init__(self, gateways: tuple[str, ...], key: str, plan: Iterable[Session], *, pace_s: float = PACE_S) -> None:
        self.answered: list[Answered] = []
        self.rated: dict[str, int] = {}
        self.failures: list[str] = []
        self._gateways = gateways
        self._headers = {"authorization": f"Bearer {key}", "floopy-task": TASK}
        self._plan = iter(plan)
        self._taking = threading.Lock()
        self._pace_s = pace_s
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        """Wait until every session of a plan that ends was held, or those under way when the block was left."""
        for thread in self._threads:
            thread.join()

    def wait_for(self, answers: int) -> None:
        """Return when so many more requests were answered."""
        enough = len(self.answered) + answers
        wait_until(lambda: len(self.answered) >= enough, timeout_s=ANSWERS_S, what=f"{answers} answers")

    def _work(self, number: int) -> None:
        gateway = self._gateways[number % len(self._gateways)]
        with httpx.Client(base_url=gateway, headers=self._headers, timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stop.is_set() and (session := self._next()) is not None:
                self._hold(client, session)

    def _next(self) -> Session | None:
        with self._taking:
            return next(self._plan, None)

    def _hold(self, client: httpx.Client, session: Session) -> None:
        for hop in range(session.hops + 1):
            if hop == session.rated_after:
                self._rate(client, session)
            if hop < session.hops:
                self._ask(client, session, hop)
                self._stop.wait(self._pace_s)

    def _ask(self, client: httpx.Client, session: Session, hop: int) -> None:
        body = {"model": session.model, "messages": [{"role": "user", "content": f"{session.session_id}: step {hop}"}]}
        headers = {"floopy-session-id": session.session_id}
        answer = self._post(client, "/v1/chat/completions", body, headers)
        if answer is not None:
            said = answer.json()
            self.answered.append(
                Answered(
                    session_id=session.session_id,
                    request_id=answer.headers["x-request-id"],
                    model=answer.headers["floopy-model"],
                    prompt_tokens=said["usage"]["prompt_tokens"],
                    completion_tokens=said["usage"]["completion_tokens"],
                )
            )

    def _rate(self, client: httpx.Client, session: Session) -> None:
        body = {"session_id": session.session_id, "score": session.score, "useful": session.score > 5}
        answer = self._post(client, "/v1/feedback", body, {})
        if answer is not None:
            assert answer.json() == {"duplicate": False, "session_id": session.session_id}
            self.rated[session.session_id] = session.score

    def _post(self, client: httpx.Client, path: str, body: object, headers: dict[str, str]) -> httpx.Response | None:
        try:
            answer = client.post(path, json=body, headers=headers)
        except httpx.TransportError as error:
            self.failures.append(f"{path}: {error!r}")
            return None
        if answer.status_code != httpx.codes.OK:
            self.failures.append(f"{path}: {answer.status_code} {answer.text}")
            return None
        return answer


def hold_all(gateways: tuple[str, ...], key: str, plan: Iterable[Session], number: int) -> Traffic:
    """Hold the first *number* sessions of *plan* and return what was answered."""
    with Traffic(gateways, key, islice(plan, number)) as traffic:
        traffic.join()
    return traffic


def statistics(traffic: Traffic) -> dict[str, int]:
    """Return the sums that follow from what the clients saw, by the rules: a session weighs one, split over its hops."""
    sums: Counter[str] = Counter()
    hops = Counter(answered.session_id for answered in traffic.answered)
    for answered in traffic.answered:
        sums["requests"] += 1
        sums[f"requests {answered.model}"] += 1
        sums[f"input {answered.model}"] += answered.prompt_tokens
        sums[f"output {answered.model}"] += answered.completion_tokens
        if answered.session_id in traffic.rated:
            weight, tenths = MICRO // hops[answered.session_id], traffic.rated[answered.session_id]
            sums[f"n {answered.model}"] += weight
            sums[f"sum_x {answered.model}"] += weight * tenths // 10
            sums[f"sum_xx {answered.model}"] += weight * tenths * tenths // 100
    sums["rated_sessions"] = len(traffic.rated.keys() & hops.keys())
    return {name: value for name, value in sums.items() if value}
