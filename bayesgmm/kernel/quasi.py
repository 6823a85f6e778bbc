"""Limited-memory quasi-Newton steps, compiled: what `fit.accelerate.Curvature` is, over arrays that are handed in."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bayesgmm.kernel.options import EXACT, FAST

# Pairs remembered; the first reach of a step, the furthest and the shortest.
MEMORY, RADIUS, WIDEST, NARROWEST = 30, 1.0, 3.0, 1e-2


class Pairs(NamedTuple):
    """Steps s and falls y of the residual along them, |s| = 1; a ring."""

    steps: np.ndarray  # (MEMORY, p)
    falls: np.ndarray  # (MEMORY, p)
    slopes: np.ndarray  # (MEMORY,), sᵀy
    state: np.ndarray  # (3,): how many there are, where the next one goes, whether the last was concave
    along: np.ndarray  # (MEMORY,)


@njit(**FAST)
def dot(a, b):
    """aᵀb."""
    s = 0.0
    for i in range(a.shape[0]):
        s += a[i] * b[i]
    return s


@njit(**EXACT)
def learn(pairs, step, here, there):
    """Remember a step and how much the residual fell, unless the objective was not concave along it."""
    square, product = dot(step, step), dot(step, here) - dot(step, there)
    concave = square > 0.0 and product > 1e-10 * square
    pairs.state[2] = 1 if concave else 0
    if not concave:
        return
    at, length = pairs.state[1], math.sqrt(square)
    for i in range(step.shape[0]):
        pairs.steps[at, i] = step[i] / length
        pairs.falls[at, i] = (here[i] - there[i]) / length
    pairs.slopes[at] = product / square
    pairs.state[1] = (at + 1) % MEMORY
    pairs.state[0] = min(pairs.state[0] + 1, MEMORY)


@njit(**EXACT)
def direct(pairs, residual, out):
    """The quasi-Newton step (Nocedal 1980), from a first guess that is at least the residual itself."""
    count, newest = pairs.state[0], pairs.state[1] - 1
    for i in range(residual.shape[0]):
        out[i] = residual[i]
    for back in range(count):
        at = (newest - back) % MEMORY
        pairs.along[at] = dot(pairs.steps[at], out) / pairs.slopes[at]
        _add(-pairs.along[at], pairs.falls[at], out)
    last = newest % MEMORY
    size = max(1.0, pairs.slopes[last] / dot(pairs.falls[last], pairs.falls[last]))
    for i in range(residual.shape[0]):
        out[i] *= size
    for back in range(count - 1, -1, -1):
        at = (newest - back) % MEMORY
        _add(pairs.along[at] - dot(pairs.falls[at], out) / pairs.slopes[at], pairs.steps[at], out)


@njit(**FAST)
def _add(size, vector, out):
    for i in range(out.shape[0]):
        out[i] += size * vector[i]


@njit(**EXACT)
def decrement(pairs, square):
    """Newton's decrement, of a residual's squared length; infinite as long as it cannot be told."""
    if pairs.state[0] < 2 or pairs.state[2] == 0:
        return math.inf
    least = 1.0
    for at in range(pairs.state[0]):
        least = min(least, pairs.slopes[at])
    return square / least
