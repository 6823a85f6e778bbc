"""The kernel as C functions: what numba compiles, once, into the object code that `library` loads.

Every argument is a 64-bit integer, an address or a size, so that Python (through ctypes) and compiled graphs (through
a symbol) call the same code, and nothing of numba is needed to run it.
"""

from __future__ import annotations

from bayesgmm.kernel import plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.joints import Rows
from bayesgmm.kernel.parameters import Theta, prepare
from bayesgmm.kernel.views import d1, d2, d3, d4, i1, i2, s1, s2, s3, u1
from bayesgmm.kernel.walk import Room
from bayesgmm.kernel.walk import merge as merge_ranges
from bayesgmm.kernel.walk import walk as walk_rows


def _walk(rows, work):
    """`walk` for rows and arithmetic of these precisions ("d" or "s")."""
    read = d1 if rows == "d" else s1
    w1, w2, w3, size = (d1, d2, d3, 8) if work == "d" else (s1, s2, s3, 4)

    def function(counter, x, row_stride, column_stride, n, n_components, n_features, n_factors, width,
                 log_weights, means, factors, weights, n_weights, assign, key, log_prob, n_log_prob, resp, n_resp,
                 ranges, sums, m0, m1, m2, memory):  # fmt: skip
        block = plan.block_rows(n_components, n_features, width)
        batch = plan.batch_rows(n_components, n_features, width)
        at = plan.memory(n_components, n_features, n_factors, width, size)
        probes, line = at.probes, batch + plan.PAD
        screened = 1 if batch > block else 0
        # Sums for which there is no room are not wanted.
        summed, second = n_components if m0 != 0 else 0, width if m2 != 0 else 0
        batches, blocks, wide = (batch,), (at.blocks,), block + plan.PAD
        room = Room(
            d1(memory + at.log_prob, batches),
            w2(memory + at.xt, (n_features, wide)), w2(memory + at.whitened, (n_features, wide)),
            w3(memory + at.z, (at.blocks, n_features, wide)),
            w2(memory + at.joint, (n_components, line)),
            w1(memory + at.q, batches), w1(memory + at.q + line * size, batches),
            w1(memory + at.q + 2 * line * size, batches),
            i1(memory + at.rows, batches), i2(memory + at.members, (at.blocks * screened, block)),
            i1(memory + at.label, (batch * screened,)),
            i1(memory + at.owner, blocks), i1(memory + at.lengths, blocks), i1(memory + at.last, (n_components,)),
            d2(memory + at.fine, (2, n_features)), s2(memory + at.bounds, (n_components * screened, batch)),
        )  # fmt: skip
        theta = Theta(
            d1(memory + at.centre, (n_features,)), w1(memory + at.log_norms, (n_components,)),
            w2(memory + at.means, (n_components, n_features)),
            w2(memory + at.scales, (n_factors, n_features)), w3(memory + at.coefs, (n_factors, n_features, width)),
            w3(memory + at.directions, (n_components, probes, n_features)),
            w2(memory + at.offsets, (n_components, probes)),
        )  # fmt: skip
        given = d2(means, (n_components, n_features))
        given_factors = d3(factors, (n_factors, n_features, width))
        spare = d2(memory + at.spare, (max(width, plan.PROBES + 1), n_features))
        shared, screens, magnified = prepare(d1(log_weights, (n_components,)), given, given_factors, spare, theta)
        walk_rows(
            i1(counter, (1,)), Rows(x, row_stride, column_stride, n, read(x, (0,))), given, given_factors, theta,
            shared, screens, magnified, block, room, d1(weights, (n_weights,)), assign, u1(key, (2,)),
            d1(log_prob, (n_log_prob,)), d2(resp, (n_resp, n_components)),
            d1(sums, (ranges,)), d2(m0, (ranges, summed)), d3(m1, (ranges, summed, n_features)),
            d4(m2, (ranges, summed, n_features, second)),
        )  # fmt: skip
        return 0

    return function


def _merge(n_components, n_features, width, ranges, sums, m0, m1, m2, log_likelihood, total0, total1, total2):
    merge_ranges(
        d1(sums, (ranges,)),
        d2(m0, (ranges, n_components)),
        d3(m1, (ranges, n_components, n_features)),
        d4(m2, (ranges, n_components, n_features, width)),
        d1(log_likelihood, (1,)),
        d1(total0, (n_components,)),
        d2(total1, (n_components, n_features)),
        d3(total2, (n_components, n_features, width)),
    )
    return 0


def function(name: str):
    """What is compiled as a C function of this name; precisions are (rows, arithmetic), double or single."""
    return _merge if name == "merge" else _walk(*name.removeprefix("walk_"))
