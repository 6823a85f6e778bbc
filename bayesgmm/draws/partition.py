"""One partition for a posterior: the one whose expected loss is least, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bayesgmm.draws.ball import CredibleBall, credible_ball
from bayesgmm.draws.clusterings import Clusterings, clusterings, numbered
from bayesgmm.draws.losses import DISTANCES, LOSSES, NAMES, distances, require
from bayesgmm.draws.matching import allocation_shares
from bayesgmm.draws.n_clusters import mean_error
from bayesgmm.draws.optimum import Optimum, bound, bound_influence, search
from bayesgmm.draws.similarity import require_memory, similarity

# Sizes that are told in words.
_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Partition:
    """A point estimate of a partition; made by `partition`.

    Attributes
    ----------
    labels : ndarray of int (N,)
        The cluster of each row; 0 is the largest.
    loss : str
    expected_loss : float
        Its posterior mean, over the draws.
    standard_error : float
        The Monte Carlo standard error of that, by the effective sample size of the draws' losses.
    restarts, reached : int
        Starts that were searched from, and how many of them ended at a loss as low.
    interrupted : bool
        Whether the search was cut short.
    draws : Clusterings
        The draws, as partitions.
    """

    labels: np.ndarray
    loss: str
    expected_loss: float
    standard_error: float
    restarts: int
    reached: int
    interrupted: bool
    draws: Clusterings = field(repr=False)

    @property
    def n_clusters(self) -> int:
        """How many clusters it has."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each cluster (n_clusters,)."""
        return np.bincount(self.labels)

    def credible_ball(self, level: float = 0.95, *, loss: str | None = None) -> CredibleBall:
        """The smallest ball about the estimate that has this posterior probability, with its bounds.

        Parameters
        ----------
        level : float
            Posterior probability.
        loss : {"vi", "binder", "nvi"}, optional
            The distance; the loss of the estimate without ("vi" for "vi_bound").

        Returns
        -------
        CredibleBall
            Its radius, and partitions at its edge: ``horizontal``, the furthest; ``upper`` and ``lower``, the
            furthest of those with the fewest and with the most clusters.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1, or there is no such distance.

        References
        ----------
        Wade & Ghahramani (2018).
        """
        loss = ("vi" if self.loss == "vi_bound" else self.loss) if loss is None else loss
        require(loss, DISTANCES)
        return credible_ball(self.labels, self.draws.labels, level, loss)

    @cached_property
    def uncertainty(self):
        """How sure each row's place is, an xarray.Dataset over obs and cluster.

        ``together`` (obs): the mean posterior probability that a row is with another row of its cluster; of a row by
        itself, that it is alone. ``probability`` (obs, cluster): that it belongs to each cluster, the clusters of
        every draw matched to those of the estimate, one to one; what a row lacks to one is in clusters that have no
        match.
        """
        import xarray as xr

        together, shares = allocation_shares(self.draws.labels, self.labels)
        coords = {"obs": self.draws.obs, "cluster": np.arange(self.n_clusters)}
        return xr.Dataset({"together": ("obs", together), "probability": (("obs", "cluster"), shares)}, coords)

    def to_frame(self):
        """A row a point: ``cluster``, ``together`` and its ``probability``, and ``runner_up`` with its own.

        Without a second cluster that has a probability, ``runner_up`` is missing.
        """
        import pandas as pd

        shares, rows = self.uncertainty["probability"].values, np.arange(len(self.labels))
        others = shares.copy()
        others[rows, self.labels] = 0.0
        second = others.argmax(axis=1)
        runner_up = pd.array(second, dtype="Int64")
        runner_up[others.max(axis=1) == 0] = pd.NA
        columns = {"cluster": self.labels, "together": self.uncertainty["together"].values,
                   "probability": shares[rows, self.labels], "runner_up": runner_up,
                   "runner_up_probability": others[rows, second]}  # fmt: skip
        return pd.DataFrame(columns, index=pd.Index(self.draws.obs, name="obs"))

    @property
    def text(self) -> str:
        """In sentences: what it is, and how well it was searched for."""
        clusters = "1 cluster" if self.n_clusters == 1 else f"{self.n_clusters} clusters"
        sizes = [str(size) for size in self.sizes[:_SHOWN]] + ["…"] * (self.n_clusters > _SHOWN)
        said = [f"{clusters} of {', '.join(sizes)} rows.",
                f"Expected loss ({NAMES[self.loss]}): {self.expected_loss:.4g} ± {self.standard_error:.1g}, over "
                f"{len(self.draws)} draws ({self.draws.source}).",
                f"{self.reached} of {self.restarts} starts ended there."]  # fmt: skip
        if self.interrupted:
            said.append("The search was interrupted, and a better one may be found.")
        return " ".join(said)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        return f"<p>{html.escape(self.text)}</p>"


def partition(draws, *, loss: str = "vi", restarts: int = 16, max_clusters: int | None = None, memory: float = 1.0,
              seed=None, progress=True) -> Partition:  # fmt: skip
    """The partition of the rows that has the least posterior expected loss.

    ==============  ============================================================================================
    ``"vi"``        variation of information, in bits; its exact expectation over the draws
    ``"vi_bound"``  a lower bound of that, the expectation moved inside the logarithm: what minVI of R's mcclust.ext
                    minimises; needs N × N numbers
    ``"binder"``    Binder's loss, 2/N² times the pairs of rows on which two partitions disagree; it tends to give
                    more clusters, some with few rows
    ``"nvi"``       VI divided by the joint entropy, in [0, 1]
    ==============  ============================================================================================

    The search is that of SALSO in compiled code: from every start, rows move one by one until no move gains; from the
    best of what that gives, clusters are merged, taken apart and split as well. Starts are the best cut of a
    hierarchical clustering of the similarities (up to 2000 rows), the best of some draws, and partitions built row by
    row in random order.

    Laws: does not depend on how the draws number their clusters, or on the number of threads; never worse than any
    start.

    Parameters
    ----------
    draws : xarray.DataTree or array_like of int
        With ``allocations`` (chain, draw, obs) in the posterior; or a posterior of a mixture with its rows, whose
        allocations are drawn by their responsibilities; or labels (M, N) or (chain, draw, N).
    loss : {"vi", "vi_bound", "binder", "nvi"}
    restarts : int
        Starts.
    max_clusters : int, optional
        The estimate has at most so many. Without, more than twice as many as any draw has.
    memory : float
        Gigabytes (10⁹ bytes) that the tables of one search, or the similarities of "vi_bound", may take.
    seed : int, optional
        The same seed gives the same answer, whatever the threads.
    progress : bool
        Show a bar where it takes more than half a second. An interrupt ends the search and keeps the best so far.

    Returns
    -------
    Partition
        ``labels``, ``expected_loss`` with its ``standard_error``, ``credible_ball(level)``, ``uncertainty``, ….
        Clusters are numbered by size, the largest first; or, where allocations were drawn by responsibilities, in the
        order of the components that most of their rows belong to.

    Raises
    ------
    ValueError
        If `draws` holds neither labels nor rows, an argument is out of range, or the memory does not suffice.

    Notes
    -----
    With M draws of N rows, memory is about 12 M N bytes and a table of the clusters of all draws for each thread; no
    N × N numbers are needed but for "vi_bound". Draws are thinned evenly where M N exceeds 5·10⁷.
    Every row counts once, whatever its case weight.

    References
    ----------
    Binder (1978); Meilă (2007); Wade & Ghahramani (2018); Dahl, Johnson & Müller (2022).

    Examples
    --------
    >>> found = partition([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 2]], seed=0)
    >>> found.labels, round(found.expected_loss, 4)
    (array([0, 0, 1, 1]), 0.1667)
    >>> found.credible_ball(0.5).radius
    0.0
    """
    require(loss, LOSSES)
    for name, value in (("restarts", restarts), ("max_clusters", 1 if max_clusters is None else max_clusters)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    rng = np.random.default_rng(seed)
    found = clusterings(draws, rng)
    p = None
    if loss == "vi_bound":
        require_memory(found.n_obs, memory)
        p = similarity(draws if hasattr(draws, "children") else found.labels, memory=memory).values
    best = search(found.labels, p, loss, rng, restarts=restarts, max_clusters=max_clusters, memory=memory,
                  progress=progress)  # fmt: skip
    return _judged(best, found, p, loss)


def _judged(best: Optimum, found: Clusterings, p, loss: str) -> Partition:
    """The estimate with its loss; its clusters in their order."""
    labels = _in_order(best.labels, found.component)
    if loss == "vi_bound":
        value, each = bound(labels, p), bound_influence(labels, found.labels, p)
    else:
        each = distances(found.labels, labels, loss)
        value = float(each.mean())
    error, _ = mean_error(each, found.n_chains)
    return Partition(labels, loss, value, error, best.restarts, best.reached, best.interrupted, found)


def _in_order(labels: np.ndarray, component: np.ndarray | None) -> np.ndarray:
    """Clusters by size, or by the component that most of their rows belong to."""
    labels = numbered(labels)
    sizes = np.bincount(labels)
    key = np.zeros(len(sizes))
    if component is not None:
        key = np.array([np.bincount(component[labels == k]).argmax() for k in range(len(sizes))])
    return np.argsort(np.lexsort([-sizes, key]))[labels]
