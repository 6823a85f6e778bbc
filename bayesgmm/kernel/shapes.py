"""Volumes and shapes: what maximises Q once the axes of covariances are known, or the shape is any matrix.

Q is −½ Σ_k (N_k log|Σ_k| + tr Σ_k⁻¹ B_k). The hard case is one shape of several volumes, Σ_k = exp(−u_k) C: the best C
is Σ_k exp(u_k) B_k / N, and what is left is convex in u, so that Newton's steps find it (Celeux & Govaert 1995 go to
and fro between u and C, which is what is done here where such a step would be too long).
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.triangles import factor, solve, whiten

_TURNS = 100
# Newton's decrement, a row, from which his step leaves nothing.
_SETTLED = 1e-11


@njit(**EXACT)
def average(w, counts, variances):
    """One volume and shape: Σ_k w_k / N."""
    n, d = w.shape
    total = 0.0
    for k in range(n):
        total += counts[k]
    for j in range(d):
        s = 0.0
        for k in range(n):
            s += w[k, j]
        for k in range(n):
            variances[k, j] = s / total


@njit(**EXACT)
def one_volume(w, counts, variances):
    """One volume, shapes of their own: λ w_k / |w_k|^(1/D), λ = Σ_k |w_k|^(1/D) / N."""
    n, d = w.shape
    total, volume = 0.0, 0.0
    for k in range(n):
        s = 0.0
        for j in range(d):
            s += math.log(w[k, j])
        size = math.exp(s / d)
        volume += size
        total += counts[k]
        for j in range(d):
            variances[k, j] = w[k, j] / size
    for k in range(n):
        for j in range(d):
            variances[k, j] *= volume / total


@njit(**EXACT)
def one_shape(w, counts, u, variances, p, work):
    """One shape, volumes of their own; ``u`` (K,) is where to begin, and where it ends. ``work`` is (K + 4, K)."""
    n, d = w.shape
    slope, step, kept, hessian = work[0], work[1], work[2], work[4:]
    total = 0.0
    for k in range(n):
        total += counts[k]
    before, newton, last = math.inf, False, False
    for _ in range(_TURNS):
        height, sizes = 0.0, step  # which holds none yet
        for k in range(n):
            sizes[k] = math.exp(u[k])
        for j in range(d):
            s = 0.0
            for k in range(n):
                p[k, j] = w[k, j] * sizes[k]
                s += p[k, j]
            height += math.log(s)
            for k in range(n):
                p[k, j] /= s
                variances[k, j] = s
        for k in range(n):
            height -= d * counts[k] / total * u[k]
        if last:
            break
        if newton and not height <= before + 1e-13 * abs(before):
            _alternate(kept, work[3], counts, total, d, u)
            newton = False
            continue
        before, newton = height, True
        for k in range(n):
            t = 0.0
            for j in range(d):
                t += p[k, j]
            work[3, k] = t
            kept[k] = u[k]
            slope[k] = t - d * counts[k] / total
            for i in range(k + 1):
                s = 0.0
                for j in range(d):
                    s += p[k, j] * p[i, j]
                hessian[k, i] = (t if i == k else 0.0) - s
        last = _newton(hessian, slope, step, d) < _SETTLED
        for k in range(n):
            u[k] -= step[k]
    for k in range(n):
        for j in range(d):
            variances[k, j] *= math.exp(-u[k]) / total


@njit(**EXACT)
def one_matrix(b, counts, u, out, p, work, pooled):
    """The same for any matrix C in the place of a shape; False where it is singular."""
    n, d = b.shape[0], b.shape[1]
    slope, step, kept, hessian = work[0], work[1], work[2], work[4:]
    total = 0.0
    for k in range(n):
        total += counts[k]
    before, newton, last = math.inf, False, False
    for _ in range(_TURNS):
        sizes = step  # which holds none yet
        for k in range(n):
            sizes[k] = math.exp(u[k])
        for j in range(d):
            for h in range(j + 1):
                s = 0.0
                for k in range(n):
                    s += sizes[k] * b[k, j, h]
                pooled[j, h] = s
                out[0, j, h] = s
        if not factor(pooled):
            return False
        if last:
            break
        height = 0.0
        for j in range(d):
            height += 2.0 * math.log(pooled[j, j])
        for k in range(n):
            height -= d * counts[k] / total * u[k]
        if newton and not height <= before + 1e-13 * abs(before):
            _alternate(kept, work[3], counts, total, d, u)
            newton = False
            continue
        before, newton = height, True
        for k in range(n):
            whiten(pooled, b[k], sizes[k], p[k])
            t = 0.0
            for j in range(d):
                t += p[k, j, j]
            work[3, k] = t
            kept[k] = u[k]
            slope[k] = t - d * counts[k] / total
            for i in range(k + 1):
                s = 0.0
                for j in range(d):
                    for h in range(d):
                        s += p[k, j, h] * p[i, j, h]
                hessian[k, i] = (t if i == k else 0.0) - s
        last = _newton(hessian, slope, step, d) < _SETTLED
        for k in range(n):
            u[k] -= step[k]
    for k in range(n - 1, -1, -1):
        size = math.exp(-u[k]) / total
        for j in range(d):
            for h in range(j + 1):
                out[k, j, h] = size * out[0, j, h]
                out[k, h, j] = out[k, j, h]
    return True


@njit(**EXACT)
def _alternate(kept, traces, counts, total, d, u):
    """From where the last step began, the best volumes of the shape there, which cannot be worse."""
    for k in range(u.shape[0]):
        u[k] = kept[k] - math.log(max(traces[k], 1e-300) * total / (d * counts[k]))


@njit(**EXACT)
def _newton(hessian, slope, step, d):
    """Newton's step, and his decrement; all u may move together, which nothing depends on."""
    n = slope.shape[0]
    for k in range(n):
        step[k] = slope[k]
        for i in range(k + 1):
            hessian[k, i] += d / (n * n)
    if not factor(hessian):
        for k in range(n):
            step[k] = slope[k] / d
        return math.inf
    solve(hessian, step)
    found = 0.0
    for k in range(n):
        found += step[k] * slope[k]
    return found
