"""How noisy one session's score is, by source: the usual value, corrected by the spread that is seen within cells."""

from collections.abc import Iterable, Mapping

from libs.routing.statistics import SOURCES, Evidence, FeedbackSource, Sums

USUAL: dict[FeedbackSource, float] = {"session": 0.08, "auto": 0.22, "manual": 0.20}


def estimated_variances(
    evidence: Iterable[Evidence], prior_weight: float, *, usual: Mapping[FeedbackSource, float] = USUAL
) -> dict[FeedbackSource, float]:
    """
    Return the variance of one session's score for each source, with *prior_weight* sessions' worth of the *usual* one.

    Each `Evidence` is of one task and one tenant, so that differences between models, tasks and raters are no noise: only the
    spread within a cell counts, with one degree of freedom less than it has sessions. A cell of a single session says nothing.
    Raises ValueError where *prior_weight* is not positive.
    """
    if prior_weight <= 0:
        raise ValueError("prior_weight has to be positive: without it a source that nobody used has no variance")
    cells: dict[FeedbackSource, list[Sums]] = {source: [] for source in SOURCES}
    for of_task in evidence:
        for (_, source), sums in of_task.items():
            if sums.n > 1.0:
                cells[source].append(sums)
    return {source: _pooled(found, usual[source], prior_weight) for source, found in cells.items()}


def _pooled(cells: list[Sums], usual: float, prior_weight: float) -> float:
    freedom = sum(sums.n - 1.0 for sums in cells)
    spread = sum(sums.spread for sums in cells)
    return (prior_weight * usual + spread) / (prior_weight + freedom)
