"""Importance weights of normal proposals: how far the curvature at the modes describes a posterior."""

from __future__ import annotations

import numpy as np


def log_ratio(folded, v) -> float:
    """log of the density at v (p,) over that of a standard normal, but for a constant."""
    return folded(v)[0] + 0.5 * float(v @ v)


def smoothed(logs) -> tuple[np.ndarray, float]:
    """Importance weights, their largest replaced by quantiles of the Pareto law fitted to them, and that law's k̂.

    The smoothing is that of Vehtari, Simpson, Gelman, Yao & Gabry (2024), as `arviz_stats` has it.

    Examples
    --------
    >>> weights, k = smoothed(np.linspace(0.0, 1.0, 100))
    >>> weights.sum().round(12).item()
    1.0
    """
    from arviz_stats.base import array_stats

    log_weights, k = array_stats.psislw(-np.asarray(logs))  # it takes log q/p, as leaving one out does
    weights = np.exp(log_weights - np.max(log_weights))
    return weights / weights.sum(), float(k)


def systematic(weights, n: int, rng) -> np.ndarray:
    """Positions of n draws in proportion to weights, as evenly as can be (Kitagawa 1996)."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges / edges[-1], (rng.random() + np.arange(n)) / n, side="right").clip(
        max=len(weights) - 1
    )
