"""The E-step of covariances of low rank, compiled: Σ_k = Λ_kΛ_kᵀ + Ψ_k, never written out.

With y = Ψ⁻¹ᐟ² (x − μ) and the singular values of Ψ⁻¹ᐟ² Λ = U diag(s) Vᵀ, the coordinates t = Uᵀ y of a row cost D·q,
and its squared distance is |y − U t|² + Σ_i t_i² / (1 + s_i²): the difference is squared, not the squares subtracted,
which would cancel where the factors explain nearly all.

The moments about μ_k are  m₀ = Σ w r,  m₁ = Σ w r y,  and in the columns of m₂ (K, D, q + 1)  Σ w r y tᵀ  and
Σ w r y². Rows are cut into ranges as in `walk`. q comes as a multiple of four, the last axes of length zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import register_jitable

from bayesgmm.kernel import factored_plan
from bayesgmm.kernel.joints import Rows, _raise_peak, load, log_joint
from bayesgmm.kernel.lanes import WIDE, minus, plus, read, times, write, zeros
from bayesgmm.kernel.options import FAST
from bayesgmm.kernel.plan import PAD
from bayesgmm.kernel.tiles import _centred, _cross_four, total
from bayesgmm.kernel.views import d1, d2, d3, d4, i1, u1
from bayesgmm.kernel.walk import _assign, _deliver, take

_block_rows = register_jitable(factored_plan.block_rows)


class Room(NamedTuple):
    """What a thread works in: a block of B rows."""

    log_prob: np.ndarray  # (B,)
    xt: np.ndarray  # (D, B): rows, transposed
    y: np.ndarray  # (D, B), an even number of rows: whitened by the noise alone
    t: np.ndarray  # (K q, B): coordinates along the axes
    joint: np.ndarray  # (K, B)
    q: np.ndarray  # (B,)
    peak: np.ndarray  # (B,)
    sums: np.ndarray  # (B,)
    rows: np.ndarray  # (B,): row numbers


class Theta(NamedTuple):
    """Parameters as `lowrank` hands them over."""

    centre: np.ndarray  # (D,): what rows and means are taken relative to
    log_norms: np.ndarray  # (K,): log π_k − ½ log |2πΣ_k|
    means: np.ndarray  # (K, D): μ_k − centre
    scales: np.ndarray  # (K, D): Ψ_k⁻¹ᐟ²
    shrinks: np.ndarray  # (K, q): 1 / (1 + s²)
    axes: np.ndarray  # (K, D, q): U


def function(name):
    """The pass as a C function; all numbers are doubles."""

    def factored(counter, x, row_stride, column_stride, n, n_components, n_features, rank, theta, weights, n_weights,
                 assign, key, log_prob, n_log_prob, resp, n_resp, ranges, sums, m0, m1, m2, memory):  # fmt: skip
        k, d = n_components, n_features
        block = _block_rows(k, d, rank)
        wide, line = block + PAD, 8 * (block + PAD)
        single = (block,)
        xt = memory + line
        y, t = xt + d * line, xt + (2 * d + d % 2) * line
        joint = t + k * rank * line
        q = joint + k * line
        room = Room(
            d1(memory, single), d2(xt, (d, wide)), d2(y, (d + d % 2, wide)), d2(t, (k * rank, wide)),
            d2(joint, (k, wide)), d1(q, single), d1(q + line, single), d1(q + 2 * line, single),
            i1(q + 3 * line, single),
        )  # fmt: skip
        norms = theta + 8 * d
        means = norms + 8 * k
        scales, shrinks = means + 8 * k * d, means + 16 * k * d
        given = Theta(
            d1(theta, (d,)), d1(norms, (k,)), d2(means, (k, d)), d2(scales, (k, d)), d2(shrinks, (k, rank)),
            d3(shrinks + 8 * k * rank, (k, d, rank)),
        )  # fmt: skip
        _walk(
            i1(counter, (1,)), Rows(x, row_stride, column_stride, n, d1(x, (0,))), given, block, room,
            d1(weights, (n_weights,)), assign, u1(key, (2,)), d1(log_prob, (n_log_prob,)), d2(resp, (n_resp, k)),
            d1(sums, (ranges,)), d2(m0, (ranges, k)), d3(m1, (ranges, k, d)),
            d4(m2, (ranges, k, d + d % 2, rank + 1)),
        )  # fmt: skip
        return 0

    return factored


@njit(**FAST)
def _walk(counter, x, theta, size, room, row_weights, assign, key, log_prob, resp, sums, m0, m1, m2):
    """Take ranges of the rows from the counter, as other threads may, until none is left; see `walk.walk`."""
    ranges = sums.shape[0]
    blocks = -(-x.n // size)
    i = take(counter)
    while i < ranges:
        stop = min((i + 1) * blocks // ranges * size, x.n)
        for first in range(i * blocks // ranges * size, stop, size):
            n = min(size, stop - first)
            for b in range(n):
                room.rows[b] = first + b
            load(x, room.rows, n, theta.centre, room.xt)
            _joints(n, theta, room)
            _assign(n, assign, key, room)
            sums[i] += _deliver(n, room, row_weights, log_prob, resp)
            _add(n, theta, room, m0[i], m1[i], m2[i])
        i = take(counter)


@njit(**FAST)
def _joints(n, theta, room):
    """log p(x, z = k) of every component, and the largest; t are the rows' coordinates."""
    rank = theta.axes.shape[2]
    for k in range(theta.means.shape[0]):
        t = room.t[k * rank : (k + 1) * rank]
        _distances(room.xt, n, theta.means[k], theta.scales[k], theta.axes[k], theta.shrinks[k], room.y, t, room.q)
        log_joint(room.q, n, theta.log_norms[k], room.joint[k])
        _raise_peak(room.joint[k], n, room.peak, k == 0)


@njit(**FAST)
def _distances(x, n, mean, scale, axes, shrink, y, t, q):
    """y, t = Uᵀ y and q = |y − U t|² + Σ shrink t², one vector of rows after the other, which stay at hand."""
    n_features, rank = axes.shape
    for b in range(0, n, WIDE // q.itemsize):
        for j in range(n_features):
            write(y[j], b, _centred(x, b, j, mean, scale))
        square = zeros(q)
        for i in range(0, rank, 4):
            square = plus(square, _project_four(y, b, i, axes, shrink, t))
        for j in range(n_features % 4):
            a = read(y[j], b)
            for i in range(rank):
                a = minus(a, times(read(t[i], b), axes[j, i]))
            square = plus(square, times(a, a))
        for j in range(n_features % 4, n_features, 4):
            square = plus(square, _rest_of_four(y, b, j, axes, t))
        write(q, b, square)


@njit(**FAST)
def _project_four(y, b, i, axes, shrink, t):
    """Four coordinates of the rows from b on; returns the sum of their squares, shrunk."""
    none = zeros(y[0])
    t0, t1, t2, t3 = none, none, none, none
    for j in range(axes.shape[0]):
        a, u = read(y[j], b), axes[j]
        t0 = plus(t0, times(a, u[i]))
        t1 = plus(t1, times(a, u[i + 1]))
        t2 = plus(t2, times(a, u[i + 2]))
        t3 = plus(t3, times(a, u[i + 3]))
    write(t[i], b, t0)
    write(t[i + 1], b, t1)
    write(t[i + 2], b, t2)
    write(t[i + 3], b, t3)
    low = plus(times(times(t0, t0), shrink[i]), times(times(t1, t1), shrink[i + 1]))
    return plus(low, plus(times(times(t2, t2), shrink[i + 2]), times(times(t3, t3), shrink[i + 3])))


@njit(**FAST)
def _rest_of_four(y, b, j, axes, t):
    """What the axes leave of four features of the rows from b on: the sum of its squares."""
    u0, u1_, u2, u3 = axes[j], axes[j + 1], axes[j + 2], axes[j + 3]
    a0, a1, a2, a3 = read(y[j], b), read(y[j + 1], b), read(y[j + 2], b), read(y[j + 3], b)
    for i in range(axes.shape[1]):
        c = read(t[i], b)
        a0 = minus(a0, times(c, u0[i]))
        a1 = minus(a1, times(c, u1_[i]))
        a2 = minus(a2, times(c, u2[i]))
        a3 = minus(a3, times(c, u3[i]))
    return plus(plus(times(a0, a0), times(a1, a1)), plus(times(a2, a2), times(a3, a3)))


@njit(**FAST)
def _add(n, theta, room, m0, m1, m2):
    """The moments of a block; components that answer for none of its rows cost nothing."""
    rank = theta.axes.shape[2]
    for k in range(m0.shape[0]):
        r, t, size = room.joint[k], room.t[k * rank : (k + 1) * rank], 0.0
        for b in range(n):
            size += abs(r[b])
        if size != 0:
            m0[k] += total(r, n)
            _add_one(room.xt, n, theta.means[k], theta.scales[k], r, t, room.y, m1[k], m2[k])


@njit(**FAST)
def _add_one(x, n, mean, scale, r, t, y, m1, m2):
    """m1 += Σ r y, and the columns of m2 += Σ r y tᵀ, Σ r y²; t becomes r t, y of two features at once is made anew."""
    n_features, rank = mean.shape[0], t.shape[0]
    full = -(-n // (WIDE // r.itemsize)) * (WIDE // r.itemsize)
    for b in range(n, full):
        r[b] = 0.0
    for i in range(rank):
        for b in range(full):
            t[i, b] *= r[b]
    for j in range(0, n_features, 2):
        _own(x, n, full, mean, scale, r, j, y[0], m1, m2)
        if j + 1 < n_features:
            _own(x, n, full, mean, scale, r, j + 1, y[1], m1, m2)
        else:
            for b in range(full):
                y[1, b] = 0.0
        for i in range(0, rank, 4):
            _cross_four(y, t, n, j, i, m2)


@njit(**FAST)
def _own(x, n, full, mean, scale, r, j, y, m1, m2):
    """What one feature has to itself."""
    s, s2, row, mu, unit = 0.0, 0.0, x[j], mean[j], scale[j]
    for b in range(full):
        a = (row[b] - mu) * unit
        y[b] = a
        s += r[b] * a
        s2 += r[b] * a * a
    m1[j] += s
    m2[j, m2.shape[1] - 1] += s2
