"""Triangular factors of symmetric matrices, and what is solved with them."""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.kernel.options import EXACT


@njit(**EXACT)
def factor(c):
    """chol C in place of C, below the diagonal and on it; False where it is not positive definite."""
    for j in range(c.shape[0]):
        for h in range(j + 1):
            s = c[j, h]
            for i in range(h):
                s -= c[j, i] * c[h, i]
            if h < j:
                c[j, h] = s / c[h, h]
            elif s > 0.0:
                c[j, j] = math.sqrt(s)
            else:
                return False
    return True


@njit(**EXACT)
def whiten(lower, b, size, out):
    """size · L⁻¹ B L⁻ᵀ, of a symmetric B."""
    d = b.shape[0]
    for h in range(d):
        for j in range(d):
            s = b[j, h]
            for i in range(j):
                s -= lower[j, i] * out[i, h]
            out[j, h] = s / lower[j, j]
    for j in range(d):
        for h in range(d):
            s = out[j, h]
            for i in range(h):
                s -= lower[h, i] * out[j, i]
            out[j, h] = s / lower[h, h]
    for j in range(d):
        for h in range(d):
            out[j, h] *= size


@njit(**EXACT)
def solve(lower, v):
    """(L Lᵀ)⁻¹ v in place of v."""
    n = v.shape[0]
    for j in range(n):
        s = v[j]
        for i in range(j):
            s -= lower[j, i] * v[i]
        v[j] = s / lower[j, j]
    for j in range(n - 1, -1, -1):
        s = v[j]
        for i in range(j + 1, n):
            s -= lower[i, j] * v[i]
        v[j] = s / lower[j, j]
