"""Mixtures to measure on, rows from them, and the same mixture in scikit-learn's arrays."""

from __future__ import annotations

import numpy as np

from bayesgmm import Mixture


def mixture(d: int, k: int, *, spread: float = 3.0, wobble: float = 0.4) -> Mixture:
    """Equal weights, means ``spread`` times standard normal, and covariances that differ by ``wobble``."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(k, d, d)) * wobble + np.eye(d)
    covariances = factors @ factors.swapaxes(1, 2) + 0.1 * np.eye(d)
    return Mixture(np.full(k, 1 / k), spread * rng.normal(size=(k, d)), covariances)


def overlapping(d: int, k: int) -> Mixture:
    """Components about as far apart as they are wide, and alike in shape: every row belongs a little to all."""
    return mixture(d, k, spread=0.7 / np.sqrt(d), wobble=0.3 / np.sqrt(d))


def separated(d: int, k: int) -> Mixture:
    """Components on the axes, five or more standard deviations apart."""
    alike = mixture(d, k, wobble=0.3 / np.sqrt(d))
    corners = np.array([(-1) ** (j // d) * (1 + j // (2 * d)) * 4.0 * np.eye(d)[j % d] for j in range(k)])
    return Mixture(alike.weights, corners, alike.covariances)


def sample(truth: Mixture, n: int, seed: int = 1) -> np.ndarray:
    """Rows (n, D) from a mixture, in little more memory than they take."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, truth.n_features))
    for rows in np.array_split(x, max(1, n // 100_000)):
        labels = rng.integers(truth.n_components, size=len(rows))
        rng.standard_normal(out=rows)
        for k in range(truth.n_components):
            own = labels == k
            rows[own] = rows[own] @ truth.scale_trils[k].T + truth.means[k]
    return x


def packed(covariances: np.ndarray, covariance_type: str) -> np.ndarray:
    """Σ (K, D, D) in the shape in which scikit-learn keeps it."""
    diagonals = np.diagonal(covariances, axis1=1, axis2=2)
    return {
        "full": covariances,
        "tied": covariances[0],
        "diag": diagonals,
        "spherical": diagonals[:, 0],
    }[covariance_type].copy()


def unpacked(model) -> Mixture:
    """A fitted scikit-learn GaussianMixture as one of ours."""
    k, d = model.means_.shape
    covariances = {
        "full": lambda c: c,
        "tied": lambda c: np.repeat(c[None], k, axis=0),
        "diag": lambda c: c[:, :, None] * np.eye(d),
        "spherical": lambda c: c[:, None, None] * np.eye(d),
    }[model.covariance_type](model.covariances_)
    return Mixture(model.weights_ / model.weights_.sum(), model.means_, covariances)
