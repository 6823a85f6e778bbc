"""Weights given labels: π ~ Dirichlet(α + N); and α itself, where it has a prior of its own.

α | labels, with π summed out, has a density ∝ p(α) Γ(Kα)/Γ(Kα + N) Π_k Γ(α + N_k)/Γ(α), from which a step of slice
sampling along log α leads to another α (Neal 2003); π follows given it. Summing π out lets α move further (as in
Escobar & West 1995, and Frühwirth-Schnatter & Malsiner-Walli 2019 for finite mixtures).
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.engines.density.weights import end
from bayesgmm.engines.sweeps import variates
from bayesgmm.kernel.options import EXACT
from bayesgmm.tape.scalars import lgamma

# The interval of a slice grows by such steps of log α. Any width is right, one that is about as wide as the density is
# quickest.
_WIDTH = 1.0


@njit(**EXACT)
def draw(u, c, counts, logs, stream):
    """The beginning of u: log α, if it is a variable, and the weights. ``logs`` (K,) is overwritten."""
    k = logs.shape[0]
    start = end(c, k) - (k - 1)
    if start > 0:
        u[0] = _slice(u[0], c, counts, stream)
    for i in range(k):
        logs[i] = counts[i] + (math.exp(u[0]) if start > 0 else c[4 + i])
    variates.log_dirichlet(logs, stream)
    for i in range(k - 1):
        u[start + i] = logs[i]


@njit(**EXACT)
def _height(log_alpha, c, counts):
    """The log density of log α given labels, but for a constant."""
    k, alpha, total = counts.shape[0], math.exp(log_alpha), 0.0
    value = c[2] * log_alpha - c[3] * alpha
    for i in range(k):
        total += counts[i]
        if counts[i] > 0.0:
            value += lgamma(alpha + counts[i]) - lgamma(alpha)
    return value + lgamma(k * alpha) - lgamma(k * alpha + total) if total > 0.0 else value


@njit(**EXACT)
def _slice(x, c, counts, stream):
    """One step of slice sampling: step out, then shrink."""
    level = _height(x, c, counts) + math.log(1.0 - variates.uniform(stream))
    low = x - _WIDTH * variates.uniform(stream)
    high = low + _WIDTH
    while _height(low, c, counts) > level:
        low -= _WIDTH
    while _height(high, c, counts) > level:
        high += _WIDTH
    while True:
        new = low + (high - low) * variates.uniform(stream)
        if _height(new, c, counts) >= level:
            return new
        if new < x:
            low = new
        else:
            high = new
