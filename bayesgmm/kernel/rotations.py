"""Axes of covariances, by rotations of two of them at a time: of one matrix, or of several that share them.

Axes are the rows of a frame F: a matrix B has F B Fᵀ in it. Rotations start at the frame that is given, so that a
frame which is nearly right costs little.
"""

from __future__ import annotations

import math

from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.triangles import factor, solve

# Sweeps over all pairs of axes; those of a single matrix settle in about six.
_SWEEPS, _NEWTON = 30, 4
# An angle is settled below this; below the second its gain is known without being looked at.
_EPS, _SMALL = 2e-16, 1e-5
_WIDEST = 0.7853981633974483  # axes may change their places, so half a quarter turn is the most
# Twice the log-likelihood that a sweep still gains when shared axes have settled; and a step in all angles at once,
# which leaves far less than it gains.
_SETTLED, _LAST = 1e-11, 1e-7
# Features from which on second derivatives in all angles would be more work than they save.
MANY = 16


@njit(**EXACT)
def turn_into(frame, b, spare):
    """F B Fᵀ in place of B."""
    d = b.shape[0]
    for i in range(d):
        for j in range(d):
            s = 0.0
            for h in range(d):
                s += frame[i, h] * b[h, j]
            spare[i, j] = s
    for i in range(d):
        for j in range(i + 1):
            s = 0.0
            for h in range(d):
                s += spare[i, h] * frame[j, h]
            b[i, j] = s
            b[j, i] = s


@njit(**EXACT)
def _rotate(b, i, j, c, s):
    """B as it looks when axes i and j turn by an angle of cosine c and sine s."""
    a, e, o = b[i, i], b[j, j], b[i, j]
    for h in range(b.shape[0]):
        x, y = b[i, h], b[j, h]
        b[i, h] = c * x + s * y
        b[j, h] = c * y - s * x
        b[h, i] = b[i, h]
        b[h, j] = b[j, h]
    b[i, i] = c * c * a + 2.0 * c * s * o + s * s * e
    b[j, j] = s * s * a - 2.0 * c * s * o + c * c * e
    b[i, j] = c * s * (e - a) + (c * c - s * s) * o
    b[j, i] = b[i, j]


@njit(**EXACT)
def _turn_axes(frame, i, j, c, s):
    for h in range(frame.shape[0]):
        x, y = frame[i, h], frame[j, h]
        frame[i, h] = c * x + s * y
        frame[j, h] = c * y - s * x


@njit(**EXACT)
def own_axes(b, frame):
    """Turn a frame, and B in it, until B is diagonal, its values falling (Jacobi 1846)."""
    d = b.shape[0]
    for _ in range(_SWEEPS):
        done = True
        for i in range(d):
            for j in range(i):
                if not abs(b[i, j]) > _EPS * math.sqrt(abs(b[i, i] * b[j, j])):
                    continue
                done = False
                zeta = (b[i, i] - b[j, j]) / (2.0 * b[i, j])
                t = 1.0 / (zeta + math.copysign(math.sqrt(zeta * zeta + 1.0), zeta))
                c = 1.0 / math.sqrt(t * t + 1.0)
                _rotate(b, i, j, c, c * t)
                _turn_axes(frame, i, j, c, c * t)
        if done:
            break
    for i in range(d):
        largest = i
        for j in range(i + 1, d):
            if b[j, j] > b[largest, largest]:
                largest = j
        if largest != i:
            b[i, i], b[largest, largest] = b[largest, largest], b[i, i]
            for h in range(d):
                frame[i, h], frame[largest, h] = frame[largest, h], frame[i, h]


@njit(**EXACT)
def shared_axes(b, counts, equal_volume, most, frame, share, kept, square, newton):
    """Turn a frame, and all B (K, D, D) in it, to the best axes that components can share.

    With volumes of their own, axes are best where Σ_k N_k Σ_j log (F B_k Fᵀ)_jj is least, which Flury (1984) calls
    common principal components; with an equal volume, where Σ_k Π_j (F B_k Fᵀ)_jj^(1/D) is. Pairs of axes turn, one
    after another, by the angle that Newton has for each, or by less, so that neither ever rises; and near the end all
    of them at once (`newton` has room for the second derivatives, if there are few).
    """
    total = 0.0
    for k in range(b.shape[0]):
        total += counts[k]
    unit = total if equal_volume else 1.0
    for _ in range(most):
        if not unit * _sweep(b, counts, equal_volume, frame, share) > _SETTLED:
            break
        if newton.shape[0] > 0 and _all_at_once(b, counts, equal_volume, frame, share, kept, square, newton, unit):
            break


@njit(**EXACT)
def _sweep(b, counts, equal_volume, frame, share):
    """Turn each pair of axes once; about twice what that gained."""
    gain = 0.0
    for i in range(b.shape[1]):
        for j in range(i):
            _shares(b, counts, equal_volume, share)
            angle, slope = _angle(b, share, equal_volume, i, j)
            if abs(angle) > _SMALL:
                angle = _shorter(b, share, equal_volume, i, j, angle)
            if angle != 0.0:
                gain += abs(angle * slope)
                _turn(b, frame, i, j, angle)
    return gain


@njit(**EXACT)
def _turn(b, frame, i, j, angle):
    c, s = math.cos(angle), math.sin(angle)
    for k in range(b.shape[0]):
        _rotate(b[k], i, j, c, s)
    _turn_axes(frame, i, j, c, s)


@njit(**EXACT)
def _all_at_once(b, counts, equal_volume, frame, share, kept, square, newton, unit):
    """Newton's steps in all angles together, as long as they gain; True where they leave nothing to gain."""
    n, d = b.shape[0], b.shape[1]
    rotations = d * (d - 1) // 2
    for _ in range(_NEWTON):
        height = _height(b, counts, equal_volume)
        _shares(b, counts, equal_volume, share)
        slope, step = newton[rotations], newton[rotations + 1]
        _derivatives(b, share, equal_volume, newton)
        if not _step(newton, slope, step):
            return False
        decrement = 0.0
        for i in range(rotations):
            decrement -= step[i] * slope[i]
        for k in range(n):
            for i in range(d):
                for j in range(d):
                    kept[k, i, j] = b[k, i, j]
                    square[i, j] = frame[i, j]
        at = 0
        for i in range(d):
            for j in range(i):
                _turn(b, frame, i, j, step[at])
                at += 1
        if not _height(b, counts, equal_volume) <= height + 1e-14 * abs(height):
            for k in range(n):
                for i in range(d):
                    for j in range(d):
                        b[k, i, j] = kept[k, i, j]
                        frame[i, j] = square[i, j]
            return False
        if unit * decrement < _LAST:
            return True
    return False


@njit(**EXACT)
def _step(newton, slope, step):
    """Newton's step; where the criterion is not convex, one that is shorter the less convex it is (Levenberg 1944)."""
    rotations = newton.shape[1]
    matrix, diagonal = newton[:rotations], newton[rotations + 2]
    size = 0.0
    for i in range(rotations):
        diagonal[i] = matrix[i, i]
        size += abs(matrix[i, i]) / rotations
        for j in range(i):
            matrix[j, i] = matrix[i, j]
    ridge = 0.0
    for _ in range(6):
        for i in range(rotations):
            for j in range(i):
                matrix[i, j] = matrix[j, i]
            matrix[i, i] = diagonal[i] + ridge
        if factor(matrix):
            for i in range(rotations):
                step[i] = -slope[i]
            solve(matrix, step)
            return True
        ridge = max(10.0 * ridge, 1e-3 * size)
    return False


@njit(**EXACT)
def _height(b, counts, equal_volume):
    """The criterion, or its logarithm where volumes are equal."""
    n, d = b.shape[0], b.shape[1]
    found, highest = 0.0, -math.inf
    for k in range(n):
        s = 0.0
        for j in range(d):
            s += math.log(b[k, j, j])
        if not equal_volume:
            found += counts[k] * s
        elif s / d > highest:
            found = found * math.exp(highest - s / d) + 1.0
            highest = s / d
        else:
            found += math.exp(s / d - highest)
    return highest + math.log(found) if equal_volume else found


@njit(**EXACT)
def _pair(i, j):
    return i * (i - 1) // 2 + j if i > j else j * (j - 1) // 2 + i


@njit(**EXACT)
def _derivatives(b, share, equal_volume, newton):
    """First and second derivatives of the criterion in the angles of all pairs.

    Turned by exp X, a diagonal becomes b_jj + 2 Σ_h X_jh b_hj + Σ_hm X_jh (X_jm b_hm + X_hm b_mj) and so on. The
    criterion is a sum over components of shares times Σ_j log b_jj, or the logarithm of one over exponentials of them.
    """
    n, d = b.shape[0], b.shape[1]
    rotations = d * (d - 1) // 2
    slope, own = newton[rotations], newton[rotations + 2]
    for i in range(rotations + 1):
        for j in range(rotations):
            newton[i, j] = 0.0
    for k in range(n):
        for i in range(rotations):
            own[i] = 0.0
        for j in range(d):
            each = 1.0 / b[k, j, j]
            for h in range(d):
                if h == j:
                    continue
                one, sign = _pair(j, h), 1.0 if j > h else -1.0
                own[one] += 2.0 * sign * each * b[k, h, j]
                for m in range(d):
                    if m != j:
                        other = _pair(j, m)
                        way = sign if j > m else -sign
                        newton[one, other] += 2.0 * share[k] * way * each * (
                            b[k, h, m] - 2.0 * each * b[k, h, j] * b[k, m, j])  # fmt: skip
                    if m != h:
                        other = _pair(h, m)
                        way = sign if h > m else -sign
                        half = share[k] * way * each * b[k, m, j]
                        newton[one, other] += half
                        newton[other, one] += half
        for i in range(rotations):
            slope[i] += share[k] * own[i]
            for j in range(i + 1 if equal_volume else 0):
                newton[i, j] += share[k] * own[i] * own[j] / d
    for i in range(rotations if equal_volume else 0):
        for j in range(i + 1):
            newton[i, j] -= slope[i] * slope[j] / d


@njit(**EXACT)
def _shares(b, counts, equal_volume, share):
    """Of each component, how much of the criterion its logarithms move; they add up to 1 where volumes are equal."""
    n, d = b.shape[0], b.shape[1]
    if not equal_volume:
        for k in range(n):
            share[k] = counts[k]
        return
    highest = -math.inf
    for k in range(n):
        s = 0.0
        for j in range(d):
            s += math.log(b[k, j, j])
        share[k] = s / d
        highest = max(highest, share[k])
    s = 0.0
    for k in range(n):
        share[k] = math.exp(share[k] - highest)
        s += share[k]
    for k in range(n):
        share[k] /= s


@njit(**EXACT)
def _angle(b, share, equal_volume, i, j):
    """Newton's angle, by which axes i and j want to turn, and the slope of the criterion."""
    d, slope, curve = b.shape[1], 0.0, 0.0
    for k in range(b.shape[0]):
        a, e, o = b[k, i, i], b[k, j, j], b[k, i, j]
        first = 2.0 * o * (1.0 / a - 1.0 / e)
        second = 2.0 * (e / a + a / e - 2.0) - 4.0 * o * o * (1.0 / (a * a) + 1.0 / (e * e))
        slope += share[k] * first
        curve += share[k] * (second + (first * first / d if equal_volume else 0.0))
    if equal_volume:
        curve -= slope * slope / d
    if slope == 0.0 and not curve < 0.0:
        return 0.0, 0.0
    if curve > 0.0:
        return max(-_WIDEST, min(_WIDEST, -slope / curve)), slope
    return -math.copysign(_WIDEST, slope), slope


@njit(**EXACT)
def _shorter(b, share, equal_volume, i, j, angle):
    """An angle that lowers the criterion: this one, or the next half of it that does."""
    for _ in range(40):
        c, s, change = math.cos(angle), math.sin(angle), 0.0
        for k in range(b.shape[0]):
            a, e, o = b[k, i, i], b[k, j, j], b[k, i, j]
            one, other = c * c * a + 2.0 * c * s * o + s * s * e, s * s * a - 2.0 * c * s * o + c * c * e
            grown = math.log(one * other / (a * e))
            change += share[k] * (math.exp(grown / b.shape[1]) - 1.0 if equal_volume else grown)
        if change < 0.0:
            return angle
        angle *= 0.5
    return 0.0
