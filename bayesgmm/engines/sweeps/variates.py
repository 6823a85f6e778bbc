"""Random numbers for compiled code: a stream is (key, key, counter), and its numbers are hashes of its counter.

Nothing is shared between streams and nothing is kept between their uses: a sweep that begins a stream of its own, by
its chain's key and its number, draws the same whatever ran before it, or beside it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bayesgmm.kernel import assign
from bayesgmm.kernel.options import EXACT

# Numbers of rows, from 0 on, and those of a stream must not meet under one key.
_FIRST = np.uint64(2**62)
_ONE = np.uint64(1)
_TURN, _LOG_2 = 2.0 * math.pi, math.log(2.0)


@njit(**EXACT)
def begin(stream, key, number):
    """Begin the stream of this number under a chain's key (2,); its first two words are a key for rows."""
    number = np.uint64(number)
    stream[0], stream[1] = assign.word(number + number, key), assign.word(number + number + _ONE, key)
    stream[2] = _FIRST


@njit(**EXACT)
def uniform(stream):
    """In [0, 1)."""
    stream[2] += _ONE
    return assign.uniform(stream[2], stream)


@njit(**EXACT)
def normal(stream):
    """Standard normal (Box & Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(stream)))
    return radius * math.cos(_TURN * uniform(stream))


@njit(**EXACT)
def log_gamma(shape, stream):
    """The logarithm of a gamma variate of rate 1 (Marsaglia & Tsang 2000): it holds where the variate underflows."""
    boost = 0.0
    if shape < 1.0:
        boost = math.log(1.0 - uniform(stream)) / shape
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(stream)
        v = 1.0 + c * x
        if v > 0.0:
            v = v * v * v
            if math.log(1.0 - uniform(stream)) < 0.5 * x * x + d - d * v + d * math.log(v):
                return math.log(d * v) + boost


@njit(**EXACT)
def log_dirichlet(w, stream):
    """w (K,), the concentrations, becomes centred logarithms of a Dirichlet variate."""
    total = 0.0
    for k in range(w.shape[0]):
        w[k] = log_gamma(w[k], stream)
        total += w[k]
    for k in range(w.shape[0]):
        w[k] -= total / w.shape[0]


@njit(**EXACT)
def bartlett(dof, a, turned, stream):
    """A lower triangular A (D, D) with A Aᵀ ~ Wishart(ν, I), or Aᵀ A where ``turned`` (Bartlett 1933).

    A_ii² ~ χ²(ν − i + 1), or χ²(ν − D + i) where turned, i from 1; A_ij ~ N(0, 1) below the diagonal, 0 above it.
    """
    d = a.shape[0]
    for i in range(d):
        for j in range(i):
            a[i, j] = normal(stream)
        own = dof - d + 1 + i if turned else dof - i
        a[i, i] = math.exp(0.5 * (_LOG_2 + log_gamma(0.5 * own, stream)))
        for j in range(i + 1, d):
            a[i, j] = 0.0


@njit(**EXACT)
def shuffle(order, stream):
    """order (K,) of integers becomes a random permutation of 0 … K − 1 (Fisher & Yates; Durstenfeld 1964)."""
    for i in range(order.shape[0]):
        order[i] = i
    for i in range(order.shape[0] - 1, 0, -1):
        j = int(uniform(stream) * (i + 1))
        order[i], order[j] = order[j], order[i]
