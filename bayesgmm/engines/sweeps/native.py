"""Sweeps of a Gibbs sampler as one compiled loop: labels by the kernel, parameters by a prior's file of this folder.

A sweep draws every row's label given the mixture, and the mixture given the labels (Diebolt & Robert 1994): the kernel
returns the moments of the rows that each component was given, and nothing else of the rows is needed. The point is u
of `engines.density`, so that a Gibbs draw and a NUTS draw are read alike.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, types

from bayesgmm.engines.density import blocks, weights
from bayesgmm.engines.sweeps import variates
from bayesgmm.kernel import assign, plan, sizes  # noqa: F401 (sizes lets compiled code call plan)
from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK, Routine
from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import d1, d2, i1, u1

_walk = external(WALK["dd"])
_malloc = types.ExternalFunction("malloc", types.int64(types.int64))
_free = types.ExternalFunction("free", types.void(types.int64))


def routine(home: str, density: Routine, *files: str) -> Routine:
    """The sweeps of a prior, written in files of this folder, under the density of one of `engines.density`."""
    file = home.rsplit(".")[-1]
    shared = ("native", "variates", "weights", "triangular", "covariances")
    own = tuple(f"engines/sweeps/{name}.py" for name in (*shared, *files, file))
    return Routine(f"sweeps_{file}", 9, home, (*density.sources, "kernel/assign.py", *own), (WALK["dd"],))


class Space(NamedTuple):
    """What a chain works in beside a `blocks.Turn`, which holds the mixture and the moments."""

    stream: np.ndarray  # (3,) unsigned: the random numbers of a sweep
    counter: np.ndarray  # (1,) integer: of the kernel's ranges
    likelihood: np.ndarray  # (1,)
    point: np.ndarray  # (p,): u
    other: np.ndarray  # (p,): the same under other labels
    logs: np.ndarray  # (K,)
    order: np.ndarray  # (K,) integers


def sweeps(enter, draw, above=0):
    """The C function (problem, p, u, first, n, key, moves, points, heights) of a prior: how many sweeps were done.

    ``problem`` is that of a `Density` of complete rows without case weights. Sweeps number ``first`` and so on, n of
    them, start from u (p,) and write each point to ``points`` (n, p), and its log density, as the `Density` has it, to
    ``heights`` (n,). A sweep depends on the key (2,), its number, the rows and the point before it, and on nothing
    else. They stop short of a point that has no density in double precision.

    ``enter`` is the prior's, as `blocks` says. ``draw(constants, t, space)`` fills the point, given the moments in t.
    ``above`` is 1 where as many numbers as one covariance has stand above them in u. Where ``moves`` is not 0, every
    sweep ends with a random order of the components.
    """

    def run(problem, p, u, first, n, key, moves, points, heights):
        size = i1(problem, (13,))
        d, k, f, width = size[5], size[6], size[7], size[8]
        at, walk = blocks.places(k, d, f, width), plan.memory(k, d, f, width, 8).bytes
        start = at.walk + (walk + 63) // 64 * 64
        room = _malloc(start + 8 * (5 + 2 * p + 2 * k) + 64)
        memory = (room + 63) // 64 * 64
        t, space = blocks.turn(memory, k, d, f, width), _space(memory + start, p, k)
        constants, keys = d1(size[11], (size[12],)), u1(key, (2,))
        out, values = d2(points, (n, p)), d1(heights, (n,))
        _copy(d1(u, (p,)), space.point)
        variates.begin(space.stream, keys, first)
        value = enter(space.point, constants, t)
        inside, done = _allocate(value, size, memory, start, t, space), 0
        while inside and done < n:
            draw(constants, t, space)
            if moves != 0:
                _relabel(constants, above, t, space)
            variates.begin(space.stream, keys, first + done + 1)
            value = enter(space.point, constants, t)
            inside = _allocate(value, size, memory, start, t, space)
            if inside:
                _copy(space.point, out[done])
                values[done] = value + space.likelihood[0]
                done += 1
        _free(room)
        return done

    return run


@njit(**EXACT)
def _space(base, p, k):
    point = base + 40
    logs = point + 16 * p
    return Space(
        u1(base, (3,)), i1(base + 24, (1,)), d1(base + 32, (1,)), d1(point, (p,)), d1(point + 8 * p, (p,)),
        d1(logs, (k,)), i1(logs + 8 * k, (k,)),
    )  # fmt: skip


@njit(**EXACT)
def _copy(a, b):
    for i in range(a.shape[0]):
        b[i] = a[i]


@njit(**EXACT)
def _allocate(value, size, memory, start, t, space):
    """Draw every row's label, and sum the moments of the rows that each component gets; False outside the density."""
    if not blocks.begin(value, t):
        return False
    d, k, f, width = size[5], size[6], size[7], size[8]
    at, base = blocks.places(k, d, f, width), memory + start
    rows = i1(size[2], (size[4] + 1,))[size[4]]
    space.counter[0], space.likelihood[0] = 0, 0.0
    _walk(base + 24, size[0], 8 * d, 8, rows, k, d, f, width, memory, memory + at.means, memory + at.factors, 0, 0,
          assign.DRAW, base, 0, 0, 0, 0, 1, base + 32, memory + at.m0, memory + at.m1, memory + at.m2,
          memory + at.walk)  # fmt: skip
    return math.isfinite(space.likelihood[0])


@njit(**EXACT)
def covariances_in(c, above, t, space):
    """Where the covariances begin in u, and how many numbers each has; ``c`` are the constants of `density.weights`."""
    k, d = t.means.shape
    first = weights.end(c, k)
    size = (space.point.shape[0] - first - k * d) // (t.factors.shape[0] + above)
    return first + above * size, size


@njit(**EXACT)
def _relabel(c, above, t, space):
    """Propose a random order of the components, of equal density but for the weights', and accept it by that.

    With one α for all every order is accepted: this is the permutation sampler (Frühwirth-Schnatter 2001).
    """
    k, d = t.means.shape
    first, size = covariances_in(c, above, t, space)
    u, other, logs, order = space.point, space.other, space.logs, space.order
    start = weights.end(c, k) - (k - 1)
    variates.shuffle(order, space.stream)
    last, ratio = 0.0, 0.0
    for i in range(k - 1):
        logs[i] = u[start + i]
        last -= logs[i]
    logs[k - 1] = last
    for i in range(k if start == 0 else 0):
        ratio += c[4 + i] * (logs[order[i]] - logs[i])
    if math.log(1.0 - variates.uniform(space.stream)) > ratio:
        return
    _copy(u, other)
    means = u.shape[0] - k * d
    for i in range(k):
        if i < k - 1:
            u[start + i] = logs[order[i]]
        for j in range(size if t.factors.shape[0] > 1 else 0):
            u[first + i * size + j] = other[first + order[i] * size + j]
        for j in range(d):
            u[means + i * d + j] = other[means + order[i] * d + j]
