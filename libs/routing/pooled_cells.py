"""What many tenants know of one model by one source: trimmed, capped, and published only where enough stand behind it."""

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from libs.routing.operations import Operations, summed
from libs.routing.statistics import SOURCES, Evidence, FeedbackSource, Sums

NOISE: dict[FeedbackSource, float] = {"session": 0.08, "auto": 0.22, "manual": 0.20}  # Variance of one session's score.
TENANT_VARIANCE = 0.004  # How much tenants really differ on a model.
MAX_SHARE = 0.20  # Of a cell's weight that one tenant may have.
MIN_TENANTS = 5
MIN_SESSIONS = 25.0
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
        return 1.0 / (NOISE[source] / self.sums.n + TENANT_VARIANCE / self.tenants)

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


class PooledTask(msgspec.Struct, frozen=True, kw_only=True):
    """
    The cells of one task: source → model → cell, also those too small to be published.

    *speakers* (model → hashes of names) tell how many tenants there are behind several cells together. *charged* are sums over
    requests by model, *callers* the tenants behind them.
    """

    cells: dict[str, dict[str, PooledCell]] = {}
    speakers: dict[str, frozenset[int]] = {}
    charged: dict[str, Operations] = {}
    callers: dict[str, frozenset[int]] = {}

    def operations(self) -> dict[str, Operations]:
        """Return the sums over requests of the models that enough tenants have called."""
        return {model: sums for model, sums in self.charged.items() if enough_callers([self], model)}

    def published(self, model: str) -> bool:
        """Say whether enough tenants and sessions stand behind *model*, by all sources, for its cells to leave the pool."""
        return enough([self], [model])

    def cell(self, source: FeedbackSource, model: str) -> PooledCell | None:
        """Return the cell if it may be used, else None: the caller backs off to what is known of the model elsewhere."""
        found = self.cells.get(source, {}).get(model)
        return found if found is not None and self.published(model) else None

    def of_model(self, model: str) -> list[PooledCell]:
        """Return the cells of one model by all sources, also those too small to be published."""
        return [by_model[model] for by_model in self.cells.values() if model in by_model]


def enough(tasks: Iterable[PooledTask], models: Iterable[str]) -> bool:
    """Say whether enough tenants and sessions stand behind the cells of *models* on *tasks* taken together."""
    speakers: set[int] = set()
    sessions = 0.0
    listed = list(models)
    for task in tasks:
        for model in listed:
            speakers |= task.speakers.get(model, frozenset())
            sessions += sum(cell.sessions for cell in task.of_model(model))
    return len(speakers) >= MIN_TENANTS and sessions >= MIN_SESSIONS


def enough_callers(tasks: Iterable[PooledTask], model: str) -> bool:
    """Say whether enough tenants have called *model* on *tasks* taken together."""
    return len(frozenset().union(*(task.callers.get(model, frozenset()) for task in tasks))) >= MIN_TENANTS


def pooled(
    contributions: Mapping[str, Evidence], charges: Mapping[str, Mapping[str, Operations]] | None = None
) -> PooledTask:
    """Return one task's pool from tenant → evidence, and tenant → model → sums over requests, of those that contribute."""
    gathered: dict[FeedbackSource, dict[str, list[Sums]]] = {source: {} for source in SOURCES}
    speakers: dict[str, set[int]] = {}
    for tenant, evidence in sorted(contributions.items()):
        for (model, source), sums in evidence.items():
            if sums.n > 0:
                gathered[source].setdefault(model, []).append(sums)
                speakers.setdefault(model, set()).add(_hash(tenant))
    return PooledTask(
        cells={
            source: {model: _cell(parts) for model, parts in sorted(by_model.items())}
            for source, by_model in gathered.items()
            if by_model
        },
        speakers={model: frozenset(found) for model, found in sorted(speakers.items())},
        **_charged(charges or {}),
    )


def _charged(charges: Mapping[str, Mapping[str, Operations]]) -> dict[str, dict[str, object]]:
    gathered: dict[str, dict[int, Operations]] = {}
    for tenant, operations in sorted(charges.items()):
        for model, seen in operations.items():
            if seen.requests or seen.errors:
                gathered.setdefault(model, {})[_hash(tenant)] = seen
    return {
        "charged": {model: summed(found.values()) for model, found in sorted(gathered.items())},
        "callers": {model: frozenset(found) for model, found in sorted(gathered.items())},
    }


def _hash(tenant: str) -> int:
    return int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=6).digest(), "big")


def _cell(parts: list[Sums]) -> PooledCell:
    kept = _trimmed(parts)
    cap = _cap([sums.n for sums in kept])
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


def _cap(weights: list[float]) -> float:
    """Return the greatest weight that is at most `MAX_SHARE` of the total once all are cut to it."""
    descending = sorted(weights, reverse=True)
    rest = sum(descending)
    for capped, weight in enumerate(descending):
        cap = MAX_SHARE * rest / (1.0 - MAX_SHARE * capped) if MAX_SHARE * capped < 1.0 else weight
        if cap >= weight or capped + 1 >= MIN_TENANTS:
            return max(cap, weight)
        rest -= weight
    return descending[-1]
