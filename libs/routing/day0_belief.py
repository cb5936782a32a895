"""What is believed of models before anybody rated them, as the prior of the mixed model."""

from collections.abc import Iterable, Sequence

import numpy as np

from libs.providers.catalogue import Model
from libs.routing.mixed import Floats, Prior
from libs.routing.priors import VARIANCE, Priors, prior_of

MODEL_VARIANCE = 0.015  # Of how much better a model is than benchmarks say, on all tasks alike.
TASK_VARIANCE = 0.015  # Of how much better it is on one task than on others.
TRUST_VARIANCE = 0.25  # Of how much too far apart benchmarks put models, relative to `SPREAD`.


def day0_belief(tasks: Sequence[str], priors: Priors, models: Iterable[Model], *, level_variance: float) -> Prior:
    """Return the prior of *models* on *tasks*; one that no board ranks is twice as uncertain."""
    listed = list(models)
    found = [[prior_of(priors, model, task) for model in listed] for task in tasks]
    means = np.array([[item.mean for item in row] for row in found])
    doubt = np.array([item.variance / VARIANCE for item in found[0]])
    return Prior(
        means=means,
        similarity=compound(len(tasks), MODEL_VARIANCE, TASK_VARIANCE),
        doubt=doubt,
        standing=means - means.mean(axis=1, keepdims=True),
        level_variance=level_variance,
        trust_variance=TRUST_VARIANCE,
    )


def compound(size: int, shared: float, own: float) -> Floats:
    """Return the covariance of *size* values that have *shared* variance in common and *own* variance each."""
    return np.full((size, size), shared) + own * np.eye(size)
