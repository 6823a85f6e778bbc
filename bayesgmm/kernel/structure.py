"""The M-step of every covariance family as one C function: Σ_k = λ_k F_kᵀ A_k F_k, each part equal, varying or none.

Volumes λ, shapes A (diagonal, |A| = 1) and axes F are one for all components, or one for each; axes may also be those
of the features, and shapes round. What maximises −½ Σ_k (N_k log|Σ_k| + tr Σ_k⁻¹ B_k) is put together from `rotations`,
which finds axes, and `shapes`, which finds the rest.
"""

from __future__ import annotations

import math

from numba import njit, types

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.rotations import MANY, own_axes, shared_axes, turn_into
from bayesgmm.kernel.shapes import average, one_matrix, one_shape, one_volume
from bayesgmm.kernel.triangles import factor
from bayesgmm.kernel.views import d1, d2, d3

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))
#: What a part is: one for all components, one for each, or none.
EQUAL, VARYING, NONE = 0, 1, 2
_MOST = 300
#: Sweeps over shared axes up to which an M-step is but one of many, and needs no second derivatives.
FEW = 2


@njit(**EXACT)
def numbers(n_components, n_features):
    """How many numbers `m_step` needs to work with, besides a memory of axes (K, D, D) and volumes (K,)."""
    k, d = n_components, n_features
    angles = _angles(d)
    return k * d * d + 2 * k * d + d * d + k + (k + 4) * k + (angles + 3) * angles


@njit(**EXACT)
def _angles(n_features):
    """Of how many angles all second derivatives are known: those of all pairs of axes, or none."""
    return n_features * (n_features - 1) // 2 if n_features <= MANY else 0


@njit(**EXACT)
def m_step(volume, shape, axes, b, counts, frames, u, known, most, out, spare):
    """Σ (K, D, D) of statistics B (K, D, D) and N (K,); False where a covariance has no volume.

    Parameters
    ----------
    volume, shape, axes : int
        Equal, varying or none.
    b, counts : ndarray (K, D, D), (K,)
        B is used up; of the features' own axes, its diagonals alone are looked at.
    frames, u : ndarray (K, D, D), (K,)
        Axes and minus log volumes from an earlier step, if ``known``, where the search begins; and these.
    most : int
        Times that all pairs of shared axes are turned; each time Q rises.
    out : ndarray (K, D, D)
    spare : int
        The address of `numbers` to work with.
    """
    n, d = b.shape[0], b.shape[1]
    p = d3(spare, (n, d, d))
    w, variances = d2(spare + 8 * n * d * d, (n, d)), d2(spare + 8 * (n * d * d + n * d), (n, d))
    rest = spare + 8 * (n * d * d + 2 * n * d)
    square, share, work = d2(rest, (d, d)), d1(rest + 8 * d * d, (n,)), d2(rest + 8 * (d * d + n), (n + 4, n))
    angles = _angles(d) if most > FEW else 0
    newton = d2(rest + 8 * (d * d + n + (n + 4) * n), (angles + 3 if angles > 0 else 0, angles))
    if volume == VARYING and shape == EQUAL and not known:
        for k in range(n):
            s = 0.0
            for j in range(d):
                s += b[k, j, j]
            if not s > 0.0:
                return False
            u[k] = -math.log(s / (d * counts[k]))
    if axes == EQUAL and shape == EQUAL:
        return _one_shape_and_axes(volume, b, counts, u, out, p, work, square)
    if axes == VARYING and shape == VARYING:
        return _all_vary(volume, b, counts, out)
    if axes != NONE:
        _find_axes(volume, axes, b, counts, frames, known, most, p, square, share, newton)
    for k in range(n):
        for j in range(d):
            w[k, j] = b[k, j, j]
            if not w[k, j] > 0.0 and not (shape == NONE or volume == shape == EQUAL):
                return False
    if shape == NONE:
        _spheres(volume, w, counts, variances)
    elif volume == EQUAL and shape == EQUAL:
        average(w, counts, variances)
    elif volume == EQUAL:
        one_volume(w, counts, variances)
    elif shape == EQUAL:
        one_shape(w, counts, u, variances, d2(spare, (n, d)), work)
    else:
        for k in range(n):
            for j in range(d):
                variances[k, j] = w[k, j] / counts[k]
    for k in range(n):
        _put_together(variances[k], frames[k if axes == VARYING else 0], axes == NONE, out[k])
    return True


@njit(**EXACT)
def _one_shape_and_axes(volume, b, counts, u, out, p, work, square):
    """EEE and VEE: one matrix, of one volume or several."""
    if volume == VARYING:
        return one_matrix(b, counts, u, out, p, work, square)
    n, d = b.shape[0], b.shape[1]
    total = 0.0
    for k in range(n):
        total += counts[k]
    for j in range(d):
        for h in range(d):
            s = 0.0
            for k in range(n):
                s += b[k, j, h]
            for k in range(n):
                out[k, j, h] = s / total
    return True


@njit(**EXACT)
def _all_vary(volume, b, counts, out):
    """EVV and VVV: matrices of their own, of one volume or several."""
    n, d = b.shape[0], b.shape[1]
    total, sizes = 0.0, 0.0
    for k in range(n):
        size = counts[k]
        if volume == EQUAL:
            for j in range(d):
                for h in range(d):
                    out[k, j, h] = b[k, j, h]
            if not factor(out[k]):
                return False
            s = 0.0
            for j in range(d):
                s += 2.0 * math.log(out[k, j, j])
            size = math.exp(s / d)
            sizes += size
            total += counts[k]
        for j in range(d):
            for h in range(d):
                out[k, j, h] = b[k, j, h] / size
    if volume == EQUAL:
        for k in range(n):
            for j in range(d):
                for h in range(d):
                    out[k, j, h] *= sizes / total
    return True


@njit(**EXACT)
def _find_axes(volume, axes, b, counts, frames, known, most, p, square, share, newton):
    """Axes, and all B in them; of one matrix each, or shared."""
    n = b.shape[0]
    if axes == VARYING:
        for k in range(n):
            if known:
                turn_into(frames[k], b[k], square)
            else:
                _identity(frames[k])
            own_axes(b[k], frames[k])
        return
    if not known:
        _first_axes(volume, b, counts, frames, p, square, share)
    for k in range(n):
        turn_into(frames[0], b[k], square)
    shared_axes(b, counts, volume == EQUAL, most, frames[0], share, p, square, newton)


@njit(**EXACT)
def _first_axes(volume, b, counts, frames, p, square, share):
    """Of the axes of each component, and of all together, those that others can share best."""
    n, d = b.shape[0], b.shape[1]
    lowest = math.inf
    for of in range(-1, n):
        for j in range(d):
            for h in range(d):
                s = 0.0
                for k in range(n):
                    if of < 0 or of == k:
                        s += b[k, j, h]
                p[0, j, h] = s
        frame = frames[1 if n > 1 else 0]
        _identity(frame)
        own_axes(p[0], frame)
        height = 0.0
        for k in range(n):
            s = 0.0
            for j in range(d):
                q = 0.0
                for h in range(d):
                    for i in range(d):
                        q += frame[j, h] * b[k, h, i] * frame[j, i]
                s += math.log(q)
            height += math.exp(s / d) if volume == EQUAL else counts[k] * s
        if height < lowest:
            lowest = height
            for j in range(d):
                for h in range(d):
                    square[j, h] = frame[j, h]
    for j in range(d):
        for h in range(d):
            frames[0, j, h] = square[j, h]


@njit(**EXACT)
def _identity(frame):
    for j in range(frame.shape[0]):
        for h in range(frame.shape[0]):
            frame[j, h] = 1.0 if j == h else 0.0


@njit(**EXACT)
def _spheres(volume, w, counts, variances):
    """EII and VII: one variance for all features."""
    n, d = w.shape
    total, sums = 0.0, 0.0
    for k in range(n):
        s = 0.0
        for j in range(d):
            s += w[k, j]
        total += counts[k]
        sums += s
        for j in range(d):
            variances[k, j] = s / (d * counts[k])
    if volume == EQUAL:
        for k in range(n):
            for j in range(d):
                variances[k, j] = sums / (d * total)


@njit(**EXACT)
def _put_together(variances, frame, is_plain, out):
    """Fᵀ diag(v) F."""
    d = variances.shape[0]
    for j in range(d):
        for h in range(j + 1):
            s = 0.0
            if is_plain:
                s = variances[j] if h == j else 0.0
            else:
                for i in range(d):
                    s += frame[i, j] * variances[i] * frame[i, h]
            out[j, h] = s
            out[h, j] = s


def function(name):
    """The M-step as a C function; ``near`` has covariances (K, D, D) to begin at, or is 0. Returns 0 if all is well."""

    def structured(volume, shape, axes, n_components, n_features, scatters, counts, near, out):
        k, d = n_components, n_features
        room = _malloc(8 * (k * d * d + k + k * d * d + k + numbers(k, d)))
        b, frames, u = d3(room, (k, d, d)), d3(room + 8 * k * d * d, (k, d, d)), d1(room + 16 * k * d * d, (k,))
        spare = room + 8 * (2 * k * d * d + k)
        known = False
        if near != 0:
            known = begin_at(shape, axes, d3(near, (k, d, d)), b, frames, u)
        given = d3(scatters, (k, d, d))
        for i in range(k):
            for j in range(d):
                for h in range(d):
                    b[i, j, h] = given[i, j, h]
        well = m_step(volume, shape, axes, b, d1(counts, (k,)), frames, u, known, _MOST, d3(out, (k, d, d)), spare)
        _free(room)
        return 0 if well else 1

    return structured


@njit(**EXACT)
def begin_at(shape, axes, near, b, frames, u):
    """Axes and volumes of covariances, from which a search begins; False where they have none."""
    n, d = near.shape[0], near.shape[1]
    for k in range(n):
        for j in range(d):
            for h in range(d):
                b[k, j, h] = near[k, j, h]
        if not factor(b[k]):
            return False
        s = 0.0
        for j in range(d):
            s += 2.0 * math.log(b[k, j, j])
        u[k] = -s / d
    if axes == NONE or (axes == EQUAL and shape == EQUAL):
        return True
    if axes == VARYING:
        for k in range(n):
            _identity(frames[k])
        return True
    # Matrices that share their axes share them with any sum of them, and no two values of this one are equal by design.
    for j in range(d):
        for h in range(d):
            s = 0.0
            for k in range(n):
                s += (1.0 + math.sin(k + 1.0) ** 2) * near[k, j, h] * math.exp(u[k])
            b[0, j, h] = s
    _identity(frames[0])
    own_axes(b[0], frames[0])
    return True
