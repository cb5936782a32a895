"""What many tenants know of one model by one source: trimmed, capped, and published only where enough stand behind it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

import msgspec

from libs.contracts.events import Usage
from libs.routing.operations import Operations, average_usage, scaled, summed
from libs.routing.statistics import SOURCES, Evidence, FeedbackSource, Sums
from libs.routing.variances import USUAL

TENANT_VARIANCE = 0.004  # How much tenants really differ on a model.
MAX_SHARE = 0.20  # Of a cell's weight that one tenant may have.
MIN_TENANTS = 5
MIN_SESSIONS = 25.0
NOBODY: frozenset[int] = frozenset()
TRIMMED = 0.10  # Of the tenants at either end, by their mean: a tenth of hostile raters moves nothing.


class PooledCell(msgspec.Struct, frozen=True, kw_only=True):
    """
    What all tenants know of one model by one source, after trimming and capping.

    *tenants* and *sessions* count what came in. A tenant whose own mean lies in [*low*, *high*] is part of *sums*, with a
    weight of at most *cap*.
    """

    tenants: int
    sessions: float
    sums: Sums
    cap: float
    low: float
    high: float

    @property
    def published(self) -> bool:
        """Say whether enough tenants and sessions stand behind this source's word alone."""
        return self.tenants >= MIN_TENANTS and self.sessions >= MIN_SESSIONS

    def precision(self, source: FeedbackSource) -> float:
        """Return how well the mean of all tenants' sessions by *source* tells the model's quality for one of them."""
        return 1.0 / (USUAL[source] / self.sums.n + TENANT_VARIANCE / self.tenants)

    def share_of(self, own: Sums) -> float:
        """Return the share in the sums of a tenant that contributed *own*."""
        return 1.0 - self.without(own).n / self.sums.n

    def without(self, own: Sums) -> Sums:
        """Return the sums less the share of a tenant that contributed *own*."""
        if own.n <= 0 or not self.low <= own.mean <= self.high:
            return self.sums
        share = min(1.0, self.cap / own.n)
        return Sums(
            n=max(0.0, self.sums.n - share * own.n),
            sum_x=max(0.0, self.sums.sum_x - share * own.sum_x),
            sum_xx=max(0.0, self.sums.sum_xx - share * own.sum_xx),
        )


class PooledTask(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """
    What all tenants know of one task: source → model → cell, also those too small to be used.

    *speakers* (source → model → hashes of names) tell how many tenants there are behind several cells together. *charged* are
    sums over requests by model and *callers* the tenants behind them, each with at most its share; so is *usage*, the average
    request of all models together.
    """

    cells: dict[str, dict[str, PooledCell]] = {}
    speakers: dict[str, dict[str, frozenset[int]]] = {}
    charged: dict[str, Operations] = {}
    callers: dict[str, frozenset[int]] = {}
    usage: Usage | None = None

    @cached_property
    def operations(self) -> dict[str, Operations]:
        """Sums over requests of the models that enough tenants have called."""
        return {model: sums for model, sums in self.charged.items() if enough_callers([self], [model])}

    @cached_property
    def published(self) -> frozenset[str]:
        """Models whose cells may leave the pool: enough tenants and sessions stand behind each, by all sources."""
        spoken = {model for found in self.cells.values() for model in found}
        return frozenset(model for model in spoken if enough([self], [model]))

    def cell(self, source: FeedbackSource, model: str) -> PooledCell | None:
        """Return the cell if it may be used, else None: the caller backs off to what is known of the model elsewhere."""
        found = self.cells.get(source, {}).get(model)
        return found if found is not None and model in self.published else None

    def is_loud(self, source: str, models: Collection[str]) -> bool:
        """Say whether enough tenants and sessions stand behind what *source* says of *models* together."""
        heard = [model for model in self.cells[source] if model in models]
        sessions = sum(self.cells[source][model].sessions for model in heard)
        return sessions >= MIN_SESSIONS and _many([self.speakers.get(source, {}).get(model, NOBODY) for model in heard])

    def by_sources(self, sources: Collection[str]) -> "PooledTask":
        """Return the task as it would be had only *sources* spoken."""
        return msgspec.structs.replace(
            self,
            cells={source: found for source, found in self.cells.items() if source in sources},
            speakers={source: found for source, found in self.speakers.items() if source in sources},
        )


def enough(tasks: Iterable[PooledTask], models: Collection[str]) -> bool:
    """Say whether enough tenants and sessions stand behind the cells of *models* on *tasks* taken together."""
    speakers: list[frozenset[int]] = []
    sessions = 0.0
    for task in tasks:
        speakers += (found[model] for found in task.speakers.values() for model in models if model in found)
        sessions += sum(found[model].sessions for found in task.cells.values() for model in models if model in found)
    return sessions >= MIN_SESSIONS and _many(speakers)


def enough_callers(tasks: Collection[PooledTask], models: Collection[str]) -> bool:
    """Say whether enough tenants and requests stand behind the charges of *models* on *tasks* taken together."""
    requests = sum(task.charged[model].requests for task in tasks for model in models if model in task.charged)
    return requests >= MIN_SESSIONS and _many([task.callers.get(model, NOBODY) for task in tasks for model in models])


def _many(groups: Iterable[frozenset[int]]) -> bool:
    """Say whether there are enough tenants in *groups* together; no union is made where one group is enough."""
    found = list(groups)
    return any(len(group) >= MIN_TENANTS for group in found) or len(NOBODY.union(*found)) >= MIN_TENANTS


def pooled(
    contributions: Mapping[str, Evidence], charges: Mapping[str, Mapping[str, Operations]] | None = None
) -> PooledTask:
    """Return one task's pool from tenant → evidence, and tenant → model → sums over requests, of those that contribute."""
    gathered: dict[FeedbackSource, dict[str, dict[str, Sums]]] = {source: {} for source in SOURCES}
    for tenant, evidence in sorted(contributions.items()):
        for (model, source), sums in evidence.items():
            if sums.n > 0:
                gathered[source].setdefault(model, {})[tenant] = sums
    spoken = {source: dict(sorted(by_model.items())) for source, by_model in gathered.items() if by_model}
    called = _called(charges or {})
    hashes = {tenant: _hash(tenant) for tenant in {*contributions, *(charges or ())}}
    return PooledTask(
        cells={
            s: {model: _cell(list(parts.values())) for model, parts in found.items()} for s, found in spoken.items()
        },
        speakers={s: _behind(found, hashes) for s, found in spoken.items()},
        charged={model: _fair(parts.values()) for model, parts in called.items()},
        callers=_behind(called, hashes),
        usage=_usage(called),
    )


def _behind(parts: Mapping[str, Iterable[str]], hashes: Mapping[str, int]) -> dict[str, frozenset[int]]:
    return {model: frozenset(hashes[tenant] for tenant in tenants) for model, tenants in parts.items()}


def _called(charges: Mapping[str, Mapping[str, Operations]]) -> dict[str, dict[str, Operations]]:
    """Return model → tenant → sums; a tenant that a model never answered says nothing of it."""
    gathered: dict[str, dict[str, Operations]] = {}
    for tenant, operations in sorted(charges.items()):
        for model, seen in operations.items():
            if seen.requests > 0:
                gathered.setdefault(model, {})[tenant] = seen
    return dict(sorted(gathered.items()))


def _usage(called: Mapping[str, Mapping[str, Operations]]) -> Usage | None:
    """Return the average request of all models together."""
    by_tenant: dict[str, list[Operations]] = {}
    for parts in called.values():
        for tenant, seen in parts.items():
            by_tenant.setdefault(tenant, []).append(seen)
    return average_usage([_fair([summed(seen) for _, seen in sorted(by_tenant.items())])])


def _fair(parts: Iterable[Operations]) -> Operations:
    """Return the sum of *parts*, none with more than its share of the requests, nor with more errors than requests."""
    found = list(parts)
    cap = cap_of([(seen.requests, 1) for seen in found])
    return summed(_at_most(seen, cap) for seen in found)


def _at_most(seen: Operations, cap: float) -> Operations:
    kept = seen if seen.requests <= cap else scaled(seen, cap / seen.requests)
    return kept if kept.errors <= kept.requests else msgspec.structs.replace(kept, errors=kept.requests)


def _hash(tenant: str) -> int:
    return int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=6).digest(), "big")


def _cell(parts: list[Sums]) -> PooledCell:
    kept = _trimmed(parts)
    cap = cap_of([(sums.n, 1) for sums in kept])
    shares = [min(1.0, cap / sums.n) for sums in kept]
    return PooledCell(
        tenants=len(parts),
        sessions=sum(sums.n for sums in parts),
        sums=Sums(
            n=sum(share * sums.n for share, sums in zip(shares, kept, strict=True)),
            sum_x=sum(share * sums.sum_x for share, sums in zip(shares, kept, strict=True)),
            sum_xx=sum(share * sums.sum_xx for share, sums in zip(shares, kept, strict=True)),
        ),
        cap=cap,
        low=min(sums.mean for sums in kept),
        high=max(sums.mean for sums in kept),
    )


def _trimmed(parts: list[Sums]) -> list[Sums]:
    """Drop the same number of tenants at both ends; ties with the last one kept go back in, so that bounds decide alone."""
    ordered = sorted(parts, key=lambda sums: sums.mean)
    cut = int(TRIMMED * len(ordered))
    low, high = ordered[cut].mean, ordered[len(ordered) - 1 - cut].mean
    return [sums for sums in ordered if low <= sums.mean <= high]


def cap_of(weights: Iterable[tuple[float, int]]) -> float:
    """
    Return the greatest weight that is at most `MAX_SHARE` of the total once all are cut to it.

    *weights* come with how many tenants have that weight each. Fewer than `MIN_TENANTS` are cut to the smallest of theirs.
    """
    descending = sorted(weights, reverse=True)
    rest, capped, cap = sum(weight * count for weight, count in descending), 0, 0.0
    for weight, count in descending:
        cap = MAX_SHARE * rest / (1.0 - MAX_SHARE * capped) if MAX_SHARE * capped < 1.0 else weight
        if cap >= weight or capped + count >= MIN_TENANTS:
            return max(cap, weight)
        rest -= weight * count
        capped += count
    return descending[-1][0] if descending else 0.0
