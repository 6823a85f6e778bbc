"""How likely the labels of each draw are right, judged by the parameters alone.

Matching cuts one cloud of draws in K!. Where components stand apart no draw is near a cut; where they overlap the cut
goes through the cloud, and a label near it is a coin's toss. R-hat does not see that: every chain is cut alike. So
take two components j and k, and the difference of what is theirs,

    d = (μ_j − μ_k,  log Σ_j − log Σ_k,  log π_j − log π_k),

with Σ relative to the average covariance before the matrix logarithm; of other components, all their variables,
positive ones as logarithms. Had the two been exchanged in a draw, it would
be −d. If d is normal with mean a and covariance C in draws whose labels are right, a draw's labels are right with

    log odds  2 dᵀ C⁻¹ a,

as in Fisher's discriminant between the cloud and its mirror image. E[d dᵀ] = C + a aᵀ does not depend on labels; a is
estimated by EM, each draw counted with both signs at their odds, since the draws at hand have been cut. No odds change
under affine maps of the data. A component's label is confused with any of several others: with odds o_jk against
each, its confidence is 1 / (1 + Σ_k 1 / o_jk), which is 1/K where nothing tells K components apart.

It is a probability as far as one cloud is normal. Where draws come in several clouds, one labelling may keep together
by weight what another keeps together by place; draws that `relabel` named by the rows, and whose parameters lie in
the mirror image of the largest cloud, then have a confidence near 0: the two say different things.

Probabilistic relabelling: Jasra, Holmes & Stephens (2005), Sperrin, Jaki & Wit (2010).
"""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.draws.parts import PartDraws

# Labels are uncertain when a component's are expected to be wrong in more than this share of the draws.
DOUBT = 0.05
MOST_STEPS = 200
_TOLERANCE = 1e-5
_LEAST_WEIGHT = 1e-12
# Directions in which differences vary this much less than in others, relative to their scale, say nothing.
_RANK = 1e-10
# Draws for each number that describes a covariance; with fewer, its determinant has to do.
_DRAWS_EACH = 100
_LARGEST = 700.0


def confidence(mixtures: MixtureDraws | PartDraws) -> np.ndarray:
    """The probability (M, K) that a component's label in a draw is right, as this module's text defines it.

    Laws: permuting the components of all draws permutes it; affine maps of the data do not change it; exchanging two
    components in a single draw among many turns its probabilities p into about 1 − p where K = 2.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> def two(apart):
    ...     means = np.array([[0.0], [apart]]) + rng.standard_normal((1000, 2, 1))
    ...     return MixtureDraws(np.full((1000, 2), 0.5), means, np.ones((1000, 2, 1, 1)), ("x0",))
    >>> confidence(two(10.0)).mean(axis=0).round(2)
    array([1., 1.])
    >>> confidence(two(2.0)).mean(axis=0).round(1)
    array([0.9, 0.9])
    """
    m, k = mixtures.weights.shape
    against = np.zeros((m, k))
    described = mixtures.described if isinstance(mixtures, PartDraws) else _described(mixtures)
    for j in range(k):
        for other in range(j + 1, k):
            with np.errstate(over="ignore"):
                wrong = np.exp(np.minimum(-_log_odds(described[:, j] - described[:, other]), _LARGEST))
            against[:, j] += wrong
            against[:, other] += wrong
    return 1.0 / (1.0 + against)


def _described(mixtures: MixtureDraws) -> np.ndarray:
    """What a component has of its own (M, K, P), such that linear maps of the data act linearly on differences."""
    logs = np.log(np.maximum(mixtures.weights, _LEAST_WEIGHT))[:, :, None]
    return np.concatenate([mixtures.means, _log_covariances(mixtures), logs], axis=2)


def _log_covariances(mixtures: MixtureDraws) -> np.ndarray:
    """The entries of log(W Σ Wᵀ) for W Wᵀ the inverse of the average Σ; or log |Σ| alone, where draws are few."""
    d = mixtures.means.shape[2]
    if d == 1 or d * (d + 1) // 2 * _DRAWS_EACH > len(mixtures):
        return 2.0 * np.log(np.diagonal(mixtures.scale_trils, axis1=-2, axis2=-1)).sum(axis=-1)[:, :, None]
    whiten = np.linalg.inv(np.linalg.cholesky(mixtures.covariances.mean(axis=(0, 1))))
    values, vectors = np.linalg.eigh(whiten @ mixtures.covariances @ whiten.T)
    logs = (vectors * np.log(np.maximum(values, np.finfo(float).tiny))[..., None, :]) @ vectors.swapaxes(-1, -2)
    rows, columns = np.tril_indices(d)
    return logs[..., rows, columns]


def _log_odds(differences: np.ndarray) -> np.ndarray:
    """2 dᵀ C⁻¹ a of every draw (M,), from d (M, P)."""
    y = _whitened(differences)
    if not y.shape[1]:
        return np.zeros(len(y))
    a = y.mean(axis=0)
    for _ in range(MOST_STEPS):
        # In whitened coordinates C = I − a aᵀ, so that C⁻¹ a = a / (1 − |a|²).
        half = y @ a / max(1.0 - a @ a, _RANK)
        new = (np.tanh(half)[:, None] * y).mean(axis=0)
        if np.linalg.norm(new - a) < _TOLERANCE:
            break
        a = new
    return 2.0 * half


def _whitened(d: np.ndarray) -> np.ndarray:
    """d in coordinates in which E[d dᵀ] is the identity, without directions in which it is zero."""
    scale = np.sqrt((d * d).mean(axis=0))
    d = d[:, scale > 0] / scale[scale > 0]
    values, vectors = np.linalg.eigh(d.T @ d / len(d))
    kept = values > _RANK * max(1.0, d.shape[1])
    return d @ (vectors[:, kept] / np.sqrt(values[kept]))
