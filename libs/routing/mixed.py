"""
One mixed model for pool and tenant: what scores of several sources say of many models on a few tasks.

A score is `expected + level(source, task) + trust·standing + quality(model, task)` plus noise. Levels and trust are the same
for all models; qualities of one model go together across tasks, as the covariance says.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is believed before the evidence, of T tasks and M models.

    *means* (T × M) are what to expect; a model's quality has the covariance *similarity* (T × T) times its *doubt* (M), or
    *covariance* (M × T × T) where given; *standing* (T × M) is where benchmarks see a model. *level_variance* and *trust_variance* say how far all scores of a source may lie off together, and
    how far benchmarks may exaggerate or play down.
    """

    means: Floats
    similarity: Floats
    doubt: Floats
    standing: Floats
    level_variance: float
    trust_variance: float
    covariance: Floats | None = None

    def blocks(self) -> Floats:
        """Return the covariance of each model's quality (M × T × T)."""
        return self.doubt[:, None, None] * self.similarity if self.covariance is None else self.covariance


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Mean scores and their precisions, by source, task and model (S × T × M); precision 0 where nothing was heard."""

    means: Floats
    precision: Floats


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """
    The posterior: *means* (T × M) without the *levels* (S × T), of which *qualities* (T × M), and *covariance* (M × T × T).

    *trust* is by how much standing counts more than expected, with its variance.
    """

    means: Floats
    qualities: Floats
    covariance: Floats
    levels: Floats
    trust: float
    trust_variance: float


def learn(prior: Prior, seen: Seen) -> Learned:
    """Return the posterior. Exact for the model above: generalised least squares, then one small block per model."""
    covariance = shrunk_covariance(prior.blocks(), seen.precision.sum(axis=0))
    surplus = seen.means - prior.means
    levels, trust, trust_variance = _common(prior, seen.precision, surplus, covariance)
    rest = (seen.precision * (surplus - levels[:, :, None] - trust * prior.standing)).sum(axis=0)
    quality = np.einsum("mtu,um->tm", covariance, rest)
    return Learned(
        means=prior.means + trust * prior.standing + quality,
        qualities=quality,
        covariance=covariance,
        levels=levels,
        trust=trust,
        trust_variance=trust_variance,
    )


def shrunk_covariance(covariance: Floats, precision: Floats) -> Floats:
    """Return the posterior covariance (K⁻¹ + W)⁻¹ of each model as K·(I + W·K)⁻¹, which needs no inverse of K."""
    weighted = precision.T[:, :, None] * covariance
    return np.asarray(covariance @ np.linalg.inv(np.eye(covariance.shape[1]) + weighted))


def _common(prior: Prior, precision: Floats, surplus: Floats, covariance: Floats) -> tuple[Floats, float, float]:
    """Return levels, trust and the variance of trust by generalised least squares, the models' qualities integrated out."""
    sources, tasks, _ = precision.shape
    size = sources * tasks
    total, standing = precision.sum(axis=0), prior.standing
    pulled = np.einsum("stm,mtu->stum", precision, covariance)
    normal = np.zeros((size + 1, size + 1))
    normal[:size, :size] = np.diag(precision.sum(axis=2).ravel())
    normal[:size, :size] -= np.einsum("stum,vum->stvu", pulled, precision).reshape(size, size)
    against = precision * standing - np.einsum("stum,um->stm", pulled, total * standing)
    normal[:size, size] = normal[size, :size] = against.sum(axis=2).ravel()
    normal[size, size] = (total * standing * (standing - np.einsum("mtu,um->tm", covariance, total * standing))).sum()
    heard = (precision * surplus).sum(axis=0)
    right = np.zeros(size + 1)
    right[:size] = (precision * surplus - np.einsum("stum,um->stm", pulled, heard)).sum(axis=2).ravel()
    right[size] = (standing * (heard - total * np.einsum("mtu,um->tm", covariance, heard))).sum()
    normal[np.arange(size), np.arange(size)] += 1.0 / prior.level_variance
    normal[size, size] += 1.0 / prior.trust_variance
    inverse = np.linalg.inv(normal)
    found = inverse @ right
    return found[:size].reshape(sources, tasks), float(found[size]), float(inverse[size, size])
