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
from bayesgmm.kernel.tiles import probe, whiten

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
        room.last[k] = -1
        for i in range(m):
            room.joint[k, i] = -np.inf
    likely = 0
    for i in range(m):
        likely = _list(room.label[i], i, size, likely, room)
    _evaluate(x, first, 0, likely, theta, room)
    blocks = likely
    for k in range(n_components):
        room.last[k] = -1
        bound = room.bounds[k]
        for i in range(m):
            # Where a bound is NaN, the component comes into question.
            if not bound[i] - room.peak[i] < NEGLIGIBLE and room.label[i] != k:
                if blocks == room.z.shape[0] and (room.last[k] < 0 or room.lengths[room.last[k]] == size):
                    return 0
                blocks = _list(k, i, size, blocks, room)
    _evaluate(x, first, likely, blocks, theta, room)
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
            probe(room.xt, n, theta.directions[k], theta.offsets[k], room.q)
            _bound(k, n, theta.log_norms[k], room.q, room.peak, room.bounds[k, start:], room.label[start:])


@njit(**FAST)
def _bound(k, n, log_norm, q, highest, bound, label):
    half = np.float64(0.5 * (1 - _SLACK))
    for b in range(n):
        value = q.dtype.type(log_norm - half * q[b])
        above = k == 0 or value > highest[b]
        bound[b] = value
        highest[b] = value if above else highest[b]
        label[b] = k if above else label[b]


@njit(**FAST)
def _list(k, i, size, blocks, room):
    """Put a row into the component's last block, or into a new one; returns how many blocks there are."""
    block = room.last[k]
    if block < 0 or room.lengths[block] == size:
        block = room.last[k] = blocks
        room.owner[block], room.lengths[block] = k, 0
        blocks += 1
    room.members[block, room.lengths[block]] = i
    room.lengths[block] += 1
    return blocks


@njit(**FAST)
def _evaluate(x, first, begin, end, theta, room):
    for block in range(begin, end):
        k, n, members, value = room.owner[block], room.lengths[block], room.members[block], room.sums
        f = k if theta.scales.shape[0] > 1 else 0
        for b in range(n):
            room.rows[b] = first + members[b]
        load(x, room.rows, n, theta.centre, room.xt)
        whiten(room.xt, n, theta.means[k], theta.scales[f], theta.coefs[f], room.z[block], room.q)
        log_joint(room.q, n, theta.log_norms[k], value)
        for b in range(n):
            room.joint[k, members[b]] = value[b]
            likely = room.label[members[b]] == k
            room.peak[members[b]] = value[b] if likely else max(room.peak[members[b]], value[b])
