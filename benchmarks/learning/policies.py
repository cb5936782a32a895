"""What the design is measured against: chance, one model, benchmarks alone, and the plain means of ratings."""

import numpy as np

from benchmarks.learning.market import Choose
from benchmarks.learning.member import Common, Member
from benchmarks.learning.tenants import Visit
from benchmarks.learning.world import World
from libs.contracts.events import Estimate, ModelEstimates, SourceWeights
from libs.routing.priors import prior_of
from libs.routing.scoring import scored
from libs.routing.selection import seed_of
from libs.routing.statistics import Evidence, FeedbackSource, Sums, faded
from libs.routing.strategies import best_of


def at_random(member: Member, visit: Visit, task: str) -> tuple[int, float]:
    """Choose any model."""
    return seed_of(member.tenant.name, visit.session, task) % len(member.world.models), 0.0


def benchmarks_only(member: Member, _visit: Visit, task: str) -> tuple[int, float]:
    """Choose the model of the highest Day-0 utility, always."""
    estimates = {
        model.id: ModelEstimates(benchmark=prior_of(member.world.priors, model, task))
        for model in member.world.models.values()
    }
    models = tuple(member.world.models.values())
    weights = SourceWeights(benchmark=1.0)
    return best_of(scored(models, estimates, weights, member.policy.routing, member.world.tokens)), 0.0


def always(place: int) -> Choose:
    """Return a policy that knows one model."""
    return lambda _member, _visit, _task: (place, 0.0)


def best_single(world: World) -> int:
    """Return the place of the model of the highest mean utility over tasks, known only in hindsight."""
    means = [(world.scores[task] - world.cost_weight * world.costs[task]).mean(axis=0) for task in world.scores]
    return int(np.mean(means, axis=0).argmax())


def best_affordable(world: World) -> int:
    """Return the place of the model of the highest mean score among those that cost no more than the mean model."""
    score = np.mean([found.mean(axis=0) for found in world.scores.values()], axis=0)
    dollars = np.mean([found.mean(axis=0) for found in world.costs.values()], axis=0)
    return int(np.where(dollars <= dollars.mean(), score, -1.0).argmax())


def raw_means(member: Member, common: Common) -> dict[str, dict[str, ModelEstimates]]:
    """Return each source's plain mean, the tenant's own or everybody's; the benchmark where a model has no rating."""
    found = {}
    for task, cells in member.cells.items():
        own = faded(cells.items(), member.day, member.policy.routing.half_life_days)
        evidence = common.raw.get(task, own) if member.settings.shares_pool else own
        found[task] = {
            model.id: ModelEstimates(
                benchmark=Estimate(mean=prior_of(member.world.priors, model, task).mean, variance=0.0),
                session=_mean(evidence, model.id, "session"),
                auto=_mean(evidence, model.id, "auto"),
                manual=_mean(evidence, model.id, "manual"),
            )
            for model in member.world.models.values()
        }
    return found


def _mean(evidence: Evidence, model: str, source: FeedbackSource) -> Estimate | None:
    sums = evidence.get((model, source), Sums())
    return Estimate(mean=sums.mean, variance=0.0, samples=sums.n) if sums.n > 0 else None
