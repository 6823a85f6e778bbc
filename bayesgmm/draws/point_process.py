"""Components of draws as points of one process, and the K groups that they fall into.

A component is a Gaussian N_i, whichever draw it is of and whatever number it has there; where components are the same
ones from draw to draw, they scatter around K centres. These are looked for by K-centroids under Kullback & Leibler's
divergence, which needs no scales: the centre N_c of a group minimises Σ_i KL(N_i ‖ N_c) where it has the moments of the
group's average,

    μ_c = mean of μ_i,   Σ_c = mean of Σ_i + (μ_i − μ_c)(μ_i − μ_c)ᵀ,

so that both steps of Lloyd's algorithm can only lower the sum (Davis & Dhillon 2006), and an affine map of the data
changes nothing. A draw whose components are in K different groups is a permutation of the groups; one of which two are
in one group is none.
"""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws

_STARTS, _STEPS = 10, 200


def grouped(mixtures: MixtureDraws) -> np.ndarray:
    """The group (M, K) of each component: the best of several starts, each from the components of one draw.

    Examples
    --------
    >>> means = np.array([[[0.0], [9.0]], [[8.9], [0.2]], [[9.1], [9.3]]])
    >>> grouped(MixtureDraws(np.full((3, 2), 0.5), means, np.ones((3, 2, 1, 1)), ("x0",)))
    array([[0, 1],
           [1, 0],
           [1, 1]])
    """
    (m, k), points = mixtures.weights.shape, _moments(mixtures)
    starts = np.unique(np.linspace(0, m - 1, min(m, _STARTS)).round().astype(int))
    found = [_lloyd(points, points[start * k + np.arange(k)]) for start in starts]
    return min(found, key=lambda one: one[1])[0].reshape(m, k)


def are_permutations(groups: np.ndarray) -> np.ndarray:
    """Whether each draw (M,) has one component in every group.

    Examples
    --------
    >>> are_permutations(np.array([[1, 0], [1, 1]]))
    array([ True, False])
    """
    return (np.sort(groups, axis=1) == np.arange(groups.shape[1])).all(axis=1)


def _moments(mixtures: MixtureDraws) -> np.ndarray:
    """First and second moments (M · K, D + D²) of all components, in units in which together they scatter by 1."""
    d = len(mixtures.features)
    means, covariances = mixtures.means.reshape(-1, d), mixtures.covariances.reshape(-1, d, d)
    unit = np.sqrt(means.var(axis=0) + np.einsum("nii->i", covariances) / len(means))
    means, covariances = (means - means.mean(axis=0)) / unit, covariances / np.outer(unit, unit)
    second = covariances + means[:, :, None] * means[:, None, :]
    return np.concatenate([means, second.reshape(len(means), -1)], axis=1)


def _lloyd(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """Groups (M · K,), and 2 Σ KL(N_i ‖ N_c) but for what no grouping changes. A group may run empty."""
    labels, k = np.full(len(points), -1), len(centres)
    for _ in range(_STEPS):
        apart = _divergences(points, centres)
        new = apart.argmin(axis=1)
        if (new == labels).all():
            break
        labels, sizes = new, np.bincount(new, minlength=k)[:, None]
        sums = (labels == np.arange(k)[:, None]).astype(float) @ points
        centres = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
    return labels, float(apart.min(axis=1).sum())


def _divergences(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """log |Σ_c| + tr Σ_c⁻¹ (Σ_i + (μ_i − μ_c)(μ_i − μ_c)ᵀ) of each point and centre."""
    d = int(np.sqrt(centres.shape[1] + 0.25))  # of D + D² numbers
    means = centres[:, :d]
    covariances = centres[:, d:].reshape(-1, d, d) - means[:, :, None] * means[:, None, :]
    inverses = np.linalg.inv(covariances)
    slopes = np.einsum("kij,kj->ki", inverses, means)
    constants = np.linalg.slogdet(covariances)[1] + np.einsum("ki,ki->k", slopes, means)
    return points[:, d:] @ inverses.reshape(len(means), -1).T - 2.0 * points[:, :d] @ slopes.T + constants
