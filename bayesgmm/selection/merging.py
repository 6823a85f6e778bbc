"""`merge_components`: a cluster may need several Gaussians, so those that overlap are merged, pair after pair."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bayesgmm.data import as_table
from bayesgmm.fit.again import rows_of
from bayesgmm.fit.result import Fit
from bayesgmm.fit.scaling import counted
from bayesgmm.kernel import e_step
from bayesgmm.mixture import Mixture

# The fall of the entropy by merging, in nats a row, of two Gaussians of equal weight four standard deviations apart.
APART = 0.06


@dataclass(frozen=True, eq=False, repr=False)
class Merging:
    """Clusters of K components, from K of them down to one; what `merge_components` returns.

    Attributes
    ----------
    groups : tuple of tuples
        Of k = 1, …, K clusters: for each cluster, the components that are in it.
    entropies : ndarray (K,)
        −Σ_n w_n Σ_c r_nc log r_nc of k = 1, …, K clusters; of one cluster it is 0.
    moved : ndarray (K,)
        Rows in the two clusters whose merging left k; 0 for k = K.
    n_clusters : int
        A suggestion: where the entropy stops to fall steeply. Of one or two components there is nothing to see, and it
        is K.
    component_responsibilities : ndarray (N, K)
        Of the components.
    """

    groups: tuple[tuple[tuple[int, ...], ...], ...]
    entropies: np.ndarray
    moved: np.ndarray
    n_clusters: int
    component_responsibilities: np.ndarray

    def __len__(self) -> int:
        return len(self.entropies)

    def responsibilities(self, n_clusters: int | None = None) -> np.ndarray:
        """P(row n is in cluster c) (N, k), for k clusters; for ``self.n_clusters`` without."""
        return np.stack([self.component_responsibilities[:, list(g)].sum(axis=1) for g in self._of(n_clusters)], axis=1)

    def labels(self, n_clusters: int | None = None) -> np.ndarray:
        """The most probable cluster (N,) of each row, for k clusters; for ``self.n_clusters`` without."""
        return self.responsibilities(n_clusters).argmax(axis=1)

    def _of(self, n_clusters):
        k = self.n_clusters if n_clusters is None else n_clusters
        if isinstance(k, bool) or k not in range(1, len(self) + 1):
            raise ValueError(f"n_clusters must be a whole number from 1 to {len(self)}, the components, not {k!r}")
        return self.groups[int(k) - 1]

    @property
    def table(self):
        """A DataFrame, a row a number of clusters: their entropy, what was merged last, and the fall a row moved."""
        import pandas as pd

        falls = np.append(np.diff(self.entropies), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = falls / np.where(self.moved > 0, self.moved, np.nan)
        last = [" + ".join(_newest(a, b)) for a, b in zip(self.groups, self.groups[1:])]
        columns = {"entropy": self.entropies, "merged": [*last, ""], "fall": falls, "fall_per_row": each,
                   "clusters": [_shown(g) for g in self.groups]}  # fmt: skip
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self) + 1, name="n_clusters"))[::-1]

    @property
    def text(self) -> str:
        """In a sentence, how many clusters."""
        k = len(self)
        if k < 3:
            return f"Of {_count(k, 'component')}, merging cannot tell the number of clusters."
        if self.n_clusters == k:
            return f"No two of the {k} components overlap so much that merging would make them a cluster."
        return (f"Merged by entropy, the {k} components are {_count(self.n_clusters, 'cluster')}: "
                f"{_shown(self.groups[self.n_clusters - 1])}.")  # fmt: skip

    def __str__(self) -> str:
        return f"{self.table.to_string()}\n\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from bayesgmm.comparison.shown import as_html

        return f"{as_html(self.table.round(4))}\n<p>{self.text}</p>"


def merge_components(fit: Fit | Mixture, x, *, case_weights=None) -> Merging:
    """Merge components that overlap into clusters, those first that leave the least doubt which cluster a row is in.

    A criterion such as BIC finds the components that a density needs, of which a cluster that is no Gaussian takes
    several. From K clusters on, the two are merged whose union makes the entropy of the rows' memberships fall most.
    The density stays as it is.

    Parameters
    ----------
    fit : Fit or Mixture
        Of K components.
    x : array, frame or file (N, D)
        The rows that the fit is of; missing cells (NaN) are summed out.
    case_weights : array (N,), optional
        The frequencies that it was fitted with.

    Returns
    -------
    Merging
        ``.labels(k)`` and ``.responsibilities(k)`` for any number k of clusters, ``.table`` with the entropies.

    Raises
    ------
    DataError
        If these are not the rows of the fit.

    Notes
    -----
    How many clusters there are is for the reader of the entropies to say. ``n_clusters`` is a suggestion: the entropy
    is drawn over the number of rows merged, and the number is taken at which two straight lines fit best; but no two
    are merged that overlap less than Gaussians four standard deviations apart. Laws: merging is nested, the entropy
    never rises when two are merged, and with K clusters it is the fit's.

    References
    ----------
    Baudry, Raftery, Celeux, Lo & Gottardo (2010), sections 2 and 4.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful")
    >>> found = merge_components(bg.fit_mle(x, 4, seed=0, progress=False), x)
    >>> found.n_clusters, len(found.labels(2))
    (2, 272)
    """
    if isinstance(fit, Fit):
        (table, weights), mixture = rows_of(fit, x, case_weights), fit.mixture
    else:
        mixture = fit
        table = as_table(x, features=mixture.features, keep=True, missing="marginalise")
        table, weights = counted(table, case_weights)
    _, _, r = e_step(table.rows, mixture, responsibilities=True, single=False)
    return merged(r, weights)


def merged(responsibilities: np.ndarray, weights=None) -> Merging:
    """The same from responsibilities (N, K) of the components."""
    r = responsibilities
    w = np.ones(len(r)) if weights is None else weights
    clusters = {(k,): r[:, k] for k in range(r.shape[1])}
    groups, moved = [tuple(clusters)], [0.0]
    levels = {group: _level(column, w) for group, column in clusters.items()}
    gains = {}
    while len(clusters) > 1:
        for a, b in combinations(clusters, 2):
            if (a, b) not in gains:
                gains[a, b] = _level(clusters[a] + clusters[b], w) - levels[a] - levels[b]
        a, b = max(gains, key=gains.get)
        union, column = tuple(sorted(a + b)), clusters.pop(a) + clusters.pop(b)
        moved.append(float(w @ column))
        clusters[union], levels[union] = column, _level(column, w)
        gains = {pair: gain for pair, gain in gains.items() if a not in pair and b not in pair}
        clusters = dict(sorted(clusters.items()))
        groups.append(tuple(clusters))
    entropies = np.array([-sum(levels[group] for group in some) for some in groups[::-1]])
    entropies[0] = 0.0  # one cluster has every row, but for rounding
    moved = np.array(moved[::-1])
    return Merging(tuple(groups[::-1]), entropies, moved, suggestion(entropies, moved), r)


def _level(column: np.ndarray, weights: np.ndarray) -> float:
    """Σ_n w_n r_n log r_n."""
    return float(weights @ (column * np.log(np.where(column > 0, column, 1.0))))


def suggestion(entropies: np.ndarray, moved: np.ndarray) -> int:
    """How many clusters: where the entropy bends, but never by merging what lies apart.

    The bend is the number, from 2 to K − 1, at which two straight lines fit the entropy best, over the rows merged so
    far.
    """
    k = len(entropies)
    if k < 3:
        return k
    rows = np.cumsum(moved[::-1])[::-1]
    off = [_off(rows[:c], entropies[:c]) + _off(rows[c - 1 :], entropies[c - 1 :]) for c in range(2, k)]
    falls = np.diff(entropies)[::-1] / np.maximum(moved[-2::-1], 1e-300)
    overlapping = int(np.append(falls < APART, True).argmax())  # merges before the first of clusters that lie apart
    return max(2 + int(np.argmin(off)), k - overlapping)


def _off(x: np.ndarray, y: np.ndarray) -> float:
    """Sum of squares that the straight line through points leaves."""
    x, y = x - x.mean(), y - y.mean()
    square = float(x @ x)
    return float(y @ y) - (float(x @ y) ** 2 / square if square > 0 else 0.0)


def _newest(fewer, more):
    """Of clusters before and after a merge, the two that were merged, named by their components."""
    return [_shown([g]) for g in more if g not in fewer]


def _shown(groups) -> str:
    return ", ".join("{" + ", ".join(map(str, g)) + "}" for g in groups)


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("" if n == 1 else "s")
