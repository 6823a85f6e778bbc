"""Sweeps over partitions, components and their number as one C function, for every process and prior."""

from __future__ import annotations

from numba import njit, types

from bayesgmm.engines.sweeps import variates
from bayesgmm.engines.unknown import process, split, state, telescope, urn
from bayesgmm.engines.unknown.state import Place
from bayesgmm.kernel.library import WALK, Routine
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1, u1

_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))

_FILES = {
    "kernel": "assign labelled",
    "tape": "scalars",
    "engines/density": "blocks means weights",
    "engines/sweeps": "conjugate covariances means triangular variates",
    "engines/unknown": "cluster components native pair process split state telescope urn",
}
_SOURCES = tuple(f"{folder}/{name}.py" for folder, names in _FILES.items() for name in names.split())
ROUTINE = Routine("unknown", 12, __name__, _SOURCES, (WALK["dd"],))

#: What of a draw is written: its numbers; labels too; and the parameters of its clusters, or of all components.
NUMBERS, LABELS, FILLED, ALL = range(4)
#: Numbers of a draw: K, K₊, α, σ, the log-likelihood, and what the last component took of the rest.
N_NUMBERS = 6


def function(name):
    """The C function (chain, key, first, n, tune, thin, keep, numbers, labels, hypers, parameters, size) of sweeps.

    ``chain`` is laid out as `state.Place` says. Sweeps number ``first`` and so on, n of them, go on from where it
    stands; every ``thin``-th after the first ``tune`` is kept. A sweep depends on the key, its number, the rows and the
    point before it, and on nothing else. Returns how many were done; the header says why they are not n.
    """

    def run(chain, key, first, n, tune, thin, keep, numbers, labels, hypers, parameters, size):
        s, keys = i1(chain, (36,)), u1(key, (2,))
        memory = _malloc(state.room(s))
        state.enter(s, memory)
        d, width = s[Place.D], s[Place.WIDTH]
        at, law = state.standing(s), process.law_at(s[Place.LAW], s[Place.MOST], s[Place.N])
        done, q, end, most = 0, 0, 0, s[Place.SLOTS] * (1 + d + d * width) if keep >= FILLED else 0
        length = s[Place.N] if keep >= LABELS else 0
        at.header[3] = state.DONE
        if at.header[2] == 0:
            variates.begin(at.stream, keys, first)
            at.header[2] = 1
            telescope.allocate(s)
        while done < n and at.header[3] == state.DONE:
            is_wanted = first + done >= tune and (first + done - tune) % thin == thin - 1
            if is_wanted and end + most > size:
                at.header[3] = state.BRIMMING
                break
            variates.begin(at.stream, keys, first + done + 1)
            is_to_move = (first + done) % split.EVERY == 0
            if law.is_finite:
                telescope.sweep(s, law, is_to_move)
            else:
                urn.sweep(s, law, is_wanted, is_to_move)
            if at.header[3] != state.DONE:
                break
            if is_wanted:
                _write(s, d1(numbers + 8 * N_NUMBERS * q, (N_NUMBERS,)), d2(hypers + 8 * d * d * q, (d, d)))
                _copy(i1(s[Place.LABELS], (length,)), i1(labels + 8 * length * q, (length,)))
                if keep >= FILLED:
                    t = state.part(s, 0, at.header[0] if keep == ALL else at.header[1])
                    end = _write_components(t, d1(parameters, (size,)), end)
                q += 1
            done += 1
        _free(memory)
        return done

    return run


@njit(**EXACT)
def _write(s, numbers, above):
    at = state.standing(s)
    numbers[0], numbers[1] = at.header[0], at.header[1]
    _copy(at.scalars, numbers[2:])
    for i in range(above.shape[0]):
        _copy(at.hyper[i], above[i])


@njit(**EXACT)
def _copy(a, b):
    for i in range(a.shape[0]):
        b[i] = a[i]


@njit(**EXACT)
def _write_components(t, out, at):
    """log π, μ and L, one component after another; returns where they end."""
    for i in range(t.means.shape[0]):
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
