"""Moments of rows whose labels are given: what `walk` sums up, where the labels were drawn elsewhere. Compiled."""

from __future__ import annotations

from numba import njit

from bayesgmm.kernel.options import EXACT


@njit(**EXACT)
def add_labelled(x, labels, means, factors, z, m0, m1, m2):
    """Add 1, z and z zᵀ, z = L_k⁻¹ (x − μ_k), of each row of x (N, D) to the moments of its component k.

    m₂ on and below the diagonal; ``z`` (D,) is overwritten. Factors are (K, D, D), or (K, D, 1) if diagonal.
    """
    d, is_dense = means.shape[1], m2.shape[2] > 1
    for n in range(labels.shape[0]):
        k = labels[n]
        m0[k] += 1.0
        for i in range(d):
            z[i] = x[n, i] - means[k, i]
            for j in range(i if is_dense else 0):
                z[i] -= factors[k, i, j] * z[j]
            z[i] /= factors[k, i, i if is_dense else 0]
            m1[k, i] += z[i]
            if is_dense:
                for j in range(i + 1):
                    m2[k, i, j] += z[i] * z[j]
            else:
                m2[k, i, 0] += z[i] * z[i]
