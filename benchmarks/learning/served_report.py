"""What the served run came to beside the simulation: shares of the gap with intervals over tenants."""

from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from typing import TypeAlias

import msgspec
import numpy as np

from benchmarks.learning.market import Ledger
from benchmarks.learning.report import student
from benchmarks.learning.served import Comparison
from benchmarks.learning.world import Floats

ENDS = (5, 20)  # Where one window of sessions ends and the next begins.

Windows: TypeAlias = dict[str, tuple[int, int]]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the gap, or a difference of two, and half of its 95 % interval over tenants."""

    mean: float
    half_width: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One arm in one window of sessions."""

    arm: str
    window: str
    simulated: Figure
    served: Figure
    difference: Figure


def rows(found: Comparison) -> list[Row]:
    """Return each arm's shares window by window, and how far served and simulated differ for the same tenants."""
    return [
        _row(arm, name, window, simulated=found.simulated[arm], served=found.served[arm])
        for arm in found.served
        for name, window in windows(found.served[arm].gained.shape[1]).items()
    ]


def windows(rounds: int) -> Windows:
    """Return the windows of a run of *rounds* sessions per tenant."""
    edges = [0, *(end for end in ENDS if end < rounds), rounds]
    return {f"{first}–{last}": (first, last) for first, last in pairwise(edges)}


def markdown(world: str, found: Comparison, command: str) -> str:
    """Return the table of one world."""
    tenants, rounds = next(iter(found.served.values())).gained.shape
    lost = ", ".join(f"{count} {kind}" for kind, count in found.lost.items())
    said = (
        f"`{command}`: {tenants} tenants × {rounds} sessions, one seed, {found.hops} hops of both arms, {found.ratings} ratings; "
        f"lost: {lost}. ± is half of a 95 % interval over tenants."
    )
    head = ["| share of the gap | sessions | simulated | served | served − simulated |", "|---|---|---|---|---|"]
    return "\n".join([f"## Served: world {world}", "", said, "", *head, *map(_line, rows(found))]) + "\n"


def over_tenants(first: Callable[[Floats], float], tenants: int) -> Figure:
    """Return what *first* makes of all tenants (weights by tenant), and the interval of leaving each out in turn."""
    everybody = np.ones(tenants)
    left_out = np.array([first(everybody - np.eye(tenants)[place]) for place in range(tenants)])
    spread = sqrt((tenants - 1) / tenants * float(((left_out - left_out.mean()) ** 2).sum()))
    return Figure(mean=first(everybody), half_width=student(tenants) * spread)


def _row(arm: str, name: str, window: tuple[int, int], *, simulated: Ledger, served: Ledger) -> Row:
    first, last = window

    def of(ledger: Ledger) -> Callable[[Floats], float]:
        gained, possible = ledger.gained[:, first:last].sum(axis=1), ledger.possible[:, first:last].sum(axis=1)
        return lambda weights: float(weights @ gained / (weights @ possible))

    one, other = of(simulated), of(served)
    tenants = len(served.gained)
    return Row(
        arm=arm,
        window=name,
        simulated=over_tenants(one, tenants),
        served=over_tenants(other, tenants),
        difference=over_tenants(lambda weights: other(weights) - one(weights), tenants),
    )


def _line(row: Row) -> str:
    shown = (f"{figure.mean:.2f} ± {figure.half_width:.2f}" for figure in (row.simulated, row.served, row.difference))
    return f"| {row.arm} | {row.window} | {' | '.join(shown)} |"
