"""How numba runs the kernel's Op: a call of the native walk from compiled graphs. PyTensor's numba rewrites load it."""

from __future__ import annotations

import numpy as np
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from bayesgmm.kernel import library, plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.ppl.op import EStep


@register_funcify_default_op_cache_key(EStep)
def _estep_numba(op, node, **kwargs):
    for routine in (library.WALK["dd"], library.PATTERNS):
        library.function(routine)  # which puts its symbol where the compiled graph finds it
    walk, walk_patterns = external(library.WALK["dd"]), external(library.PATTERNS)

    @numba_njit
    def estep(x, log_weights, means, scale_trils, row_weights, order, starts, features):
        log_weights, means = np.ascontiguousarray(log_weights), np.ascontiguousarray(means)
        factors, row_weights = np.ascontiguousarray(scale_trils), np.ascontiguousarray(row_weights)
        n, (k, d) = x.shape[0], means.shape
        f = 1 if _all_equal(factors) else k
        log_prob, sums, m0, m1, m2 = np.empty(n), np.zeros(1), np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
        memory = np.empty(plan.pattern_memory(k, d, f, d).bytes + 64, np.uint8)
        start = (np.int64(memory.ctypes.data) + 63) // 64 * 64
        spare = np.zeros(3, np.int64)  # the counter of ranges, a key that no draw asks for
        if order.shape[0]:
            cells, offsets = _packed(x, order, starts, features)
            weights, grouped = row_weights[order], np.empty(n)
            walk_patterns(_at(cells), _at(offsets), _at(starts), _at(features), features.shape[0], d, k, f, d,
                          _at(log_weights), _at(means), _at(factors), _at(weights), n, 0, _at(grouped), n, 0, 0,
                          _at(sums), _at(m0), _at(m1), _at(m2), start)  # fmt: skip
            for i in range(n):
                log_prob[order[i]] = grouped[i]
            _hold(cells, offsets, weights, starts, features)
        else:
            walk(_at(spare), _at(x), x.strides[0], x.strides[1], n, k, d, f, d, _at(log_weights), _at(means),
                 _at(factors), _at(row_weights), n, 0, _at(spare) + 8, _at(log_prob), n, 0, 0, 1, _at(sums), _at(m0),
                 _at(m1), _at(m2), start)  # fmt: skip
        for c in range(k):
            for j in range(d):
                for i in range(j):
                    m2[c, i, j] = m2[c, j, i]
        # What is named here is not freed before the calls above are over.
        _hold(log_weights, means, factors, row_weights, memory, spare, sums)
        return log_prob, m0, m1, m2

    return estep, int(library.fingerprint(library.PATTERNS), 16)


@numba_njit
def _packed(x, order, starts, features):
    """The observed cells of rows, group after group, and where each group begins."""
    offsets = np.zeros(starts.shape[0], np.int64)
    for g in range(features.shape[0]):
        offsets[g + 1] = offsets[g] + (starts[g + 1] - starts[g]) * features[g, 0]
    cells, place = np.empty(offsets[-1]), 0
    for g in range(features.shape[0]):
        for i in range(starts[g], starts[g + 1]):
            for a in range(features[g, 0]):
                cells[place] = x[order[i], features[g, 1 + a]]
                place += 1
    return cells, offsets


@numba_njit
def _all_equal(factors):
    for k in range(1, factors.shape[0]):
        for j in range(factors.shape[1]):
            for i in range(j + 1):
                if factors[k, j, i] != factors[0, j, i]:
                    return False
    return True


@numba_njit
def _at(array):
    return np.int64(array.ctypes.data)


@numba_njit
def _hold(*arrays):
    return len(arrays)
