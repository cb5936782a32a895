"""
Gaussian noise on what the pool publishes, and the ledger of how much privacy that has cost.

Tenant-level zero-concentrated differential privacy (Bun and Steinke 2016): a mechanism of sensitivity D and standard deviation s
costs `rho = D² / 2s²`, costs add up, and rho implies `epsilon = rho + 2·sqrt(rho·ln(1/delta))`. Neighbours differ in all that
one tenant says of one task. That a cell is published at all is not covered: k-anonymity stands for that.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from math import log, sqrt
from typing import TypeAlias

import msgspec
import numpy as np

from libs.routing.statistics import Evidence, FeedbackSource, Sums

Place: TypeAlias = tuple[str, FeedbackSource]
"""Model and source of a cell."""

SENSITIVITY = sqrt(
    1.0 + 1.0 / 4.0 + 1.0 / 16.0
)  # Of (n, sum of x − ½, sum of (x − ½)²), for one session with x in [0, 1].
DECIMALS = 6  # Published on a grid: the last bits of a float would tell what the noise was added to.
SLACK = 1e-9  # Adding up costs rounds; a budget that divides evenly has to be usable to its end.


class Privacy(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much is said of a tenant: *epsilon* and *delta* of one publication of a task, *period_epsilon* of all in a period.

    *tenant_cap* is the weight in sessions, as the Euclidean norm over the cells of a task, that a tenant has at most: fixed, for
    a cap that follows the data would need noise of its own.
    """

    epsilon: float = 1.0
    period_epsilon: float = 8.0
    period_days: int = 30
    delta: float = 1e-6
    tenant_cap: float = 5.0

    def __post_init__(self) -> None:
        if not (0 < self.epsilon <= self.period_epsilon and 0 < self.delta < 1):
            raise ValueError("epsilon has to be above 0 and at most period_epsilon, delta between 0 and 1")
        if not (self.period_days >= 1 and self.tenant_cap > 0):
            raise ValueError("period_days has to be 1 or more, tenant_cap above 0")

    @property
    def rho(self) -> float:
        """Return what one publication of a task costs."""
        return rho_of(self.epsilon, self.delta)

    @property
    def budget_rho(self) -> float:
        """Return what a period may cost."""
        return rho_of(self.period_epsilon, self.delta)

    @property
    def sigma(self) -> float:
        """Return the standard deviation of the noise, in sessions."""
        return SENSITIVITY * self.tenant_cap / sqrt(2.0 * self.rho)


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the current *period* (of *period_days*, 0 before the first) has cost.

    By task: *released*, the digest of what was said last, as the same again costs nothing; *paid*, the day of it, longest ago
    first. *waiting* are the tasks whose newest content was refused.
    """

    period: int = 0
    period_days: int = 0
    spent_rho: float = 0.0
    released: dict[str, str] = {}
    paid: dict[str, int] = {}
    waiting: tuple[str, ...] = ()

    def epsilon(self, delta: float) -> float:
        """Return the epsilon of everything that was released in the period."""
        return epsilon_of(self.spent_rho, delta)


def release(
    contributions: Mapping[str, Evidence],
    publishable: Collection[Place],
    ledger: Ledger,
    privacy: Privacy,
    *,
    task: str,
    key: bytes,
    day: int,
) -> tuple[dict[Place, Sums] | None, Ledger]:
    """
    Return what may be said of *task* (tenant → evidence), and the ledger after it.

    Only the *publishable* cells are said, with noise. None where the period cannot afford it, or not yet: then what was said
    before has to stand.
    """
    cells = {place: sums for place, sums in totals(contributions, privacy.tenant_cap).items() if place in publishable}
    after = charged(ledger, task, digest_of(cells, key), privacy, day=day)
    if after is None or not (after is ledger or on_pace(ledger, after, task, privacy, day=day)):
        return None, ledger
    return noised(cells, task, privacy, key), after


def opened(ledger: Ledger, privacy: Privacy, *, day: int) -> Ledger:
    """
    Return the ledger with the period of *day* begun.

    Periods of another length are numbered anew and begin with what the last one of the old length had spent.
    """
    period = day // privacy.period_days
    if ledger.period_days not in (0, privacy.period_days):
        return msgspec.structs.replace(ledger, period=period, period_days=privacy.period_days)
    spent = 0.0 if period > ledger.period else ledger.spent_rho
    number = max(period, ledger.period)
    return msgspec.structs.replace(ledger, period=number, period_days=privacy.period_days, spent_rho=spent)


def on_pace(before: Ledger, after: Ledger, task: str, privacy: Privacy, *, day: int) -> bool:
    """
    Say whether *after*, which follows *before*, spends no faster than the days of its period begin.

    The first release of *task* in a period does not have to wait: a busy first hour may not take the others' turn, nor the month.
    """
    start = after.period * privacy.period_days
    begun = min(privacy.period_days, max(0, day - start + 1))
    allowed = privacy.budget_rho * begun / privacy.period_days
    return before.paid.get(task, -1) < start or after.spent_rho <= allowed * (1.0 + SLACK)


def rho_of(epsilon: float, delta: float) -> float:
    """Return the greatest rho that implies (*epsilon*, *delta*)."""
    tail = log(1.0 / delta)
    # The difference of the two roots, without the cancellation that a small epsilon would suffer.
    return (epsilon / (sqrt(tail + epsilon) + sqrt(tail))) ** 2


def epsilon_of(rho: float, delta: float) -> float:
    """Return the epsilon that *rho* implies at *delta*."""
    return rho + 2.0 * sqrt(rho * log(1.0 / delta))


def clipped(evidence: Evidence, cap: float) -> dict[Place, Sums]:
    """Return a tenant's evidence of one task scaled to a Euclidean norm of at most *cap* sessions, scores within [0, 1]."""
    norm = sqrt(sum(sums.n**2 for sums in evidence.values()))
    share = min(1.0, cap / norm) if norm > 0 else 0.0
    return {place: _scaled(sums, share) for place, sums in evidence.items() if sums.n > 0}


def totals(contributions: Mapping[str, Evidence], cap: float) -> dict[Place, Sums]:
    """Return the sums over tenants, each clipped to *cap*: what noise of `Privacy.sigma` hides any one of."""
    found: dict[Place, Sums] = {}
    for _, evidence in sorted(contributions.items()):
        for place, sums in clipped(evidence, cap).items():
            found[place] = _added(found.get(place, Sums()), sums)
    return found


def noised(cells: Mapping[Place, Sums], task: str, privacy: Privacy, key: bytes) -> dict[Place, Sums]:
    """
    Return *cells* with noise, made possible again: n at least 0, scores within [0, 1].

    The noise follows from *key* (secret), place and content: a cell that has not changed is published with the noise it had, so
    that averaging publications tells nothing.
    """
    return {place: _noised(sums, privacy.sigma, _generator(key, task, place, sums)) for place, sums in cells.items()}


def digest_of(cells: Mapping[Place, Sums], key: bytes) -> str:
    """Return what tells two contents of a task apart, and nothing else about them to those without *key*."""
    content = sorted((*place, sums.n, sums.sum_x, sums.sum_xx) for place, sums in cells.items())
    return hmac.new(key, msgspec.json.encode(content), hashlib.sha256).hexdigest()


def charged(ledger: Ledger, task: str, digest: str, privacy: Privacy, *, day: int) -> Ledger | None:
    """
    Return the ledger once *task* is released with the content of *digest*; None where the period cannot afford it.

    What was released last may be released again for nothing. A clock that went back begins no period anew.
    """
    period = max(ledger.period, day // privacy.period_days)
    spent = ledger.spent_rho if period == ledger.period else 0.0
    if ledger.released.get(task) == digest:
        return ledger
    if spent + privacy.rho > privacy.budget_rho * (1.0 + SLACK):
        return None
    return msgspec.structs.replace(
        ledger,
        period=period,
        spent_rho=spent + privacy.rho,
        released=ledger.released | {task: digest},
        paid={name: paid for name, paid in ledger.paid.items() if name != task} | {task: day},
    )


def _scaled(sums: Sums, share: float) -> Sums:
    n = share * sums.n
    sum_x = min(n, max(0.0, share * sums.sum_x))
    return Sums(n=n, sum_x=sum_x, sum_xx=min(sum_x, max(0.0, share * sums.sum_xx)))


def _added(one: Sums, other: Sums) -> Sums:
    return Sums(n=one.n + other.n, sum_x=one.sum_x + other.sum_x, sum_xx=one.sum_xx + other.sum_xx)


def _generator(key: bytes, task: str, place: Place, sums: Sums) -> np.random.Generator:
    content = msgspec.json.encode((task, *place, sums.n, sums.sum_x, sums.sum_xx))
    seed = hmac.new(key, content, hashlib.sha256).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed)))


def _noised(sums: Sums, sigma: float, generator: np.random.Generator) -> Sums:
    """Add noise to the moments around ½, where they move least, and return the nearest that scores could have."""
    noise = generator.normal(0.0, sigma, 3)
    n = max(0.0, round(sums.n + float(noise[0]), DECIMALS))
    around = sums.sum_x - sums.n / 2.0 + float(noise[1])
    spread = sums.sum_xx - sums.sum_x + sums.n / 4.0 + float(noise[2])
    around = min(n / 2.0, max(-n / 2.0, around))
    spread = min(n / 4.0, max(around * around / n if n > 0 else 0.0, spread))
    sum_x = round(around + n / 2.0, DECIMALS)
    return Sums(n=n, sum_x=sum_x, sum_xx=round(spread + around + n / 4.0, DECIMALS))
