"""Constants in their ranges, or a sentence that says which is not; and numbers in short."""

from __future__ import annotations

import numpy as np


def check_positive(name: str, value) -> None:
    """A number, or all of an array, above 0; None is left to the data."""
    if value is not None and not ((np.asarray(value, dtype=float) > 0) & np.isfinite(value)).all():
        raise ValueError(f"{name} must be above 0, not {value}")


def check_matrix(name: str, value) -> None:
    """Symmetric positive definite; None is left to the data."""
    if value is None:
        return
    shape = value.shape
    square = len(shape) == 2 and shape[0] == shape[1] and np.isfinite(value).all()
    if not square or not _is_symmetric(value) or np.linalg.eigvalsh(value)[0] <= 0:
        raise ValueError(f"{name} must be a symmetric positive definite (D, D) matrix; it has shape {shape}")


def check_above(name: str, value, least: float, why: str, *others) -> None:
    """A number above another that is known once all of ``others`` are."""
    if value is not None and all(other is not None for other in others) and not value > least:
        raise ValueError(f"{name} must be above {why} = {least:g}, not {value}")


def short(value, otherwise: str = "") -> str:
    """A number or an array in a few digits, on one line."""
    if value is None:
        return otherwise
    text = np.array2string(np.asarray(value), separator=", ", formatter={"float_kind": "{:.4g}".format})
    return text.replace("\n", "")


def _is_symmetric(matrix):
    size = np.sqrt(np.abs(np.diag(matrix)))
    return (np.abs(matrix - matrix.T) <= 1e-8 * np.outer(size, size)).all()
