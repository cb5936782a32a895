"""The block-wise posterior is the exact one: brute force over the full covariance says the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.routing.mixed import Prior, Seen, learn, shrunk_covariance

LEVEL, TRUST = 0.05, 0.2


def a_prior(rng: np.random.Generator, tasks: int, models: int) -> Prior:
    return Prior(
        means=rng.normal(size=(tasks, models)),
        similarity=np.full((tasks, tasks), 0.02) + 0.01 * np.eye(tasks),
        doubt=rng.uniform(1, 2, models),
        standing=rng.normal(size=(tasks, models)) / 10,
        level_variance=LEVEL,
        trust_variance=TRUST,
    )


def by_brute_force(prior: Prior, seen: Seen) -> NDArray[np.float64]:
    """Condition the joint Gaussian of all scores and qualities."""
    heard = [tuple(place) for place in np.argwhere(seen.precision > 0)]
    _, tasks, models = seen.precision.shape
    blocks = prior.blocks()

    def quality(t: int, m: int, u: int, n: int) -> float:
        same = blocks[m, t, u] if m == n else 0.0
        return same + TRUST * prior.standing[t, m] * prior.standing[u, n]

    joint = np.array(
        [[quality(t, m, u, n) + LEVEL * ((s, t) == (r, u)) for r, u, n in heard] for s, t, m in heard]
    ) + np.diag([1 / seen.precision[place] for place in heard])
    surplus = np.array([seen.means[place] - prior.means[place[1:]] for place in heard])
    pull = np.linalg.solve(joint, surplus)
    shift = [
        [sum(w * quality(t, m, u, n) for w, (_, u, n) in zip(pull, heard, strict=True)) for m in range(models)]
        for t in range(tasks)
    ]
    return prior.means + np.array(shift)


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 4))
def test_the_posterior_is_exact(seed: int, tasks: int, models: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, tasks, models)
    precision = rng.uniform(1, 100, shape) * (rng.random(shape) < 0.7)
    precision[0, 0, 0] = 10.0
    prior, seen = a_prior(rng, tasks, models), Seen(means=rng.normal(size=shape), precision=precision)
    assert by_brute_force(prior, seen) == pytest.approx(learn(prior, seen).means, abs=1e-9)


def test_without_evidence_nothing_moves() -> None:
    prior = a_prior(np.random.default_rng(1), 2, 3)
    found = learn(prior, Seen(means=np.zeros((3, 2, 3)), precision=np.zeros((3, 2, 3))))
    assert prior.means == pytest.approx(found.means)
    assert prior.blocks() == pytest.approx(found.covariance)
    assert pytest.approx(TRUST) == found.trust_variance


def test_evidence_on_one_task_narrows_the_others_too() -> None:
    before = a_prior(np.random.default_rng(1), 2, 1).blocks()
    after = shrunk_covariance(before, np.array([[100.0], [0.0]]))
    assert after[0, 1, 1] < before[0, 1, 1]


def test_benchmarks_that_mislead_are_trusted_less() -> None:
    prior = a_prior(np.random.default_rng(1), 1, 6)
    contrary = Seen(means=(prior.means - 2 * prior.standing)[None], precision=np.full((1, 1, 6), 1000.0))
    assert learn(prior, contrary).trust < -0.1
