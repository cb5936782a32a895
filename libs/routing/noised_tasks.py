"""The pool's tasks as they are said with noise: cells only, within a budget, and never of a tenant that has left."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from libs.routing.noise import Ledger, Place, Privacy, opened, release
from libs.routing.pooled_cells import NOBODY, PooledCell, PooledTask, pooled
from libs.routing.statistics import Evidence, FeedbackSource, Sums
from libs.routing.variances import USUAL

LABEL = b"pool-noise:"


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """How much noise there is, and the secret *key* that it follows from."""

    privacy: Privacy
    key: bytes


def noise_of(privacy: Privacy, secret: bytes) -> Noise:
    """
    Return the noise whose key follows from *secret* and *privacy*.

    With another privacy the noise is another one: two scales of the same would give the content away.
    """
    return Noise(privacy=privacy, key=hmac.digest(secret, LABEL + msgspec.json.encode(privacy), hashlib.sha256))


def noised_tasks(
    previous: Mapping[str, PooledTask],
    contributions: Mapping[str, Mapping[str, Evidence]],
    ledger: Ledger,
    noise: Noise,
    *,
    day: int,
) -> tuple[dict[str, PooledTask], Ledger]:
    """
    Return the tasks with those of *contributions* (task → tenant → evidence) said anew, and the ledger after it.

    Whose turn was longest ago comes first. Of *previous* only what was said with noise is kept.
    """
    ledger = opened(ledger, noise.privacy, day=day)
    tasks = {task: found for task, found in previous.items() if task in ledger.released}
    turns = {task: turn for turn, task in enumerate(ledger.paid)}
    for task in sorted(contributions, key=lambda task: (turns.get(task, -1), task)):
        before = tasks.get(task, PooledTask())
        tasks[task], ledger = _said(before, contributions[task], ledger, noise, task=task, day=day)
    return tasks, ledger


def voided(ledger: Ledger) -> Ledger:
    """Return the ledger once exact sums are published: what was spent stays, and nothing counts as said with noise."""
    return msgspec.structs.replace(ledger, released={}, paid={}, waiting=())


def _said(
    before: PooledTask, contributions: Mapping[str, Evidence], ledger: Ledger, noise: Noise, *, task: str, day: int
) -> tuple[PooledTask, Ledger]:
    """Return the task; where the budget refuses, as it was *before*, or empty where that rests on somebody who has left."""
    exact = pooled(contributions)
    publishable = _publishable(exact)
    if not publishable:
        return PooledTask(), _waiting(ledger, task, waits=False)
    said, after = release(contributions, publishable, ledger, noise.privacy, task=task, key=noise.key, day=day)
    after = _waiting(after, task, waits=said is None)
    if said is not None:
        return _noised(exact, said, noise.privacy.sigma), after
    return (before if _members(before) <= _members(exact) else PooledTask()), after


def _publishable(exact: PooledTask) -> frozenset[Place]:
    found: dict[FeedbackSource, dict[str, PooledCell]] = exact.cells  # type: ignore[assignment]
    return frozenset((m, source) for source, cells in found.items() for m in cells if m in exact.published)


def _members(task: PooledTask) -> frozenset[int]:
    return NOBODY.union(*(hashes for found in task.speakers.values() for hashes in found.values()))


def _waiting(ledger: Ledger, task: str, *, waits: bool) -> Ledger:
    others = {name for name in ledger.waiting if name != task}
    return msgspec.structs.replace(ledger, waiting=tuple(sorted({*others, task} if waits else others)))


def _noised(exact: PooledTask, said: Mapping[Place, Sums], sigma: float) -> PooledTask:
    """Return the task with the cells *said*; no charges, which nothing has been added to."""
    cells: dict[str, dict[str, PooledCell]] = {}
    speakers: dict[str, dict[str, frozenset[int]]] = {}
    for (model, source), sums in sorted(said.items()):
        if sums.n > 0:
            cells.setdefault(source, {})[model] = _cell(exact.cells[source][model], _told(sums, source, sigma))
            speakers.setdefault(source, {})[model] = exact.speakers[source][model]
    return PooledTask(cells=cells, speakers=speakers)


def _told(sums: Sums, source: FeedbackSource, sigma: float) -> Sums:
    """Return *sums* at the weight in sessions that their mean has, of which noise moves it by *sigma* / n."""
    share = 1.0 / (1.0 + sigma**2 / (sums.n * USUAL[source]))
    return Sums(n=share * sums.n, sum_x=share * sums.sum_x, sum_xx=share * sums.sum_xx)


def _cell(exact: PooledCell, sums: Sums) -> PooledCell:
    """Return the cell with bounds that no mean lies within: nobody's share can be taken out of noise."""
    return msgspec.structs.replace(exact, sums=sums, cap=0.0, low=1.0, high=0.0)
