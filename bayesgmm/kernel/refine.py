"""Rows that two components claim from far away: their joint densities once more, in double-double arithmetic.

Where |log p| is large or a covariance nearly singular, rounding in the forward substitution can exceed what a
responsibility between 0 and 1 bears. Such rows are rare; for them x − μ and every step after it carries a second
double with the rounding error of the first (Dekker 1971; Ogita, Rump & Oishi 2005).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.extending import intrinsic

from bayesgmm.kernel.joints import fetch
from bayesgmm.kernel.options import PLAIN

_EPS = float(np.finfo(float).eps)
# An error of a log joint density that responsibilities do not show.
_HARMLESS = 2e-11
# A component this far below the largest has a responsibility that no error of that size moves.
_FAR = 30.0


@intrinsic
def _fma(typing_context, a, b, c):
    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, b, c), generate


@njit(**PLAIN)
def growth(coef, w):
    """About how much the forward substitution with unit triangular I + coef magnifies an error.

    The right-hand side of ones is given the signs under which the solution grows (Cline, Moler, Stewart & Wilkinson
    1979).
    """
    largest = 1.0
    for j in range(coef.shape[0]):
        s = 0.0
        for i in range(j):
            s += coef[j, i] * w[i]
        w[j] = -1.0 - s if s > 0 else 1.0 - s
        largest = max(largest, abs(w[j]))
    return largest


@njit(**PLAIN)
def refine(x, n, means, factors, theta, magnified, room):
    """Put better values in the place of joint densities whose errors would show in responsibilities."""
    joint, peak, log_norms = room.joint, room.peak, theta.log_norms
    n_components = joint.shape[0]
    top = log_norms[0]
    for k in range(1, n_components):
        top = max(top, log_norms[k])
    doubt = 2 * _EPS * magnified
    deepest = peak[0]
    for b in range(1, n):
        deepest = min(deepest, peak[b])
    if not doubt * (top - deepest) > _HARMLESS:
        return
    for b in range(n):
        claims = 0
        for k in range(n_components):
            claims += joint[k, b] > peak[b] - _FAR
        if claims > 1 and doubt * (top - peak[b]) > _HARMLESS:
            highest = -np.inf
            for k in range(n_components):
                if joint[k, b] > peak[b] - _FAR:
                    factor = factors[k if factors.shape[0] > 1 else 0]
                    half = 0.5 * _squared_distance(x, room.rows[b], means[k], factor, room.fine)
                    joint[k, b] = log_norms[k] - half
                    highest = max(highest, joint[k, b])
            peak[b] = highest


@njit(**PLAIN)
def _squared_distance(x, row, mean, factor, z):
    """(x − μ)ᵀ Σ⁻¹ (x − μ), correctly rounded but for the last digit or two; z (2, D) is overwritten."""
    total, total_low = 0.0, 0.0
    for j in range(mean.shape[0]):
        high, low = _two_sum(fetch(x, row, j), -mean[j])
        for i in range(j):
            p = factor[j, i] * z[0, i]
            rest = _fma(factor[j, i], z[0, i], -p) + factor[j, i] * z[1, i]
            high, more = _two_sum(high, -p)
            low += more - rest
        high, low = _two_sum(high, low)
        quotient = high / factor[j, j]
        z[1, j] = (_fma(-quotient, factor[j, j], high) + low) / factor[j, j]
        z[0, j] = quotient
        square = quotient * quotient
        total, more = _two_sum(total, square)
        total_low += more + _fma(quotient, quotient, -square) + 2 * quotient * z[1, j]
    return total + total_low


@njit(**PLAIN)
def _two_sum(a, b):
    """a + b, and its rounding error."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)
