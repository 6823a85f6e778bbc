"""What a prior of partitions says given the sizes of the clusters: of K, of the concentration, of the discount.

With γ = α, or α/K where it is shared ("dynamic"), K components and K₊ clusters of sizes N_k, weights summed out,

    finite        p(C | K, α) = K!/(K − K₊)! · Γ(Kγ)/Γ(Kγ + N) · Π_k Γ(γ + N_k)/Γ(γ)
    without end   p(C | α, σ) = Π_{i<K₊} (α + iσ) · Γ(α + 1)/Γ(α + N) · Π_k Γ(N_k − σ)/Γ(1 − σ),  i from 1

(Frühwirth-Schnatter, Malsiner-Walli & Grün 2021; Pitman 1995). K is drawn from a table; α and σ by slice sampling
(Neal 2003), along log α and the logit of σ.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.engines.sweeps import variates
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1
from bayesgmm.tape.scalars import lgamma

#: Which distribution α has; 0 is a number.
FIXED, GAMMA, F, LOG_NORMAL, INVERSE_GAMMA, HALF_NORMAL, HALF_STUDENT_T = range(7)
#: Which number a slice goes along.
ALPHA, SIGMA = 0, 1
# Any width is right; one that is about as wide as the density is quickest.
_WIDTH = 1.0


class Law(NamedTuple):
    """The process and its priors."""

    is_finite: int
    is_shared: int  # γ = α/K
    kind: int  # of the distribution of α
    first: float  # its constants
    second: float
    is_discounted: int  # σ has a beta distribution
    a: float
    b: float
    log_p: np.ndarray  # of K = 1, 2, …
    total: float  # N


@njit(**EXACT)
def law_at(address, n_log_p, total):
    """A law as `spec.Spec.law` lays it out: eight numbers, then log p(K)."""
    c = d1(address, (8,))
    return Law(int(c[0]), int(c[1]), int(c[2]), c[3], c[4], int(c[5]), c[6], c[7], d1(address + 64, (n_log_p,)),
               float(total))  # fmt: skip


@njit(**EXACT)
def draw_alpha(law, k, counts, alpha, sigma, stream):
    """Another α given a partition, the rows of whose clusters are counted, or the same if it is fixed."""
    if law.kind == FIXED:
        return alpha
    return math.exp(_slice(ALPHA, math.log(alpha), law, k, counts, alpha, sigma, stream))


@njit(**EXACT)
def draw_sigma(law, counts, alpha, sigma, stream):
    """Another σ given a partition, or the same if it is fixed."""
    if law.is_discounted == 0:
        return sigma
    x = _slice(SIGMA, math.log(sigma / (1.0 - sigma)), law, 1, counts, alpha, sigma, stream)
    return 1.0 / (1.0 + math.exp(-x))


@njit(**EXACT)
def weigh_numbers(law, counts, alpha, table):
    """log p(C | α), K summed out; ``table``, as long as there are log p(K), gets p(K | C, α) from K₊ on, not summed to
    one."""
    filled, last, most = counts.shape[0], law.log_p.shape[0], -math.inf
    labellings = lgamma(filled + 1.0)  # log K!/(K − K₊)!, of K = K₊
    for k in range(filled, last + 1):
        if law.log_p[k - 1] > -math.inf:
            table[k - 1] = law.log_p[k - 1] + labellings + log_finite(law, k, counts, alpha)
        else:
            table[k - 1] = -math.inf
        most = max(most, table[k - 1])
        labellings += math.log((k + 1.0) / (k + 1.0 - filled))
    total = 0.0
    for k in range(filled, last + 1):
        table[k - 1] = math.exp(table[k - 1] - most)
        total += table[k - 1]
    return most + math.log(total) if filled <= last else -math.inf


@njit(**EXACT)
def log_partition(law, counts, alpha, sigma, table):
    """log p(C | α), or p(C | α, σ)."""
    if law.is_finite:
        return weigh_numbers(law, counts, alpha, table)
    return log_endless(law, counts, alpha, sigma)


@njit(**EXACT)
def draw_number(law, counts, alpha, table, stream):
    """K given a partition; ``table`` is as long as there are log p(K)."""
    filled, last, total = counts.shape[0], law.log_p.shape[0], 0.0
    weigh_numbers(law, counts, alpha, table)
    for k in range(filled, last + 1):
        total += table[k - 1]
    left = variates.uniform(stream) * total
    for k in range(filled, last):
        left -= table[k - 1]
        if left < 0.0:
            return k
    return last


@njit(**EXACT)
def gamma_of(law, k, alpha):
    """What a component's weight has in the Dirichlet distribution."""
    return alpha / k if law.is_shared else alpha


@njit(**EXACT)
def log_finite(law, k, counts, alpha):
    """log Γ(Kγ)/Γ(Kγ + N) · Π_k Γ(γ + N_k)/Γ(γ)."""
    gamma = gamma_of(law, k, alpha)
    value = lgamma(k * gamma) - lgamma(k * gamma + law.total) - counts.shape[0] * lgamma(gamma)
    for i in range(counts.shape[0]):
        value += lgamma(gamma + counts[i])
    return value


@njit(**EXACT)
def log_endless(law, counts, alpha, sigma):
    """log p(C | α, σ)."""
    value = lgamma(alpha + 1.0) - lgamma(alpha + law.total) - counts.shape[0] * lgamma(1.0 - sigma)
    for i in range(counts.shape[0]):
        value += lgamma(counts[i] - sigma) + (math.log(alpha + i * sigma) if i > 0 else 0.0)
    return value


@njit(**EXACT)
def _log_prior(law, x):
    """log p(α), but for a constant."""
    p, q = law.first, law.second
    if law.kind == GAMMA:
        return (p - 1.0) * math.log(x) - q * x
    if law.kind == F:
        return (0.5 * p - 1.0) * math.log(x) - 0.5 * (p + q) * math.log(p * x + q)
    if law.kind == LOG_NORMAL:
        return -math.log(x) - 0.5 * (math.log(x / p) / q) ** 2
    if law.kind == INVERSE_GAMMA:
        return -(p + 1.0) * math.log(x) - q / x
    if law.kind == HALF_NORMAL:
        return -0.5 * (x / p) ** 2
    return -0.5 * (p + 1.0) * math.log(1.0 + (x / q) ** 2 / p)


@njit(**EXACT)
def _height(which, x, law, k, counts, alpha, sigma):
    """The log density of log α, or of the logit of σ, given a partition, but for a constant."""
    if which == ALPHA:
        alpha = math.exp(x)
        value = x + _log_prior(law, alpha)
        if law.is_finite:
            return value + log_finite(law, k, counts, alpha)
    else:
        sigma = 1.0 / (1.0 + math.exp(-x))
        value = law.a * math.log(sigma) + law.b * (-x + math.log(sigma))
    return value + log_endless(law, counts, alpha, sigma)


@njit(**EXACT)
def _slice(which, x, law, k, counts, alpha, sigma, stream):
    """One step of slice sampling: step out, then shrink."""
    level = _height(which, x, law, k, counts, alpha, sigma) + math.log(1.0 - variates.uniform(stream))
    low = x - _WIDTH * variates.uniform(stream)
    high = low + _WIDTH
    while _height(which, low, law, k, counts, alpha, sigma) > level:
        low -= _WIDTH
    while _height(which, high, law, k, counts, alpha, sigma) > level:
        high += _WIDTH
    while True:
        new = low + (high - low) * variates.uniform(stream)
        if _height(which, new, law, k, counts, alpha, sigma) >= level:
            return new
        if new < x:
            low = new
        else:
            high = new
