"""Sweeps over partitions, components and their number as one C function, for every process and prior."""

from __future__ import annotations

from numba import njit, types

from bayesgmm.engines.sweeps import variates
from bayesgmm.engines.unknown import process, telescope, urn
from bayesgmm.engines.unknown.state import BRIMMING, DONE, room, state, turn
from bayesgmm.kernel.library import WALK, Routine
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, d3, i1, i2, u1

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))

_FILES = {
    "kernel": "assign labelled",
    "tape": "scalars",
    "engines/density": "blocks means weights",
    "engines/sweeps": "conjugate covariances means triangular variates",
    "engines/unknown": "components native process state telescope urn",
}
_SOURCES = tuple(f"{folder}/{name}.py" for folder, names in _FILES.items() for name in names.split())
ROUTINE = Routine("unknown", 12, __name__, _SOURCES, (WALK["dd"],))

#: Which components of a kept draw are written.
NONE, FILLED, ALL = 0, 1, 2
#: Numbers of a kept draw: K, K₊, α, σ, the log-likelihood, and what the last component took of the rest.
NUMBERS = 6


def function(name):
    """The C function (problem, key, first, n, tune, thin, keep, numbers, labels, hypers, parameters, size) of sweeps.

    ``problem`` is laid out by `chain.Chain`. Sweeps number ``first`` and so on, n of them, go on from where the chain
    stands; every ``thin``-th after the first ``tune`` is kept, with all of its components, the filled ones or none. A
    sweep depends on the key, its number, the rows and the point before it, and on nothing else. Returns how many were
    done; the header says why they are not n.
    """

    def run(problem, key, first, n, tune, thin, keep, numbers, labels, hypers, parameters, size):
        p, keys = i1(problem, (21,)), u1(key, (2,))
        n_rows, d, width, slots = p[1], p[2], p[3], p[4]
        memory = _malloc(room(p))
        t, s = turn(p, (memory + 63) // 64 * 64), state(p, (memory + 63) // 64 * 64)
        law = process.law_at(p[19], p[5], n_rows)
        header, done, q, end, most = s.header, 0, 0, 0, slots * (1 + d + d * width) if keep != NONE else 0
        out, allocations = d2(numbers, (n, NUMBERS)), i2(labels, (n, n_rows))
        above, theta = d3(hypers, (n, d, d)), d1(parameters, (size,))
        header[3] = DONE
        if header[2] == 0:
            variates.begin(s.stream, keys, first)
            header[2] = 1
            telescope.allocate(s.labels, True, t, s)
        while done < n and header[3] == DONE:
            is_wanted = first + done >= tune and (first + done - tune) % thin == thin - 1
            if is_wanted and end + most > size:
                header[3] = BRIMMING
                break
            variates.begin(s.stream, keys, first + done + 1)
            if law.is_finite:
                telescope.sweep(law, allocations[q], is_wanted, t, s)
            else:
                urn.sweep(law, is_wanted, t, s)
            if header[3] != DONE:
                break
            if is_wanted:
                _write(law, allocations[q], above[q], out[q], s)
                if keep != NONE:
                    end = _write_components(header[0] if keep == ALL else header[1], t, theta, end)
                q += 1
            done += 1
        _free(memory)
        return done

    return run


@njit(**EXACT)
def _write(law, labels, above, out, s):
    out[0], out[1] = s.header[0], s.header[1]
    for i in range(4):
        out[2 + i] = s.scalars[i]
    for i in range(above.shape[0]):
        for j in range(above.shape[1]):
            above[i, j] = s.hyper[i, j]
    for row in range(0 if law.is_finite else labels.shape[0]):
        labels[row] = s.labels[row]


@njit(**EXACT)
def _write_components(k, t, out, at):
    """log π, μ and L of the first k components, one component after another; returns where they end."""
    for i in range(k):
        out[at] = t.log_weights[i]
        at += 1
        for j in range(t.means.shape[1]):
            out[at] = t.means[i, j]
            at += 1
        for j in range(t.factors.shape[1]):
            for h in range(t.factors.shape[2]):
                out[at] = t.factors[i, j, h]
                at += 1
    return at
