"""How each strategy turns a scored field into the probability of each candidate."""

from libs.routing.candidates import Field
from libs.routing.propensity import explored, one_hot, proportional
from libs.routing.scoring import Scored

SMART_COST_TOLERANCE = 0.05  # Score that `smart_cost` gives up for a cheaper model: half an NPS point.
LATENCY_TOLERANCE = 0.10  # Score that `latency_based` gives up for a faster one: one NPS point.


def chances_of(field: Field, results: list[Scored], *, floor: float, day0: int, key: str) -> list[float]:
    """Return the probability of each candidate of *field*; they add up to 1."""
    match field.strategy:
        case "passthrough" | "fallback":
            return one_hot(len(results), 0, floor=0.0)
        case "weighted":
            return proportional([field.shares.get(model.id, 1.0) for model in field.models])
        case "round_robin":
            return proportional([1.0] * len(results))
        case "smart_cost":
            return one_hot(len(results), cheapest_of(results), floor=floor)
        case "latency_based":
            return one_hot(len(results), fastest_of(results), floor=floor)
        case "feedback_driven":
            utilities = [item.utility for item in results]
            return explored(utilities, [item.variance for item in results], floor=floor, day0=day0, key=key)


def favourite_of(field: Field, results: list[Scored]) -> int | None:
    """Return the place of the candidate the strategy prefers; None for one that draws without a preference."""
    match field.strategy:
        case "passthrough" | "fallback":
            return 0
        case "smart_cost":
            return cheapest_of(results)
        case "latency_based":
            return fastest_of(results)
        case "feedback_driven":
            return best_of(results)
        case "weighted" | "round_robin":
            return None


def best_of(results: list[Scored]) -> int:
    """Return the place of the highest utility, the first of equals."""
    return max(range(len(results)), key=lambda place: (results[place].utility, -place))


def cheapest_of(results: list[Scored]) -> int:
    """Return the place of the least cost among those whose score is as good as the best's, within the tolerance."""
    near = _near_best(results, SMART_COST_TOLERANCE)
    return min(near, key=lambda place: (_value(results[place].cost_usd), -results[place].score))


def fastest_of(results: list[Scored]) -> int:
    """Return the place of the least latency among those whose score is good enough, the better of equals."""
    near = _near_best(results, LATENCY_TOLERANCE)
    return min(near, key=lambda place: (_value(results[place].latency_ms), -results[place].score))


def _near_best(results: list[Scored], tolerance: float) -> list[int]:
    least = max(item.score for item in results) - tolerance
    return [place for place, item in enumerate(results) if item.score >= least]


def _value(known: float | None) -> float:
    return 0.0 if known is None else known
