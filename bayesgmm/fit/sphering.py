"""Units in which rows have unit covariance, so that distances among them depend on no units of the features."""

from __future__ import annotations

import numpy as np


def sphere(covariance: np.ndarray) -> np.ndarray:
    """A matrix (D, D') with which rows of this covariance, times it, have unit covariance.

    Directions without any spread are left out of the distance (D' < D), not blown up; they are looked for among
    the correlations, so that a feature in small units is not taken for one without spread.
    """
    sds = np.sqrt(np.diag(covariance))
    units = np.where(sds > 0, sds, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(units, units))
    keep = values > values[-1] * len(values) * np.finfo(float).eps
    return vectors[:, keep] / np.sqrt(values[keep]) / units[:, None]


def sphered(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rows (N, D) that count as often as their weights, in units in which their covariance is the identity (N, D').

    The axes are any: only what depends on distances alone is free of units.
    """
    centred = rows - weights @ rows / weights.sum()
    return centred @ sphere((centred * weights[:, None]).T @ centred / weights.sum())
