"""A Gibbs sampler in plain NumPy under the conjugate prior, many data sets at once, in which errors can be planted."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

import bayesgmm as bg

CHAINS = 2


class Counted(NamedTuple):
    """Statistics of labelled rows: N (R, K), x̄ (R, K, D), S (R, K, D, D)."""

    counts: np.ndarray
    means: np.ndarray
    scatters: np.ndarray


def counted(x, labels, k) -> Counted:
    """The statistics of rows x (R, N, D) with labels (R, N)."""
    one = np.eye(k)[labels]
    counts = one.sum(axis=1)
    means = np.einsum("rnk,rnd->rkd", one, x) / np.maximum(counts, 1)[..., None]
    gap = x[:, :, None] - means[:, None]
    return Counted(counts, means, np.einsum("rnk,rnki,rnkj->rkij", one, gap, gap))


def drawn_labels(x, weights, means, covariances, rng) -> np.ndarray:
    """Labels (R, N) given parameters."""
    factors = np.linalg.cholesky(covariances)
    gap = (x[:, :, None] - means[:, None])[..., None]
    z = np.linalg.solve(factors[:, None], gap)[..., 0]
    log_det = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
    log_p = np.log(weights)[:, None] - log_det[:, None] - 0.5 * (z**2).sum(axis=-1)
    return (log_p + rng.gumbel(size=log_p.shape)).argmax(axis=-1)


def drawn_parameters(prior, stats: Counted, rng):
    """π, μ, Σ given statistics, all in closed form (Gelman et al. 2013, section 3.6)."""
    k = stats.counts.shape[-1]
    gammas = rng.gamma(np.broadcast_to(prior.concentration, k) + stats.counts)
    total = stats.counts + prior.shrinkage
    gap = stats.means - prior.mean
    pull = (prior.shrinkage * stats.counts / total)[..., None, None] * gap[..., :, None] * gap[..., None, :]
    covariances = inverse_wishart(prior.dof + stats.counts, prior.scale + stats.scatters + pull, rng)
    centre = (stats.counts[..., None] * stats.means + prior.shrinkage * prior.mean) / total[..., None]
    noise = rng.standard_normal((*centre.shape, 1))
    means = centre + (np.linalg.cholesky(covariances) @ noise)[..., 0] / np.sqrt(total)[..., None]
    return gammas / gammas.sum(axis=-1, keepdims=True), means, covariances


def inverse_wishart(dof, scale, rng) -> np.ndarray:
    """Draws of Σ = L A⁻¹ A⁻ᵀ Lᵀ, L = chol Ψ, A lower triangular with A_ii² ~ χ²(ν − D + i), A_ij ~ N(0, 1)."""
    d = scale.shape[-1]
    a = np.tril(rng.standard_normal(scale.shape), -1)
    squares = 2 * rng.gamma(0.5 * (dof[..., None] - d + np.arange(1, d + 1)))
    a[..., np.arange(d), np.arange(d)] = np.sqrt(squares)
    factors = np.linalg.cholesky(scale) @ np.linalg.inv(a)
    return factors @ factors.mT


def posterior(prior, sets, seed, *, draws=80, thin=4, stale=False):
    """Draws (CHAINS, draws, R, …) of π, μ, Σ for every data set, chains begun at the truth.

    ``stale``: every data set has the statistics of the one before. (Those of the sweep before, in place of the last,
    would change nothing: chains of labels and of parameters are then two, each right, that take turns.)
    """
    rng, kept = np.random.default_rng(seed), []
    tiled = [np.concatenate([a] * CHAINS) for a in sets[:4]]
    parameters, x = tuple(tiled[:3]), tiled[3]
    if stale:
        x = np.roll(x, 1, axis=0)
    for sweep in range((draws + 2) * thin):
        stats = counted(x, drawn_labels(x, *parameters, rng), parameters[0].shape[1])
        parameters = drawn_parameters(prior, stats, rng)
        if sweep % thin == thin - 1:
            kept.append(parameters)
    r = len(sets.x)
    found = [np.stack(part[2:]) for part in zip(*kept)]
    return [np.stack([part[:, c * r : (c + 1) * r] for c in range(CHAINS)]) for part in found]


def one_by_one(arrays, spoil=lambda *arrays, rng: arrays):
    """The draws of data set after data set, as a sampler that `calibrate` takes; `spoil` may change them."""
    place = iter(range(arrays[0].shape[2]))

    def sampler(x, seed):
        r = next(place)
        return bg.draws.from_arrays(*spoil(*(part[:, :, r] for part in arrays), rng=np.random.default_rng(seed)))

    return sampler


def changed(prior, name, by):
    """The prior with a constant changed."""
    return replace(prior, **{name: by(getattr(prior, name))})


def means_alone_relabelled(weights, means, covariances, *, rng):
    """Components change places in half of the draws, but their weights and covariances stay where they are."""
    swap = rng.uniform(size=weights.shape[:2]) < 0.5
    return weights, np.where(swap[..., None, None], means[:, :, ::-1], means), covariances


def without_jacobian(weights, means, covariances, *, rng):
    """Draws as from a density that was left without the Jacobian of log-Cholesky factors of Σ: resampled by 1/|J|.

    Σ = L Lᵀ with log L_ii among the coordinates: |J| ∝ Π_i L_ii^(D − i + 2), i from 1.
    """
    d = means.shape[-1]
    diagonals = np.diagonal(np.linalg.cholesky(covariances), axis1=-2, axis2=-1)
    log_ratio = -(np.log(diagonals) * (d + 1 - np.arange(d))).sum(axis=(-2, -1)).ravel()
    p = np.exp(log_ratio - log_ratio.max())
    chosen = rng.choice(p.size, size=p.size, p=p / p.sum())
    return tuple(a.reshape(-1, *a.shape[2:])[chosen].reshape(a.shape) for a in (weights, means, covariances))
