"""From estimates to a score per model, and from score, cost and latency to its utility."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.contracts.events import Estimate, ModelEstimates, SourceScores, SourceWeights
from libs.contracts.state import RoutingPolicy
from libs.providers.catalogue import Model
from libs.routing.statistics import MICRO

# A model nobody has measured: below the middle, and as unsure as a prior may be.
UNKNOWN = ModelEstimates(benchmark=Estimate(mean=0.5, variance=0.02))


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """One model's score in [0, 1] with its variance, and the utility it comes to after cost and latency."""

    scores: SourceScores
    score: float
    utility: float
    variance: float
    samples: float
    latency_ms: float | None
    cost_usd: float | None


def applied_weights(weights: SourceWeights, estimates: Iterable[ModelEstimates]) -> SourceWeights:
    """Return *weights* without the sources that have no evidence on any model, scaled to add up to 1 again."""
    known = list(estimates)
    kept = {
        "session": weights.session if any(item.session is not None for item in known) else 0.0,
        "auto": weights.auto if any(item.auto is not None for item in known) else 0.0,
        "manual": weights.manual if any(item.manual is not None for item in known) else 0.0,
        "benchmark": weights.benchmark,
    }
    total = sum(kept.values())
    if total <= 0.0:
        return SourceWeights(benchmark=1.0)
    return SourceWeights(**{source: weight / total for source, weight in kept.items()})


def scored(
    models: tuple[Model, ...],
    estimates: Mapping[str, ModelEstimates],
    weights: SourceWeights,
    policy: RoutingPolicy,
    tokens: tuple[int, int],
) -> list[Scored]:
    """
    Return each model's score and utility under *weights* (those applied); *tokens* are the input and output expected.

    `utility = score − cost_weight·dollars − latency_weight·seconds`. A model of unknown price counts as the dearest of the
    field, one of unknown latency as the slowest: not knowing is never an advantage.
    """
    known = [estimates.get(model.id, UNKNOWN) for model in models]
    costs = _or_worst([cost_usd(model, item, *tokens) for model, item in zip(models, known, strict=True)])
    latencies = _or_worst([item.latency_ms for item in known])
    return [
        _scored(item, weights, policy, cost, latency)
        for item, cost, latency in zip(known, costs, latencies, strict=True)
    ]


def cost_usd(model: Model, estimates: ModelEstimates, input_tokens: int, output_tokens: int) -> float | None:
    """Return the dollars a request is expected to cost: what such requests did cost, else by price; None where unknown."""
    if estimates.cost_micro_usd is not None:
        return estimates.cost_micro_usd / MICRO
    if model.price is None:
        return None
    return (model.price.fresh_input * input_tokens + model.price.output * output_tokens) / MICRO


def _scored(
    item: ModelEstimates, weights: SourceWeights, policy: RoutingPolicy, cost: float | None, latency_ms: float | None
) -> Scored:
    parts = [
        (weights.session, item.session or item.benchmark),
        (weights.auto, item.auto or item.benchmark),
        (weights.manual, item.manual or item.benchmark),
        (weights.benchmark, item.benchmark),
    ]
    score = sum(weight * part.mean for weight, part in parts)
    # Sources see the same model: what is unknown of it is unknown to all of them.
    variance = sum(weight * part.variance**0.5 for weight, part in parts) ** 2
    penalty = policy.cost_weight * (cost or 0.0) + policy.latency_weight * (latency_ms or 0.0) / 1000
    return Scored(
        scores=SourceScores(
            session=_mean(item.session), auto=_mean(item.auto), manual=_mean(item.manual), benchmark=item.benchmark.mean
        ),
        score=score,
        utility=score - penalty,
        variance=variance,
        samples=sum((part.samples for part in (item.session, item.auto, item.manual) if part is not None), 0.0),
        latency_ms=latency_ms,
        cost_usd=cost,
    )


def _or_worst(values: list[float | None]) -> list[float | None]:
    worst = max((value for value in values if value is not None), default=None)
    return [worst if value is None else value for value in values]


def _mean(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.mean
