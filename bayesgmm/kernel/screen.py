"""Many features: find out cheaply which components a row may belong to at all, and evaluate only those.

Along orthonormal directions in whitened coordinates, a row's distance from a component is at most its whole distance.
A few such probes, turned to where the other means lie, bound each log joint density from above at a small part of its
cost. What comes out is what evaluating everything would give: a component is left out of a row only where its
responsibility would be below `NEGLIGIBLE` and count as zero anyway.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from bayesgmm.kernel.arithmetic import NEGLIGIBLE
from bayesgmm.kernel.joints import load, log_joint
from bayesgmm.kernel.options import FAST
from bayesgmm.kernel.tiles import project, whiten

# What a bound may be off by rounding, as a part of a squared distance.
_SLACK = 0.01


@njit(**FAST)
def screen(x, first, m, origin, size, theta, room):
    """Joint densities of rows first … first + m − 1, and the blocks of z they come from.

    Returns the number of blocks, or 0 where too many components come into question for this to pay.
    """
    n_components = theta.means.shape[0]
    _bound_all(x, first, m, origin, size, theta, room)
    for k in range(n_components):
        for i in range(m):
            room.joint[k, i] = -np.inf
    blocks = 0
    for k in range(n_components):
        listed = _list(k, m, size, True, room, blocks)
        _evaluate(x, first, k, blocks, listed, theta, room)
        blocks = listed
    for i in range(m):
        room.bounds[room.label[i], i] = -np.inf  # done
    needed = blocks
    for k in range(n_components):
        needed += -(-_count(k, m, room) // size)
    if needed > room.z.shape[0]:
        return 0
    for k in range(n_components):
        listed = _list(k, m, size, False, room, blocks)
        _evaluate(x, first, k, blocks, listed, theta, room)
        blocks = listed
    return blocks


@njit(**FAST)
def _bound_all(x, first, m, origin, size, theta, room):
    """Bound every joint density, and label each row with the component of the largest bound."""
    for start in range(0, m, size):
        n = min(size, m - start)
        for b in range(n):
            room.rows[b] = first + start + b
        load(x, room.rows, n, origin, room.xt)
        for k in range(theta.means.shape[0]):
            bound = room.bounds[k, start : start + n]
            _bound(n, k, theta, room, bound)
            for b in range(n):
                if k == 0 or bound[b] > room.bounds[room.label[start + b], start + b]:
                    room.label[start + b] = k


@njit(**FAST)
def _bound(n, k, theta, room, bound):
    q, along, half = room.q, room.sums, np.float64(0.5 * (1 - _SLACK))
    for b in range(n):
        q[b] = q.dtype.type(0)
    for p in range(theta.directions.shape[1]):
        for b in range(n):
            along[b] = -theta.offsets[k, p]
        project(room.xt, n, theta.directions[k, p], along)
        for b in range(n):
            q[b] += along[b] * along[b]
    for b in range(n):
        bound[b] = theta.log_norms[k] - half * q[b]


@njit(**FAST)
def _count(k, m, room):
    """How many rows a component comes into question for; where the bound is NaN, it does."""
    n, bound, peak = 0, room.bounds[k], room.peak
    for i in range(m):
        n += 0 if bound[i] - peak[i] < NEGLIGIBLE else 1
    return n


@njit(**FAST)
def _list(k, m, size, likely, room, blocks):
    """Put the rows labelled k, or else those for which k comes into question, into blocks; returns the next block."""
    n = 0
    for i in range(m):
        if (likely and room.label[i] == k) or (not likely and not room.bounds[k, i] - room.peak[i] < NEGLIGIBLE):
            room.members[blocks, n] = i
            room.owner[blocks] = k
            n += 1
            room.lengths[blocks] = n
            if n == size:
                blocks, n = blocks + 1, 0
    return blocks + 1 if n else blocks


@njit(**FAST)
def _evaluate(x, first, k, begin, end, theta, room):
    f = k if theta.scales.shape[0] > 1 else 0
    for block in range(begin, end):
        n, members, value = room.lengths[block], room.members[block], room.sums
        for b in range(n):
            room.rows[b] = first + members[b]
        load(x, room.rows, n, theta.centre, room.xt)
        whiten(room.xt, n, theta.means[k], theta.scales[f], theta.coefs[f], room.z[block], room.q)
        log_joint(room.q, n, theta.log_norms[k], value)
        for b in range(n):
            room.joint[k, members[b]] = value[b]
            likely = room.label[members[b]] == k
            room.peak[members[b]] = value[b] if likely else max(room.peak[members[b]], value[b])
