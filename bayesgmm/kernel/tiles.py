"""The inner loops of the E-step: whitening a block of rows, and its weighted moments.

Rows stand in blocks, transposed (D, rows), and every innermost loop runs over the rows of a block, so that it
vectorises. Several features are worked on in one loop, so that what is read and written serves several products: that
is what keeps the arithmetic units fed.
"""

from __future__ import annotations

from numba import njit

from bayesgmm.kernel.options import FAST


@njit(**FAST)
def whiten(x, n, mean, scale, coef, z, q):
    """Forward substitution: z = L⁻¹ (x − μ), and q = Σ z².

    scale_j = 1 / L_jj and coef_ji = L_ji / L_jj: L is never inverted, which keeps digits at high condition numbers.
    """
    for j in range(x.shape[0]):
        _begin(x[j], n, j % 4, mean[j], scale[j], coef[j], z, z[j])
        i = j % 4
        while i + 8 <= j:
            _subtract_eight(z, n, i, coef[j], z[j])
            i += 8
        if i < j:
            _subtract_four(z, n, i, coef[j], z[j])
    _squares(z, n, x.shape[0], q)


# A loop that stores to more than one place has to rule out too many overlaps to be vectorised.
@njit(**FAST)
def _begin(x, n, before, mean, scale, coef, y, z):
    """z = (x − μ) scale, less up to three features before it."""
    if before == 0:
        for b in range(n):
            z[b] = scale * (x[b] - mean)
    elif before == 1:
        y0, c0 = y[0], coef[0]
        for b in range(n):
            z[b] = scale * (x[b] - mean) - c0 * y0[b]
    elif before == 2:
        y0, y1, c0, c1 = y[0], y[1], coef[0], coef[1]
        for b in range(n):
            z[b] = scale * (x[b] - mean) - c0 * y0[b] - c1 * y1[b]
    else:
        y0, y1, y2, c0, c1, c2 = y[0], y[1], y[2], coef[0], coef[1], coef[2]
        for b in range(n):
            z[b] = scale * (x[b] - mean) - c0 * y0[b] - c1 * y1[b] - c2 * y2[b]


@njit(**FAST)
def _subtract_four(y, n, i, coef, z):
    y0, y1, y2, y3 = y[i], y[i + 1], y[i + 2], y[i + 3]
    c0, c1, c2, c3 = coef[i], coef[i + 1], coef[i + 2], coef[i + 3]
    for b in range(n):
        z[b] = z[b] - c0 * y0[b] - c1 * y1[b] - c2 * y2[b] - c3 * y3[b]


@njit(**FAST)
def _subtract_eight(y, n, i, coef, z):
    y0, y1, y2, y3, y4, y5, y6, y7 = y[i], y[i + 1], y[i + 2], y[i + 3], y[i + 4], y[i + 5], y[i + 6], y[i + 7]
    c0, c1, c2, c3 = coef[i], coef[i + 1], coef[i + 2], coef[i + 3]
    c4, c5, c6, c7 = coef[i + 4], coef[i + 5], coef[i + 6], coef[i + 7]
    for b in range(n):
        a = z[b] - c0 * y0[b] - c1 * y1[b] - c2 * y2[b] - c3 * y3[b]
        z[b] = a - c4 * y4[b] - c5 * y5[b] - c6 * y6[b] - c7 * y7[b]


@njit(**FAST)
def _squares(z, n, n_features, q):
    for b in range(n):
        q[b] = q.dtype.type(0)
    j = 0
    while j + 4 <= n_features:
        z0, z1, z2, z3 = z[j], z[j + 1], z[j + 2], z[j + 3]
        for b in range(n):
            q[b] += z0[b] * z0[b] + z1[b] * z1[b] + z2[b] * z2[b] + z3[b] * z3[b]
        j += 4
    while j < n_features:
        z0 = z[j]
        for b in range(n):
            q[b] += z0[b] * z0[b]
        j += 1


@njit(**FAST)
def project(x, n, direction, along):
    """along += Σ_j direction_j x_j."""
    n_features = x.shape[0]
    j = 0
    while j + 8 <= n_features:
        x0, x1, x2, x3, x4, x5, x6, x7 = x[j], x[j + 1], x[j + 2], x[j + 3], x[j + 4], x[j + 5], x[j + 6], x[j + 7]
        d0, d1, d2, d3 = direction[j], direction[j + 1], direction[j + 2], direction[j + 3]
        d4, d5, d6, d7 = direction[j + 4], direction[j + 5], direction[j + 6], direction[j + 7]
        for b in range(n):
            a = along[b] + d0 * x0[b] + d1 * x1[b] + d2 * x2[b] + d3 * x3[b]
            along[b] = a + d4 * x4[b] + d5 * x5[b] + d6 * x6[b] + d7 * x7[b]
        j += 8
    while j + 4 <= n_features:
        x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
        d0, d1, d2, d3 = direction[j], direction[j + 1], direction[j + 2], direction[j + 3]
        for b in range(n):
            along[b] += d0 * x0[b] + d1 * x1[b] + d2 * x2[b] + d3 * x3[b]
        j += 4
    while j < n_features:
        x0, d0 = x[j], direction[j]
        for b in range(n):
            along[b] += d0 * x0[b]
        j += 1


@njit(**FAST)
def whiten_diagonal(x, n, mean, scale, z, q):
    """z_j = (x_j − μ_j) scale_j and q = Σ z²: no feature waits for another."""
    for j in range(x.shape[0]):
        _begin(x[j], n, 0, mean[j], scale[j], scale, z, z[j])
    _squares(z, n, x.shape[0], q)


@njit(**FAST)
def shift(y, n, mean, z, q):
    """z = y − mean and q = Σ z², for rows y that are whitened already."""
    for j in range(y.shape[0]):
        y0, z0, m0 = y[j], z[j], mean[j]
        for b in range(n):
            z0[b] = y0[b] - m0
    _squares(z, n, y.shape[0], q)


@njit(**FAST)
def total(r, n):
    """Σ r."""
    s = r.dtype.type(0)
    for b in range(n):
        s += r[b]
    return s


@njit(**FAST)
def add_moments(z, n, r, rz, m1, m2):
    """m1 += Σ r z, and m2 += Σ r z zᵀ on and below the diagonal; rz (2, rows) is overwritten."""
    n_features = z.shape[0]
    for j in range(0, n_features, 2):
        both = j + 1 < n_features
        _weigh(z[j], n, r, rz[0])
        m1[j] += total(rz[0], n)
        m2[j, j] += _dot(rz[0], z[j], n)
        if both:
            _weigh(z[j + 1], n, r, rz[1])
            m1[j + 1] += total(rz[1], n)
            m2[j + 1, j] += _dot(rz[1], z[j], n)
            m2[j + 1, j + 1] += _dot(rz[1], z[j + 1], n)
        i = 0
        while i + 4 <= j and both:
            _cross_pair(rz, z, n, j, i, m2)
            i += 4
        while i < j:
            _cross_two(rz[0], z, n, i, m2[j])
            if both:
                _cross_two(rz[1], z, n, i, m2[j + 1])
            i += 2


@njit(**FAST)
def _weigh(z, n, r, rz):
    for b in range(n):
        rz[b] = r[b] * z[b]


@njit(**FAST)
def _dot(a, c, n):
    s = a.dtype.type(0)
    for b in range(n):
        s += a[b] * c[b]
    return s


@njit(**FAST)
def add_moments_diagonal(z, n, r, m1, m2):
    """m1 += Σ r z, and m2[:, 0] += Σ r z²."""
    for j in range(z.shape[0]):
        _moments_single(z[j], n, r, j, 0, m1, m2)


@njit(**FAST)
def _moments_single(z, n, r, j, column, m1, m2):
    s, s2 = z.dtype.type(0), z.dtype.type(0)
    for b in range(n):
        a = r[b] * z[b]
        s += a
        s2 += a * z[b]
    m1[j] += s
    m2[j, column] += s2


@njit(**FAST)
def _cross_pair(rz, z, n, j, i, m2):
    a0, a1, y0, y1, y2, y3, zero = rz[0], rz[1], z[i], z[i + 1], z[i + 2], z[i + 3], z.dtype.type(0)
    s0, s1, s2, s3, t0, t1, t2, t3 = zero, zero, zero, zero, zero, zero, zero, zero
    for b in range(n):
        s0 += a0[b] * y0[b]
        s1 += a0[b] * y1[b]
        s2 += a0[b] * y2[b]
        s3 += a0[b] * y3[b]
        t0 += a1[b] * y0[b]
        t1 += a1[b] * y1[b]
        t2 += a1[b] * y2[b]
        t3 += a1[b] * y3[b]
    m2[j, i] += s0
    m2[j, i + 1] += s1
    m2[j, i + 2] += s2
    m2[j, i + 3] += s3
    m2[j + 1, i] += t0
    m2[j + 1, i + 1] += t1
    m2[j + 1, i + 2] += t2
    m2[j + 1, i + 3] += t3


@njit(**FAST)
def _cross_two(a, z, n, i, row):
    y0, y1, zero = z[i], z[i + 1], z.dtype.type(0)
    s0, s1 = zero, zero
    for b in range(n):
        s0 += a[b] * y0[b]
        s1 += a[b] * y1[b]
    row[i] += s0
    row[i + 1] += s1
