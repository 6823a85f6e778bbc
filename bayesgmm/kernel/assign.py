"""From log joint densities to what each component answers for: softly, by the largest, or by a draw."""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesgmm.kernel.arithmetic import exp, log
from bayesgmm.kernel.options import EXACT, FAST

SOFT, HARD, DRAW = 0, 1, 2

# Sums are compared with thresholds here: their order is part of the meaning.

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@njit(**EXACT)
def exponentiate(joint, n, peak, total, log_prob):
    """joint becomes p(x, z = k) over its largest value, total their sum, log_prob their log density."""
    for b in range(n):
        total[b] = total.dtype.type(0)
    for k in range(joint.shape[0]):
        e = joint[k]
        for b in range(n):
            e[b] = exp(e[b] - peak[b])
        for b in range(n):
            total[b] += e[b]
    for b in range(n):
        log_prob[b] = peak[b] + log(np.float64(total[b]))


@njit(**FAST)
def soften(joint, n, total):
    """Responsibilities: every row sums to one."""
    one = total.dtype.type(1)
    for b in range(n):
        total[b] = one / total[b]
    for k in range(joint.shape[0]):
        r = joint[k]
        for b in range(n):
            r[b] *= total[b]


@njit(**EXACT)
def harden(joint, n, taken):
    """One for the component of the largest density (of equals, the first), zero for the others."""
    zero, one = joint.dtype.type(0), joint.dtype.type(1)
    for b in range(n):
        taken[b] = zero
    for k in range(joint.shape[0]):
        e = joint[k]
        for b in range(n):
            r = one if e[b] == one and taken[b] == zero else zero
            e[b] = r
            taken[b] += r


@njit(**EXACT)
def draw(joint, n, total, rows, key, reached):
    """One for a component drawn by its responsibility, zero for the others."""
    zero, one = joint.dtype.type(0), joint.dtype.type(1)
    below_one = one - joint.dtype.type(np.finfo(joint.dtype).eps)
    for b in range(n):
        threshold = joint.dtype.type(uniform(rows[b], key) * total[b])
        total[b] = threshold if threshold < total[b] else total[b] * below_one
        reached[b] = zero
    for k in range(joint.shape[0]):
        e = joint[k]
        for b in range(n):
            before = reached[b]
            after = before + e[b]
            e[b] = one if before <= total[b] and after > total[b] else zero
            reached[b] = after


@njit(**EXACT)
def uniform(row, key):
    """A number in [0, 1) that depends on the row and the key alone."""
    return np.float64(word(row, key) >> np.uint64(12)) * 2.0**-52


@njit(**EXACT)
def word(row, key):
    """64 random bits that depend on the row and the key alone (SplitMix64; Steele, Lea & Flood 2014)."""
    return _mixed(_mixed(np.uint64(row) * _GOLDEN + key[0]) ^ key[1])


@njit(**EXACT)
def _mixed(h):
    h = (h ^ (h >> np.uint64(30))) * _MIX_1
    h = (h ^ (h >> np.uint64(27))) * _MIX_2
    return h ^ (h >> np.uint64(31))
