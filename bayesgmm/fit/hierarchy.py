"""Model-based hierarchical clustering: one tree of the rows, cut wherever K says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np

from bayesgmm.families import Full
from bayesgmm.fit.begin import shrunk
from bayesgmm.fit.moments import moments
from bayesgmm.fit.sphering import sphere_neighbours, sphered
from bayesgmm.kernel import Incomplete, Stats, e_step, merges
from bayesgmm.kernel.conditional import complete
from bayesgmm.mixture import Mixture

#: What a tree may be grown by, in the order in which starts use them: a likelihood, in units of neighbours or all rows.
CRITERIA = ("EII", "VVV", "VVV sphered")
# Rows that a tree is made of, at most and at least, and arithmetic for one.
_MOST, _LEAST, _WORK = 2000, 300, 1e10


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree of rows for each criterion, grown when it is first asked for.

    Attributes
    ----------
    rows : ndarray (N, D)
        What the tree is of, in data units.
    chosen : ndarray of int (n,)
        The rows that it is made of: all of them, or a sample.
    leaves : ndarray of int (n,)
        Equal rows are one leaf: of each chosen row, its leaf.
    weights : ndarray (n,)
        How often each chosen row counts.
    """

    rows: np.ndarray
    chosen: np.ndarray
    leaves: np.ndarray
    weights: np.ndarray
    _grown: dict = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def n_leaves(self) -> int:
        """The most groups there can be."""
        return int(self.leaves.max()) + 1

    @cached_property
    def units(self) -> np.ndarray:
        """The units of neighbours, a matrix (D, D'): see `sphere_neighbours`."""
        first = np.unique(self.leaves, return_index=True)[1]
        return sphere_neighbours(np.asarray(self.rows[self.chosen[first]], dtype=float),
                                 np.bincount(self.leaves, self.weights))  # fmt: skip

    def merges(self, criterion: str = "VVV") -> np.ndarray:
        """The pairs of leaves (n_leaves − 1, 2) in the order in which their clusters were merged."""
        with self._lock:
            if criterion not in self._grown:
                self._grown[criterion] = self._grow(criterion)
        return self._grown[criterion]

    def _grow(self, criterion):
        counts = np.bincount(self.leaves, self.weights)
        first = np.unique(self.leaves, return_index=True)[1]
        kind, _, units = criterion.partition(" ")
        rows = np.asarray(self.rows[self.chosen[first]], dtype=float)
        return merges(sphered(rows, counts) if units else rows @ self.units, counts, kind)

    def groups(self, k: int, criterion: str = "VVV") -> np.ndarray:
        """Labels (n,) of the chosen rows in k groups, numbered in the order of the rows.

        Raises
        ------
        ValueError
            If there are not so many different rows, or k is less than 1.
        """
        if not 1 <= k <= self.n_leaves:
            raise ValueError(f"k must be from 1 to {self.n_leaves}, the number of different rows, not {k!r}")
        group, (kept, gone) = np.arange(self.n_leaves), self.merges(criterion)[: self.n_leaves - k].T
        group[gone] = kept
        while (group != (further := group[group])).any():
            group = further
        return np.unique(group, return_inverse=True)[1][self.leaves]

    def labels(self, k: int, criterion: str = "VVV") -> np.ndarray:
        """Labels (N,) of all rows in k groups.

        Rows that the tree is not made of get the most probable component of the mixture of its groups.
        """
        some = self.groups(k, criterion)
        if len(self.chosen) == len(self.rows):
            return some
        stats = shrunk(Stats.of(self.rows[self.chosen], np.eye(k)[some] * self.weights[:, None]))
        family = Full()
        covariances = family.m_step(stats.scatters, stats.counts)
        mixture = Mixture.from_whitening(stats.counts / stats.total, stats.means, family.whitening(covariances))
        labels = e_step(self.rows, mixture, responsibilities=True, pointwise=False)[2].argmax(axis=1)
        labels[self.chosen] = some
        return labels


def hierarchy(rows, case_weights=None, seed=None, most: int | None = None) -> Tree:
    """A tree of rows by the classification likelihood: K = 1, 2, … groups from one run.

    Clusters are merged two by two, always those whose merger costs the least classification log-likelihood, in units
    in which neighbours, or all rows, have unit covariance, so that a tree does not depend on the units of the
    features, nor on any linear map of them. Rows that are equal are one from the beginning; of mergers that cost the
    same, the first in the order of the rows is made.

    Parameters
    ----------
    rows : ndarray (N, D) or Incomplete
        Missing cells are filled with what the most likely Gaussian expects.
    case_weights : ndarray (N,), optional
        Positive frequencies.
    most : int, optional
        Rows that it is made of, at most; `most_rows` unless said.
    seed : int or Generator, optional
        For the sample that a tree of many rows is made of; the same one if left out.

    Returns
    -------
    Tree
        ``.labels(k)``. It takes 8 N² bytes for a moment. Above 2000 rows, fewer where D is above 20, it is made of a
        sample.

    Notes
    -----
    What a sample costs: of six simulated sets of 3000 rows in five groups with overlap, trees of a quarter of the rows
    came as near to the groups as whole ones (adjusted Rand index 0.62 and 0.61 on average), but cut them elsewhere
    (0.64 between the two); EM from both ended in the same maximum in four, once in a lower, once in a higher one.

    References
    ----------
    Banfield & Raftery (1993); Fraley (1998); Scrucca & Raftery (2015) for rotated and scaled rows; Art, Gnanadesikan &
    Kettenring (1982) for units of neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> tree = hierarchy(np.array([[0.0], [9.0], [0.3], [9.1], [0.1]]))
    >>> tree.labels(2), tree.labels(3, "EII")
    (array([0, 1, 0, 1, 0]), array([0, 1, 2, 1, 0]))
    """
    if isinstance(rows, Incomplete):
        whole = moments(rows, case_weights)
        rows = complete(rows, whole.means[0], np.linalg.cholesky(whole.scatters[0] / whole.total))
    most = most or most_rows(rows.shape[1])
    chosen = np.arange(len(rows))
    if len(rows) > most:
        rng = np.random.default_rng(0 if seed is None else seed)
        chosen = np.sort(rng.choice(len(rows), most, replace=False))
    weights = np.ones(len(chosen)) if case_weights is None else np.asarray(case_weights, dtype=float)[chosen]
    return Tree(rows, chosen, _leaves(np.asarray(rows[chosen], dtype=float)), weights)


def most_rows(n_features: int) -> int:
    """Rows that a tree is made of: N² determinants of D³ / 3 operations take about a second."""
    return int(np.clip(np.sqrt(_WORK / (20 + n_features**3 / 3)), _LEAST, _MOST))


def _leaves(rows) -> np.ndarray:
    """Of each row, the number of the first one that is equal, equal ones not counted."""
    _, first, same = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[same.ravel()]
