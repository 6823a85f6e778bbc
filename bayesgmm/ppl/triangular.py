"""Lower triangular matrices, and matrices made from them: what the Wishart distributions share."""

from __future__ import annotations

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.shape_utils import rv_size_is_none
from pytensor.tensor.random.basic import chisquare, normal


def n_features(scale, name: str) -> int:
    """D of a scale matrix (D, D) of the distribution called ``name``."""
    d = scale.type.shape[-1]
    if d is None:
        raise ValueError(f"{name} needs a scale matrix whose size is known when the model is built")
    return d


def squared(factor):
    """L Lᵀ."""
    return pt.matmul(factor, factor.swapaxes(-1, -2))


def bartlett(freedom, d, rng, size):
    """Draws of triangular A (…, D, D): A_ii² ~ χ² with so many degrees of freedom, A_ij ~ N(0, 1); and the next rng."""
    batch = () if rv_size_is_none(size) else tuple(size)
    next_rng, squares = chisquare(freedom, size=(*batch, d), rng=rng, return_next_rng=True)
    final_rng, noise = normal(0.0, 1.0, size=(*batch, d, d), rng=next_rng, return_next_rng=True)
    return noise * np.tril(np.ones((d, d)), -1) + pt.sqrt(squares)[..., None] * np.eye(d), final_rng


def places(d: int):
    """Rows and columns of the entries below the diagonal and on it, row by row, and which of them are on it."""
    rows, columns = np.tril_indices(d)
    return rows, columns, np.flatnonzero(rows == columns)


def packed(a, d):
    """A lower triangular matrix (…, D, D) as its entries row by row, logarithms for those on the diagonal."""
    rows, columns, diagonal = places(d)
    u = a[..., rows, columns]
    return pt.set_subtensor(u[..., diagonal], pt.log(u[..., diagonal]))


def unpacked(u, d):
    """The lower triangular matrix (…, D, D) of such entries."""
    rows, columns, diagonal = places(d)
    u = pt.set_subtensor(u[..., diagonal], pt.exp(u[..., diagonal]))
    zeros = pt.zeros((*[u.shape[i] for i in range(u.ndim - 1)], d, d))
    return pt.set_subtensor(zeros[..., rows, columns], u)
