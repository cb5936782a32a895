"""Which feedback source counts how much, as evidence accumulates: the published table, and a smooth way through it."""

from typing import Literal

from libs.contracts.events import Phase, SourceWeights

REQUESTS_FOR_AUTO = 10
RATED_SESSIONS_FOR_NPS = 10

TABLE: dict[Phase, SourceWeights] = {
    "day0": SourceWeights(benchmark=1.0),
    "auto": SourceWeights(auto=0.5, manual=0.2, benchmark=0.3),
    "nps": SourceWeights(session=0.5, auto=0.3, manual=0.1, benchmark=0.1),
}


def phase_of(requests: int, rated_sessions: int) -> Phase:
    """Return the phase of a tenant with that many requests and rated sessions."""
    if rated_sessions >= RATED_SESSIONS_FOR_NPS:
        return "nps"
    return "auto" if requests >= REQUESTS_FOR_AUTO else "day0"


def weights_of(phase: Phase) -> SourceWeights:
    """Return the row of the table for *phase*."""
    return TABLE[phase]


def source_weights(requests: int, rated_sessions: int, ramp: Literal["step", "smooth"] = "step") -> SourceWeights:
    """
    Return the weights of a tenant: the table's row, or with *ramp* `smooth` the straight line between its rows.

    Both agree where a threshold is reached: at 10 requests without a rating, and from 10 rated sessions on.
    """
    if ramp == "step":
        return TABLE[phase_of(requests, rated_sessions)]
    warmed = _between(TABLE["day0"], TABLE["auto"], min(1.0, requests / REQUESTS_FOR_AUTO))
    return _between(warmed, TABLE["nps"], min(1.0, rated_sessions / RATED_SESSIONS_FOR_NPS))


def _between(start: SourceWeights, end: SourceWeights, share: float) -> SourceWeights:
    return SourceWeights(
        session=_mix(start.session, end.session, share),
        auto=_mix(start.auto, end.auto, share),
        manual=_mix(start.manual, end.manual, share),
        benchmark=_mix(start.benchmark, end.benchmark, share),
    )


def _mix(start: float, end: float, share: float) -> float:
    return (1.0 - share) * start + share * end
