"""The E-step compiled by numba: whitened moments of blocks of rows. Nothing here knows about Python objects.

Rows are transposed into blocks, and every inner loop runs over the rows of a block, so that it vectorises. The
points enter as z = L_k⁻¹ (x − μ_k), found by forward substitution: the difference comes first and L_k is never
inverted, which keeps the digits that the form φ(x) = (1, x, xxᵀ) loses to cancellation.

The moments about μ_k in those coordinates,  m₀ = Σ w r,  m₁ = Σ w r z,  m₂ = Σ w r z zᵀ,  are what the gradient
needs as they are: its weights w are signed, and m₀ may vanish. m₂ is filled below the diagonal alone.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

BLOCK = 256
MOST_RANGES = 32
# Flops a range is worth: below it, handing ranges to threads costs more than it saves.
_RANGE_WORK = 2_000_000

# Everything that lets sums be reordered and fused, but not "no NaN, no infinity": log π_k may be −inf.
_FAST = {"contract", "reassoc", "arcp", "nsz"}
_options = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": _FAST}


@njit(**_options)
def n_ranges(n, n_components, n_features):
    """Into how many ranges n rows are cut; a function of the problem alone, so that results are too."""
    blocks = (n + BLOCK - 1) // BLOCK
    work = n * n_components * n_features * (n_features + 8)
    return max(1, min(MOST_RANGES, blocks, work // _RANGE_WORK))


@njit(**_options)
def _whiten(xt, n, mean, factor, diagonal, z):
    for j in range(xt.shape[0]):
        zj, xj, mj = z[j], xt[j], mean[j]
        for b in range(n):
            zj[b] = xj[b] - mj
        if not diagonal:
            for i in range(j):
                zi, lji = z[i], factor[j, i]
                for b in range(n):
                    zj[b] -= lji * zi[b]
        scale = 1.0 / factor[j, j]
        for b in range(n):
            zj[b] *= scale


@njit(**_options)
def _log_joint(z, n, log_norm, out):
    for b in range(n):
        out[b] = 0.0
    for j in range(z.shape[0]):
        zj = z[j]
        for b in range(n):
            out[b] += zj[b] * zj[b]
    for b in range(n):
        out[b] = log_norm - 0.5 * out[b]


@njit(**_options)
def _softmax(joint, n, peak, total, log_prob):
    """Turn log p(x, z = k) (K, n) into responsibilities in place; log p(x) goes to log_prob."""
    for b in range(n):
        peak[b] = joint[0, b]
        total[b] = 0.0
    for k in range(1, joint.shape[0]):
        for b in range(n):
            peak[b] = max(peak[b], joint[k, b])
    for k in range(joint.shape[0]):
        jk = joint[k]
        for b in range(n):
            jk[b] = math.exp(jk[b] - peak[b])
            total[b] += jk[b]
    for b in range(n):
        log_prob[b] = peak[b] + math.log(total[b])
        total[b] = 1.0 / total[b]
    for k in range(joint.shape[0]):
        jk = joint[k]
        for b in range(n):
            jk[b] *= total[b]


@njit(**_options)
def _add_moments(z, n, r, diagonal, rz, m1, m2):
    m0 = 0.0
    for b in range(n):
        m0 += r[b]
    for j in range(z.shape[0]):
        zj = z[j]
        first = 0.0
        for b in range(n):
            rz[b] = r[b] * zj[b]
            first += rz[b]
        m1[j] += first
        for i in range(j if diagonal else 0, j + 1):
            zi = z[i]
            second = 0.0
            for b in range(n):
                second += rz[b] * zi[b]
            m2[j, i] += second
    return m0


@njit(**_options)
def one_range(x, start, stop, log_norms, means, factors, diagonal, row_weights, log_prob, resp, m0, m1, m2):
    """Rows start to stop: log_prob[start:stop] is written, the moments are added to m0, m1, m2.

    ``row_weights`` of length zero are ones; ``resp`` of length zero is not written.
    """
    n_components, n_features = means.shape
    xt = np.empty((n_features, BLOCK))
    z = np.empty((n_components, n_features, BLOCK))
    joint = np.empty((n_components, BLOCK))
    work = np.empty((2, BLOCK))
    for first in range(start, stop, BLOCK):
        n = min(BLOCK, stop - first)
        for b in range(n):
            for j in range(n_features):
                xt[j, b] = x[first + b, j]
        for k in range(n_components):
            factor = factors[k if factors.shape[0] > 1 else 0]
            _whiten(xt, n, means[k], factor, diagonal, z[k])
            _log_joint(z[k], n, log_norms[k], joint[k])
        _softmax(joint, n, work[0], work[1], log_prob[first : first + n])
        for k in range(n_components):
            r = joint[k]
            if resp.shape[0]:
                for b in range(n):
                    resp[first + b, k] = r[b]
            if row_weights.shape[0]:
                for b in range(n):
                    r[b] *= row_weights[first + b]
            m0[k] += _add_moments(z[k], n, r, diagonal, work[0], m1[k], m2[k])


@njit(**_options)
def some_ranges(first, step, x, log_norms, means, factors, diagonal, row_weights, log_prob, resp, m0, m1, m2):
    """Ranges first, first + step, …: m0 (R, K), m1 (R, K, D), m2 (R, K, D, D) get a row a range."""
    total = m0.shape[0]
    blocks = (x.shape[0] + BLOCK - 1) // BLOCK
    for i in range(first, total, step):
        start = i * blocks // total * BLOCK
        stop = min((i + 1) * blocks // total * BLOCK, x.shape[0])
        one_range(x, start, stop, log_norms, means, factors, diagonal, row_weights, log_prob, resp,
                  m0[i], m1[i], m2[i])  # fmt: skip


@njit(**_options)
def merge(m0, m1, m2):
    """Add the ranges' moments in their order and fill m2 above the diagonal: (K,), (K, D), (K, D, D)."""
    s0, s1, s2 = m0[0].copy(), m1[0].copy(), m2[0].copy()
    for i in range(1, m0.shape[0]):
        s0 += m0[i]
        s1 += m1[i]
        s2 += m2[i]
    for k in range(s2.shape[0]):
        for j in range(s2.shape[1]):
            for i in range(j):
                s2[k, i, j] = s2[k, j, i]
    return s0, s1, s2


@njit(**_options)
def serial_moments(x, log_norms, means, factors, diagonal, row_weights):
    """The whole pass in the calling thread, without the GIL: (log_prob, m0, m1, m2)."""
    n, (n_components, n_features) = x.shape[0], means.shape
    ranges = n_ranges(n, n_components, n_features)
    m0 = np.zeros((ranges, n_components))
    m1 = np.zeros((ranges, n_components, n_features))
    m2 = np.zeros((ranges, n_components, n_features, n_features))
    log_prob = np.empty(n)
    resp = np.empty((0, 0))
    some_ranges(0, 1, x, log_norms, means, factors, diagonal, row_weights, log_prob, resp, m0, m1, m2)
    s0, s1, s2 = merge(m0, m1, m2)
    return log_prob, s0, s1, s2
