"""The E-step compiled by numba: a walk over blocks of rows. Nothing here knows about Python objects.

The points enter as z = L_k⁻¹ (x − μ_k), found by forward substitution: the difference comes first and L_k is never
inverted, which keeps the digits that the form φ(x) = (1, x, xxᵀ) loses to cancellation.

The moments about μ_k in those coordinates,  m₀ = Σ w r,  m₁ = Σ w r z,  m₂ = Σ w r z zᵀ,  are what the gradient
needs as they are: its weights w are signed, and m₀ may vanish. m₂ is (K, D, D), or (K, D, 1) for diagonal factors.

Rows are cut into ranges whose number depends on the problem alone, and whose sums are added in their order: results
are the same to the last bit for any number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from bayesgmm.kernel.assign import DRAW, HARD, draw, exponentiate, harden, soften
from bayesgmm.kernel.joints import all_joints, load, shared_joints
from bayesgmm.kernel.options import FAST
from bayesgmm.kernel.refine import refine
from bayesgmm.kernel.screen import screen
from bayesgmm.kernel.tiles import add_first_moments, add_moments, add_moments_diagonal, total


class Room(NamedTuple):
    """What a thread works in, whatever N is: a block of B rows, or a batch of them that are screened together."""

    log_prob: np.ndarray  # (batch,), always double
    xt: np.ndarray  # (D, B): rows, transposed
    whitened: np.ndarray  # (D, B): the same, where all components share a factor
    z: np.ndarray  # (K or more, D, B)
    joint: np.ndarray  # (K, batch): log joint densities, then responsibilities
    q: np.ndarray  # (batch,)
    peak: np.ndarray  # (batch,)
    sums: np.ndarray  # (batch,)
    rows: np.ndarray  # (batch,): row numbers
    members: np.ndarray  # (blocks, B): of what rows of the batch a block's z are
    label: np.ndarray  # (batch,): the component that the probes speak for
    owner: np.ndarray  # (blocks,): and of what component
    lengths: np.ndarray  # (blocks,): and how many
    last: np.ndarray  # (K,): a component's last block so far, or −1
    fine: np.ndarray  # (2, D), double
    bounds: np.ndarray  # (K, batch), single: what a row's log joint density is at most


@intrinsic
def take(typing_context, counter):
    """The counter's number, which becomes one more at the same instant for all threads."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", array.data, context.get_constant(types.int64, 1), "monotonic")

    return types.int64(counter), generate


@njit(**FAST)
def walk(counter, x, means, factors, theta, shared, screened, magnified, size, room, row_weights, assign, key,
         log_prob, resp, sums, m0, m1, m2):  # fmt: skip
    """Take ranges of the rows from the counter, as other threads may, until none is left.

    Range i adds its moments to m0[i], m1[i], m2[i] and Σ w log p to sums[i]. ``row_weights`` of length zero are ones;
    ``log_prob`` and ``resp`` of length zero are not written; moments for which there is no room are not summed: m2 of
    width zero, m0 of no component.
    """
    ranges, batch = sums.shape[0], room.rows.shape[0]
    batches = -(-x.n // batch)
    i = take(counter)
    while i < ranges:
        stop = min((i + 1) * batches // ranges * batch, x.n)
        for first in range(i * batches // ranges * batch, stop, batch):
            m = min(batch, stop - first)
            blocks = screen(x, first, m, means[0], size, theta, room) if screened else 0
            for begin in range(first, first + m, m if blocks else size):
                n = m if blocks else min(size, first + m - begin)
                for b in range(n):
                    room.rows[b] = begin + b
                if not blocks:
                    _joints(x, n, shared, theta, room)
                if magnified > 0:
                    refine(x, n, means, factors, theta, magnified, room)
                _assign(n, assign, key, room)
                sums[i] += _deliver(n, room, row_weights, log_prob, resp)
                if blocks and m0.shape[1] > 0:
                    _add_listed(blocks, room, m0[i], m1[i], m2[i])
                else:
                    _add(n, room, m0[i], m1[i], m2[i])
        i = take(counter)


@njit(**FAST)
def _joints(x, n, shared, theta, room):
    load(x, room.rows, n, theta.centre, room.xt)
    if shared:
        shared_joints(n, theta, room)
    else:
        all_joints(n, theta, room)


@njit(**FAST)
def _assign(n, assign, key, room):
    exponentiate(room.joint, n, room.peak, room.sums, room.log_prob)
    if assign == HARD:
        harden(room.joint, n, room.q)
    elif assign == DRAW:
        draw(room.joint, n, room.sums, room.rows, key, room.q)
    else:
        soften(room.joint, n, room.sums)


@njit(**FAST)
def _deliver(n, room, row_weights, log_prob, resp):
    """Write what was asked for a row, weight the responsibilities, and return Σ w log p."""
    r, lp, first = room.joint, room.log_prob, room.rows[0]
    if log_prob.shape[0]:
        for b in range(n):
            log_prob[first + b] = lp[b]
    for k in range(r.shape[0]):
        if resp.shape[0]:
            for b in range(n):
                resp[first + b, k] = r[k, b]
        if row_weights.shape[0]:
            for b in range(n):
                r[k, b] *= row_weights[first + b]
    if row_weights.shape[0]:
        for b in range(n):
            lp[b] *= row_weights[first + b]
    return total(lp, n)


@njit(**FAST)
def _add(n, room, m0, m1, m2):
    for k in range(m0.shape[0]):
        m0[k] += total(room.joint[k], n)
        _add_of_one(room.z[k], n, room.joint[k], room.xt, m1[k], m2[k])


@njit(**FAST)
def _add_of_one(z, n, r, spare, m1, m2):
    if m2.shape[1] > 1:
        add_moments(z, n, r, spare, m1, m2)
    elif m2.shape[1] > 0:
        add_moments_diagonal(z, n, r, m1, m2)
    else:
        add_first_moments(z, n, r, m1)


@njit(**FAST)
def _add_listed(blocks, room, m0, m1, m2):
    """The moments of screened rows: only of those that were evaluated, for the others count for nothing."""
    for block in range(blocks):
        k, n, r, size = room.owner[block], room.lengths[block], room.q, 0.0
        for b in range(n):
            r[b] = room.joint[k, room.members[block, b]]
        for b in range(n):
            size += abs(r[b])
        if size != 0:
            m0[k] += total(r, n)
            _add_of_one(room.z[block], n, r, room.xt, m1[k], m2[k])


@njit(**FAST)
def merge(sums, m0, m1, m2, log_likelihood, total0, total1, total2):
    """Add the ranges' moments and Σ w log p in their order to zeros, and fill m2 above the diagonal."""
    n_components, n_features, width = total2.shape
    for i in range(sums.shape[0]):
        log_likelihood[0] += sums[i]
        for k in range(n_components):
            total0[k] += m0[i, k]
            for j in range(n_features):
                total1[k, j] += m1[i, k, j]
                for h in range(min(j + 1, width)):
                    total2[k, j, h] += m2[i, k, j, h]
    for k in range(n_components):
        for j in range(width):
            for h in range(j):
                total2[k, h, j] = total2[k, j, h]
