"""A mixture on its way up, compiled: where EM would go from it, and how far that is.

Vectors are those of `fit.accelerate.Frame`, in which the information of complete rows is the identity: √N_k times δ log
π_k, L_k⁻¹ δμ_k, and the entries of L_k⁻¹ δΣ_k L_k⁻ᵀ / √2, of which two that are equal are one, √2 times as long. A
covariance that all share is there once, with N.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.pooled import within
from bayesgmm.kernel.structure import NONE, VARYING, m_step
from bayesgmm.kernel.triangles import factor, whiten

# A pivot of C below this is a covariance that collapses: in one step it would lose eight digits.
_LEAST_PIVOT = 1e-16
_ROOT_2 = math.sqrt(2.0)


class Place(NamedTuple):
    """A mixture, EM's next one, the way there, and the height; each mixture also as one array of all its numbers."""

    logs: np.ndarray  # (K,)
    means: np.ndarray  # (K, D)
    factors: np.ndarray  # (F, D, width)
    whole: np.ndarray
    next_logs: np.ndarray
    next_means: np.ndarray
    next_factors: np.ndarray
    next_whole: np.ndarray
    residual: np.ndarray  # (p,)
    heights: np.ndarray  # (2,): log-likelihood, objective


class Shape(NamedTuple):
    """A structure, and room for its M-step, which keeps axes and volumes from one to the next."""

    volume: int
    shape: int
    axes: int
    b: np.ndarray  # (K, D, D)
    counts: np.ndarray  # (K,)
    frames: np.ndarray  # (K, D, D)
    u: np.ndarray  # (K,)
    out: np.ndarray  # (K, D, D)
    square: np.ndarray  # (D, D)
    square2: np.ndarray  # (D, D)
    floor: np.ndarray  # (D,): the least pivots of a factor, squared
    spare: int
    most: int
    centre: np.ndarray  # (D,), or (0,): the mean of all rows, where all components share a dense covariance
    total: np.ndarray  # (D, D), or (0, 0): and their scatter about it


class Prior(NamedTuple):
    """What is added to the log-likelihood; see `penalised`."""

    kappa: float  # 0: nothing is
    mean: np.ndarray  # (D,)
    rows: np.ndarray  # (K,), α − 1
    more: np.ndarray  # (K,), 1 + a_k
    scatters: np.ndarray  # (K, D, D)


@njit(**EXACT)
def is_flat(s):
    """No step along a vector leaves the family."""
    return s.shape == NONE or s.volume == s.shape == s.axes or (s.axes == NONE and s.volume == s.shape)


@njit(**EXACT)
def image(here, s, prior, m0, m1, m2):
    """EM's next mixture, from moments about the present one, which become m̄ and C; False where it has none."""
    k, d, width, pooled = m1.shape[0], m1.shape[1], here.factors.shape[2], s.centre.shape[0] > 0
    total = 0.0
    for i in range(k):
        if not m0[i] > 0.0 and not prior.kappa > 0.0:
            return False
        _centre(max(m0[i], 1e-300), m1[i], m2[i])
    for i in range(k):
        total += max(m0[i] + (prior.rows[i] if prior.kappa > 0.0 else 0.0), 0.0)
    for i in range(k):
        rows = m0[i] + (prior.rows[i] if prior.kappa > 0.0 else 0.0)
        if not rows > 0.0:
            return False
        here.next_logs[i] = math.log(rows / total)
        lower = here.factors[i if here.factors.shape[0] > 1 else 0]
        for j in range(d):
            shift = 0.0
            if width > 1:
                for h in range(j + 1):
                    shift += lower[j, h] * m1[i, h]
            else:
                shift = lower[j, 0] * m1[i, j]
            here.next_means[i, j] = here.means[i, j] + shift
    if s.volume == s.shape == s.axes == VARYING and not prior.kappa > 0.0:
        return _free(here, s, m2)
    if pooled:
        within(here.next_means, m0, s.centre, s.total, s.b)
    for i in range(k):
        s.counts[i] = m0[i]
        if not pooled:
            _scatter(m0[i], here.factors[i if here.factors.shape[0] > 1 else 0], m2[i], s.square, s.b[i])
        if prior.kappa > 0.0:
            _pull(here.next_means[i], m0[i], prior, i, s)
    return structure(s, True, here.next_factors)


@njit(**EXACT)
def structure(s, known, factors):
    """The M-step of what is in `Shape`, as factors; False where a covariance collapses."""
    d, width = factors.shape[1], factors.shape[2]
    if not m_step(s.volume, s.shape, s.axes, s.b, s.counts, s.frames, s.u, known, s.most, s.out, s.spare):
        return False
    for f in range(factors.shape[0]):
        for j in range(d):
            for h in range(j + 1 if width > 1 else 0):
                factors[f, j, h] = s.out[f, j, h]
            if width == 1:
                if not s.out[f, j, j] > s.floor[j]:
                    return False
                factors[f, j, 0] = math.sqrt(s.out[f, j, j])
        if width > 1 and not (factor(factors[f]) and _above(factors[f], s.floor)):
            return False
    return True


@njit(**EXACT)
def _free(here, s, m2):
    """Any covariances: L chol C, which keeps all digits."""
    for i in range(m2.shape[0]):
        if not product(here.factors[i], m2[i], here.next_factors[i]) or not _above(here.next_factors[i], s.floor):
            return False
    return True


@njit(**EXACT)
def product(lower, c, out):
    """L chol C, or its diagonal; False where it collapses. C is used up."""
    d, width = lower.shape
    for j in range(d):
        if width == 1:
            if not c[j, 0] > _LEAST_PIVOT:
                return False
            out[j, 0] = lower[j, 0] * math.sqrt(c[j, 0])
    if width == 1:
        return True
    if not factor(c):
        return False
    for j in range(d):
        if not c[j, j] > 1e-8:
            return False
        for h in range(j + 1):
            t = 0.0
            for i in range(h, j + 1):
                t += lower[j, i] * c[i, h]
            out[j, h] = t
    return True


@njit(**EXACT)
def _above(lower, floor):
    for j in range(floor.shape[0]):
        if not lower[j, j if lower.shape[1] > 1 else 0] ** 2 > floor[j]:
            return False
    return True


@njit(**EXACT)
def _centre(m0, m1, m2):
    """m̄ in place of m₁, and C in place of m₂, on and below the diagonal."""
    d, width = m2.shape
    for j in range(d):
        m1[j] /= m0
    for j in range(d if width > 0 else 0):
        if width > 1:
            for h in range(j + 1):
                m2[j, h] = m2[j, h] / m0 - m1[j] * m1[h]
        else:
            m2[j, 0] = m2[j, 0] / m0 - m1[j] ** 2


@njit(**EXACT)
def _scatter(rows, lower, c, spare, out):
    """N L C Lᵀ, of a symmetric C known below the diagonal and on it, or of a diagonal."""
    d, width = lower.shape
    if width == 1:
        for j in range(d):
            out[j, j] = rows * lower[j, 0] ** 2 * c[j, 0]
        return
    for j in range(d):
        for h in range(d):
            t = 0.0
            for i in range(j + 1):
                t += lower[j, i] * (c[i, h] if i >= h else c[h, i])
            spare[j, h] = t
    for j in range(d):
        for h in range(j + 1):
            t = 0.0
            for i in range(h + 1):
                t += spare[j, i] * lower[h, i]
            out[j, h] = rows * t
            out[h, j] = out[j, h]


@njit(**EXACT)
def _pull(mean, rows, prior, i, s):
    """Add to B and N what a prior does, and draw the mean to its own."""
    d, all_rows = mean.shape[0], rows + prior.kappa
    s.counts[i] += prior.more[i]
    for j in range(d):
        for h in range(j + 1):
            gap = (mean[j] - prior.mean[j]) * (mean[h] - prior.mean[h])
            s.b[i, j, h] += prior.scatters[i, j, h] + prior.kappa * rows / all_rows * gap
            s.b[i, h, j] = s.b[i, j, h]
    for j in range(d):
        mean[j] = (rows * mean[j] + prior.kappa * prior.mean[j]) / all_rows


@njit(**EXACT)
def penalised(here, s, prior):
    """The log prior density of a mixture, up to a constant; see `families.base.Family.penalty`."""
    k, d, found = here.logs.shape[0], here.means.shape[1], 0.0
    width = here.factors.shape[2]
    for i in range(k):
        lower = here.factors[i if here.factors.shape[0] > 1 else 0]
        found += prior.rows[i] * here.logs[i]
        for j in range(d):
            found -= prior.more[i] * math.log(lower[j, j if width > 1 else 0])
            for h in range(d):
                gap = (here.means[i, j] - prior.mean[j]) * (here.means[i, h] - prior.mean[h])
                s.square2[j, h] = prior.scatters[i, j, h] + prior.kappa * gap
        if width == 1:
            for j in range(d):
                found -= 0.5 * s.square2[j, j] / lower[j, 0] ** 2
        else:
            whiten(lower, s.square2, 1.0, s.square)
            for j in range(d):
                found -= 0.5 * s.square[j, j]
    return found


@njit(**EXACT)
def toward(here, logs, means, factors, total, spare, out):
    """The vector from a place to another mixture."""
    k, d = means.shape
    n_factors, width = factors.shape[0], factors.shape[2]
    at = k + k * d
    for i in range(k):
        length = _length(total, here.logs[i])
        out[i] = length * (math.exp(logs[i] - here.logs[i]) - 1.0)
        lower = here.factors[i if n_factors > 1 else 0]
        for j in range(d):
            t = means[i, j] - here.means[i, j]
            if width > 1:
                for h in range(j):
                    t -= lower[j, h] * out[k + i * d + h]
                t /= lower[j, j]
            else:
                t /= lower[j, 0]
            out[k + i * d + j] = t
        for j in range(d):
            out[k + i * d + j] *= length
    for f in range(n_factors):
        length = _length(total, here.logs[f]) if n_factors > 1 else math.sqrt(total)
        if width == 1:
            for j in range(d):
                out[at] = length / _ROOT_2 * ((factors[f, j, 0] / here.factors[f, j, 0]) ** 2 - 1.0)
                at += 1
            continue
        lower = here.factors[f]
        for j in range(d):
            for h in range(j + 1):
                t = factors[f, j, h]
                for i in range(h, j):
                    t -= lower[j, i] * spare[i, h]
                spare[j, h] = t / lower[j, j]
        for j in range(d):
            for h in range(j + 1):
                t = -1.0 if h == j else 0.0
                for i in range(h + 1):
                    t += spare[j, i] * spare[h, i]
                out[at] = length * t * (1.0 / _ROOT_2 if h == j else 1.0)
                at += 1


@njit(**EXACT)
def _length(total, log_weight):
    return math.sqrt(max(total * math.exp(log_weight), 1.0))


@njit(**EXACT)
def along(here, vector, radius, total, s, there):
    """The mixture of the family that lies along a vector, no component further than a radius; False where none does."""
    k, d = here.means.shape
    n_factors, width = here.factors.shape[0], here.factors.shape[2]
    size = _shrink(here, vector, radius, total)
    norm, at = 0.0, k + k * d
    for i in range(k):
        length = _length(total, here.logs[i])
        there.logs[i] = here.logs[i] + size * vector[i] / length
        norm += math.exp(there.logs[i])
        lower = here.factors[i if n_factors > 1 else 0]
        for j in range(d):
            t = 0.0
            if width > 1:
                for h in range(j + 1):
                    t += lower[j, h] * vector[k + i * d + h]
            else:
                t = lower[j, 0] * vector[k + i * d + j]
            there.means[i, j] = here.means[i, j] + size / length * t
    for i in range(k):
        there.logs[i] -= math.log(norm)
    flat = is_flat(s)
    for f in range(n_factors):
        length = _length(total, here.logs[f]) if n_factors > 1 else math.sqrt(total)
        at = _grown(vector, at, size / length, d, width, s.square, s.square2)
        if flat:
            if not product(here.factors[f], s.square2[:, :width], there.factors[f]):
                return False
            continue
        s.counts[f] = total * max(math.exp(there.logs[f]), 1e-100)
        _scatter(s.counts[f], here.factors[f], s.square2[:, :width], s.square, s.b[f])
    return flat or structure(s, True, there.factors)


@njit(**EXACT)
def _shrink(here, vector, radius, total):
    """By how much a vector is too long; 1 where it is not."""
    k, d = here.means.shape
    n_factors, width = here.factors.shape[0], here.factors.shape[2]
    furthest, at = 0.0, k + k * d
    for i in range(k):
        length = _length(total, here.logs[i])
        t = 0.0
        for j in range(d):
            t += (vector[k + i * d + j] / length) ** 2
        furthest = max(furthest, t, (vector[i] / length) ** 2)
    for f in range(n_factors):
        length = _length(total, here.logs[f]) if n_factors > 1 else math.sqrt(total)
        t = 0.0
        for _ in range(d * (d + 1) // 2 if width > 1 else d):
            t += 2.0 * (vector[at] / length) ** 2
            at += 1
        furthest = max(furthest, t)
    return radius / math.sqrt(furthest) if furthest > radius * radius else 1.0


@njit(**EXACT)
def _grown(vector, at, size, d, width, change, out):
    """I + W + W²/2, which is positive definite for any symmetric W; where the next one begins."""
    if width == 1:
        for j in range(d):
            w = _ROOT_2 * size * vector[at + j]
            out[j, 0] = 1.0 + w + 0.5 * w * w
        return at + d
    for j in range(d):
        for h in range(j + 1):
            change[j, h] = size * vector[at] * (_ROOT_2 if h == j else 1.0)
            change[h, j] = change[j, h]
            at += 1
    for j in range(d):
        for h in range(j + 1):
            t = change[j, h] + (1.0 if h == j else 0.0)
            for i in range(d):
                t += 0.5 * change[j, i] * change[i, h]
            out[j, h] = t
            out[h, j] = t
    return at


@njit(**EXACT)
def covariances(place, s):
    """Σ (K, D, D) of a place, in ``s.out``."""
    k, d = place.means.shape
    width = place.factors.shape[2]
    for i in range(k):
        lower = place.factors[i if place.factors.shape[0] > 1 else 0]
        for j in range(d):
            for h in range(j + 1):
                t = 0.0
                if width == 1:
                    t = lower[j, 0] ** 2 if h == j else 0.0
                else:
                    for r in range(h + 1):
                        t += lower[j, r] * lower[h, r]
                s.out[i, j, h] = t
                s.out[i, h, j] = t
