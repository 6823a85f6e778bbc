"""Lower triangular matrices in compiled code: what draws of parameters need beside `engines.density.blocks`."""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.kernel.options import EXACT


@njit(**EXACT)
def cholesky(matrix):
    """M = C Cᵀ in place, on and below the diagonal; NaN where M is not positive definite."""
    d = matrix.shape[0]
    for j in range(d):
        for i in range(j, d):
            s = matrix[i, j]
            for h in range(j):
                s -= matrix[i, h] * matrix[j, h]
            if i == j:
                matrix[j, j] = math.sqrt(s) if s > 0.0 else math.nan
            else:
                matrix[i, j] = s / matrix[j, j]


@njit(**EXACT)
def cholesky_turned(matrix):
    """The same for M = Tᵀ T, T lower triangular too: from the last row up."""
    d = matrix.shape[0]
    for i in range(d - 1, -1, -1):
        s = matrix[i, i]
        for h in range(i + 1, d):
            s -= matrix[h, i] ** 2
        matrix[i, i] = math.sqrt(s) if s > 0.0 else math.nan
        for j in range(i):
            s = matrix[i, j]
            for h in range(i + 1, d):
                s -= matrix[h, i] * matrix[h, j]
            matrix[i, j] = s / matrix[i, i]


@njit(**EXACT)
def divide(a, b, out):
    """A⁻¹ B of two lower triangular matrices; A is (D, D), or (D, 1) if diagonal."""
    d = b.shape[0]
    for j in range(d):
        for i in range(d):
            s = b[i, j] if i >= j else 0.0
            if a.shape[1] > 1:
                for h in range(j, i):
                    s -= a[i, h] * out[h, j]
            out[i, j] = s / a[i, i if a.shape[1] > 1 else 0] if i >= j else 0.0


@njit(**EXACT)
def add_square(a, turned, out):
    """Add A Aᵀ, or Aᵀ A where ``turned``, on and below the diagonal."""
    d = a.shape[0]
    for i in range(d):
        for j in range(i + 1):
            s = 0.0
            for h in range(i if turned else 0, d if turned else j + 1):
                s += a[h, i] * a[h, j] if turned else a[i, h] * a[j, h]
            out[i, j] += s


@njit(**EXACT)
def sandwich(factor, m2, scratch):
    """m₂ becomes L m₂ Lᵀ, on and below the diagonal."""
    d = m2.shape[0]
    for i in range(d):
        for j in range(d):
            s = 0.0
            for h in range(i + 1):
                s += factor[i, h] * m2[max(h, j), min(h, j)]
            scratch[i, j] = s
    for i in range(d):
        for j in range(i + 1):
            s = 0.0
            for h in range(j + 1):
                s += scratch[i, h] * factor[j, h]
            m2[i, j] = s


@njit(**EXACT)
def write(a, v):
    """The entries of a lower triangular matrix row by row, logarithms on the diagonal: what `wishart.read` reads."""
    place = 0
    for i in range(a.shape[0]):
        for j in range(i):
            v[place + j] = a[i, j]
        v[place + i] = math.log(a[i, i])
        place += i + 1
