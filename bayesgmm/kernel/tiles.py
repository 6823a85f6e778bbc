"""The inner loops of the E-step: whitening a block of rows, and its weighted moments.

Rows stand in blocks, transposed (D, rows). A loop holds a tile of several features by a few rows in registers, see
`lanes`, and goes on to the end of the last vector: buffers have room there, and `joints.load` fills it.
"""

from __future__ import annotations

from numba import njit

from bayesgmm.kernel.lanes import (
    NARROW,
    WIDE,
    add,
    minus,
    plus,
    read,
    read_narrow,
    sum_of,
    sums,
    times,
    write,
    zeros,
    zeros_narrow,
)
from bayesgmm.kernel.options import FAST


@njit(**FAST)
def whiten(x, n, mean, scale, coef, z, q):
    """Forward substitution: z = L⁻¹ (x − μ), and q = Σ z².

    scale_j = 1 / L_jj and coef_ji = L_ji / L_jj: L is never inverted, which keeps digits at high condition numbers.
    """
    n_features = x.shape[0]
    for b in range(0, n, WIDE // q.itemsize):
        square = zeros(q)
        for j in range(n_features % 4):
            a = _centred(x, b, j, mean, scale)
            for i in range(j):
                a = minus(a, times(read(z[i], b), coef[j, i]))
            write(z[j], b, a)
            square = plus(square, times(a, a))
        for j in range(n_features % 4, n_features, 4):
            square = plus(square, _whiten_four(x, b, j, mean, scale, coef, z))
        write(q, b, square)


@njit(**FAST)
def _whiten_four(x, b, j, mean, scale, coef, z):
    """Four features of the rows from b on; returns the sum of their squares."""
    c0, c1, c2, c3 = coef[j], coef[j + 1], coef[j + 2], coef[j + 3]
    z0, z1 = _centred(x, b, j, mean, scale), _centred(x, b, j + 1, mean, scale)
    z2, z3 = _centred(x, b, j + 2, mean, scale), _centred(x, b, j + 3, mean, scale)
    for i in range(j):
        y = read(z[i], b)
        z0 = minus(z0, times(y, c0[i]))
        z1 = minus(z1, times(y, c1[i]))
        z2 = minus(z2, times(y, c2[i]))
        z3 = minus(z3, times(y, c3[i]))
    z1 = minus(z1, times(z0, c1[j]))
    z2 = minus(minus(z2, times(z0, c2[j])), times(z1, c2[j + 1]))
    z3 = minus(minus(minus(z3, times(z0, c3[j])), times(z1, c3[j + 1])), times(z2, c3[j + 2]))
    write(z[j], b, z0)
    write(z[j + 1], b, z1)
    write(z[j + 2], b, z2)
    write(z[j + 3], b, z3)
    return plus(plus(times(z0, z0), times(z1, z1)), plus(times(z2, z2), times(z3, z3)))


@njit(**FAST)
def _centred(x, b, j, mean, scale):
    return times(minus(read(x[j], b), mean[j]), scale[j])


@njit(**FAST)
def whiten_diagonal(x, n, mean, scale, z, q):
    """z_j = (x_j − μ_j) scale_j and q = Σ z²: no feature waits for another."""
    for b in range(0, n, WIDE // q.itemsize):
        square = zeros(q)
        for j in range(x.shape[0]):
            a = _centred(x, b, j, mean, scale)
            write(z[j], b, a)
            square = plus(square, times(a, a))
        write(q, b, square)


@njit(**FAST)
def shift(y, n, mean, z, q):
    """z = y − mean and q = Σ z², for rows y that are whitened already."""
    for b in range(0, n, WIDE // q.itemsize):
        square = zeros(q)
        for j in range(y.shape[0]):
            a = minus(read(y[j], b), mean[j])
            write(z[j], b, a)
            square = plus(square, times(a, a))
        write(q, b, square)


@njit(**FAST)
def probe(x, n, directions, offsets, q):
    """q = Σ_p (direction_p · x − offset_p)²."""
    n_probes = directions.shape[0]
    for b in range(0, n, WIDE // q.itemsize):
        square = zeros(q)
        for p in range(n_probes % 4):
            a = minus(times(read(x[0], b), directions[p, 0]), offsets[p])
            for j in range(1, x.shape[0]):
                a = plus(a, times(read(x[j], b), directions[p, j]))
            square = plus(square, times(a, a))
        for p in range(n_probes % 4, n_probes, 4):
            square = plus(square, _probe_four(x, b, directions[p : p + 4], offsets[p : p + 4]))
        write(q, b, square)


@njit(**FAST)
def _probe_four(x, b, directions, offsets):
    d0, d1, d2, d3 = directions[0], directions[1], directions[2], directions[3]
    y = read(x[0], b)
    a0, a1 = minus(times(y, d0[0]), offsets[0]), minus(times(y, d1[0]), offsets[1])
    a2, a3 = minus(times(y, d2[0]), offsets[2]), minus(times(y, d3[0]), offsets[3])
    for j in range(1, x.shape[0]):
        y = read(x[j], b)
        a0 = plus(a0, times(y, d0[j]))
        a1 = plus(a1, times(y, d1[j]))
        a2 = plus(a2, times(y, d2[j]))
        a3 = plus(a3, times(y, d3[j]))
    return plus(plus(times(a0, a0), times(a1, a1)), plus(times(a2, a2), times(a3, a3)))


@njit(**FAST)
def total(r, n):
    """Σ r."""
    s = r.dtype.type(0)
    for b in range(n):
        s += r[b]
    return s


@njit(**FAST)
def add_moments(z, n, r, rz, m1, m2):
    """m1 += Σ r z, and m2 += Σ r z zᵀ on and below the diagonal; r behind its n numbers, and rz, are overwritten."""
    n_features, lanes = z.shape[0], NARROW // r.itemsize
    for b in range(n, -(-n // lanes) * lanes):
        r[b] = r.dtype.type(0)
    for j in range(0, n_features - 1, 2):
        _add_own(z, n, r, rz, j, m1, m2)
        if j % 4:
            _cross_two(rz, z, n, j, m2)
        for i in range(j % 4, j, 4):
            _cross_four(rz, z, n, j, i, m2)
    if n_features % 2:
        j = n_features - 1
        for b in range(n):
            rz[0, b] = r[b] * z[j, b]
        m1[j] += total(rz[0], n)
        for i in range(n_features):
            m2[j, i] += _dot(rz[0], z[i], n)


@njit(**FAST)
def _dot(a, c, n):
    s = a.dtype.type(0)
    for b in range(n):
        s += a[b] * c[b]
    return s


@njit(**FAST)
def _add_own(z, n, r, rz, j, m1, m2):
    """What features j and j + 1 have to themselves; rz becomes r z."""
    z0, z1, rz0, rz1, none = z[j], z[j + 1], rz[0], rz[1], zeros_narrow(r)
    s0, s1, t0, t1, t2 = none, none, none, none, none
    for b in range(0, n, NARROW // r.itemsize):
        w, y0, y1 = read_narrow(r, b), read_narrow(z0, b), read_narrow(z1, b)
        a0, a1 = times(w, y0), times(w, y1)
        write(rz0, b, a0)
        write(rz1, b, a1)
        s0, s1 = plus(s0, a0), plus(s1, a1)
        t0, t1, t2 = plus(t0, times(a0, y0)), plus(t1, times(a1, y0)), plus(t2, times(a1, y1))
    m1[j] += sum_of(s0)
    m1[j + 1] += sum_of(s1)
    m2[j, j] += sum_of(t0)
    m2[j + 1, j] += sum_of(t1)
    m2[j + 1, j + 1] += sum_of(t2)


@njit(**FAST)
def _cross_two(rz, z, n, j, m2):
    """Features j and j + 1 with the first two."""
    rz0, rz1, z0, z1, none = rz[0], rz[1], z[0], z[1], zeros_narrow(rz[0])
    s0, s1, t0, t1 = none, none, none, none
    for b in range(0, n, NARROW // z.itemsize):
        a0, a1, y0, y1 = read_narrow(rz0, b), read_narrow(rz1, b), read_narrow(z0, b), read_narrow(z1, b)
        s0, s1 = plus(s0, times(a0, y0)), plus(s1, times(a0, y1))
        t0, t1 = plus(t0, times(a1, y0)), plus(t1, times(a1, y1))
    m2[j, 0] += sum_of(s0)
    m2[j, 1] += sum_of(s1)
    m2[j + 1, 0] += sum_of(t0)
    m2[j + 1, 1] += sum_of(t1)


@njit(**FAST)
def _cross_four(rz, z, n, j, i, m2):
    """Features j and j + 1 with i … i + 3."""
    rz0, rz1, z0, z1, z2, z3, none = rz[0], rz[1], z[i], z[i + 1], z[i + 2], z[i + 3], zeros_narrow(rz[0])
    s0, s1, s2, s3, t0, t1, t2, t3 = none, none, none, none, none, none, none, none
    for b in range(0, n, NARROW // z.itemsize):
        a0, a1 = read_narrow(rz0, b), read_narrow(rz1, b)
        y0, y1, y2, y3 = read_narrow(z0, b), read_narrow(z1, b), read_narrow(z2, b), read_narrow(z3, b)
        s0, s1 = plus(s0, times(a0, y0)), plus(s1, times(a0, y1))
        s2, s3 = plus(s2, times(a0, y2)), plus(s3, times(a0, y3))
        t0, t1 = plus(t0, times(a1, y0)), plus(t1, times(a1, y1))
        t2, t3 = plus(t2, times(a1, y2)), plus(t3, times(a1, y3))
    add(m2[j], i, sums(s0, s1, s2, s3))
    add(m2[j + 1], i, sums(t0, t1, t2, t3))


@njit(**FAST)
def add_moments_diagonal(z, n, r, m1, m2):
    """m1 += Σ r z, and m2[:, 0] += Σ r z²."""
    for j in range(z.shape[0]):
        _moments_single(z[j], n, r, j, 0, m1, m2)


@njit(**FAST)
def add_first_moments(z, n, r, m1):
    """m1 += Σ r z."""
    for j in range(z.shape[0]):
        m1[j] += _dot(r, z[j], n)


@njit(**FAST)
def _moments_single(z, n, r, j, column, m1, m2):
    s, s2 = z.dtype.type(0), z.dtype.type(0)
    for b in range(n):
        a = r[b] * z[b]
        s += a
        s2 += a * z[b]
    m1[j] += s
    m2[j, column] += s2
