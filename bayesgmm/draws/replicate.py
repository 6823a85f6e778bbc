"""Rows drawn from every draw of a posterior: data as they would be, were it all to happen again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws

# Doubles of factors that are gathered at once.
_BLOCK = 4_000_000


def replicates(mixtures: MixtureDraws, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Data sets of n rows, one for each draw in turn, in blocks (m, n, D).

    Examples
    --------
    >>> from bayesgmm.draws.mixtures import from_arrays, read
    >>> draws = read(from_arrays(np.ones((1, 3, 1)), np.full((1, 3, 1, 2), 9.0), np.ones((1, 3, 1, 1, 1)) * np.eye(2)))
    >>> [x.shape for x in replicates(draws, 5, np.random.default_rng(0))]
    [(3, 5, 2)]
    """
    d = mixtures.means.shape[2]
    step = max(1, _BLOCK // max(1, n * d * d))
    for first in range(0, len(mixtures), step):
        yield _drawn(mixtures, slice(first, first + step), n, rng)


def _drawn(mixtures: MixtureDraws, draws: slice, n: int, rng) -> np.ndarray:
    means, factors = mixtures.means[draws], mixtures.scale_trils[draws]
    m, d, which = len(means), means.shape[2], np.arange(len(means))[:, None]
    edges = mixtures.weights[draws].cumsum(axis=1)[:, None, :-1]
    labels = (rng.random((m, n, 1)) > edges).sum(axis=2)
    noise = rng.standard_normal((m, n, d))
    return means[which, labels] + np.einsum("mnij,mnj->mni", factors[which, labels], noise)
