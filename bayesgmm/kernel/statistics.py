"""`Stats`: what the points tell about each component, as a value that merges with ``+``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Stats:
    """Sufficient statistics of the points that each component answers for.

    Laws (each is a property test): up to rounding, ``+`` is associative and commutative,
    `Stats.zero` is its identity, and the statistics of a data set are the sum of those of its parts
    (the mean of a component without points says nothing, and is not part of the laws).

    Parameters
    ----------
    counts : ndarray (K,)
        N_k = Σ_n r_nk.
    means : ndarray (K, D)
        x̄_k = Σ_n r_nk x_n / N_k, in data units.
    scatters : ndarray (K, D, D)
        S_k = Σ_n r_nk (x_n − x̄_k)(x_n − x̄_k)ᵀ, in squared data units, *not* divided by N_k
        (Bishop 2006, 10.51-53, divides).

    References
    ----------
    Two sets merge exactly by the update of Chan, Golub & LeVeque (1983).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0], [2.0], [7.0]])
    >>> both = Stats.of(x[:2]) + Stats.of(x[2:])
    >>> both.counts, both.means, both.scatters.ravel()
    (array([3.]), array([[3.]]), array([26.]))
    """

    counts: np.ndarray
    means: np.ndarray
    scatters: np.ndarray

    @classmethod
    def zero(cls, n_components: int, n_features: int) -> Stats:
        """Statistics of no points at all: the identity of ``+``."""
        shape = (n_components, n_features)
        return cls(np.zeros(n_components), np.zeros(shape), np.zeros((*shape, n_features)))

    @classmethod
    def of(cls, x: np.ndarray, responsibilities: np.ndarray | None = None) -> Stats:
        """Statistics of rows x (N, D) whose responsibilities (N, K) are given; one component without."""
        r = np.ones((len(x), 1)) if responsibilities is None else responsibilities
        counts = r.sum(axis=0)
        safe = np.where(counts > 0, counts, 1.0)
        means = r.T @ x / safe[:, None]
        centred = x[None] - means[:, None]
        scatters = (centred * r.T[:, :, None]).mT @ centred
        return cls(counts, means, 0.5 * (scatters + scatters.mT))

    def __add__(self, other: Stats) -> Stats:
        if not isinstance(other, Stats):
            return NotImplemented
        counts = self.counts + other.counts
        share = other.counts / np.where(counts > 0, counts, 1.0)
        gap = other.means - self.means
        means = self.means + share[:, None] * gap
        between = (self.counts * share)[:, None, None] * gap[:, :, None] * gap[:, None, :]
        return Stats(counts, means, self.scatters + other.scatters + between)

    @property
    def n_components(self) -> int:
        """K."""
        return self.means.shape[0]

    @property
    def n_features(self) -> int:
        """D."""
        return self.means.shape[1]

    @cached_property
    def total(self) -> float:
        """Σ_k N_k: the number of points, or the sum of their case weights."""
        return float(self.counts.sum())

    def scatters_about(self, centre: np.ndarray) -> np.ndarray:
        """S_k + N_k (x̄_k − c_k)(x̄_k − c_k)ᵀ: (K, D, D), the scatter about other centres c (K, D)."""
        gap = self.means - centre
        return self.scatters + self.counts[:, None, None] * gap[:, :, None] * gap[:, None, :]
