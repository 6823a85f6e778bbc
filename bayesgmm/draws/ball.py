"""The credible ball about a partition: how far the posterior reaches, and in which directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayesgmm.draws.losses import NAMES, distances
from bayesgmm.draws.matching import named_after

# Distances that differ by less are one, up to rounding.
_SAME = 1e-12


class Bound(NamedTuple):
    """A partition at the edge of a ball.

    Attributes
    ----------
    labels : ndarray of int (N,)
        Numbered like the clusters of the estimate that they share most rows with; others come after.
    distance : float
        From the estimate.
    n_clusters : int
    """

    labels: np.ndarray
    distance: float
    n_clusters: int


@dataclass(frozen=True, eq=False)
class CredibleBall:
    """The smallest ball about a partition that has a posterior probability; made by `Partition.credible_ball`.

    Attributes
    ----------
    radius : float
        Every partition of the ball is at most so far from the estimate.
    level, probability : float
        What was asked for, and the share of draws within the radius, which is not below it.
    loss : str
        The distance.
    horizontal : Bound
        The partition of the ball that is furthest away.
    upper, lower : Bound
        Of those with the fewest clusters, and of those with the most, the furthest. Of several equally far, the first
        drawn.
    """

    radius: float
    level: float
    probability: float
    loss: str
    horizontal: Bound
    upper: Bound
    lower: Bound

    @property
    def bounds(self) -> dict[str, Bound]:
        """Horizontal, upper and lower, by name."""
        return {"horizontal": self.horizontal, "upper": self.upper, "lower": self.lower}

    def to_frame(self):
        """The bounds, a row each: ``distance`` and ``n_clusters``."""
        import pandas as pd

        rows = [{"bound": name, "distance": b.distance, "n_clusters": b.n_clusters} for name, b in self.bounds.items()]
        return pd.DataFrame(rows).set_index("bound")

    @property
    def text(self) -> str:
        """In a sentence."""
        few, many = self.upper.n_clusters, self.lower.n_clusters
        clusters = f"{few} clusters" if few == many else f"{few} to {many} clusters"
        return (f"{self.probability:.1%} of the draws are within {self.radius:.4g} of the estimate "
                f"({NAMES[self.loss]}), and have {clusters}.")  # fmt: skip

    def __str__(self) -> str:
        return f"{self.to_frame().to_string()}\n\n{self.text}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self.to_frame()._repr_html_()}\n<p>{self.text}</p>"


def credible_ball(partition: np.ndarray, labels: np.ndarray, level: float, loss: str) -> CredibleBall:
    """The ball about a partition (N,) of the M draws (M, N), all numbered from 0 without gaps.

    The radius is the smallest that holds at least ``level`` of the draws; the ball, all draws within it.

    References
    ----------
    Wade & Ghahramani (2018), section 3.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be strictly between 0 and 1, not {level}")
    apart = distances(labels, partition, loss)
    radius = np.sort(apart)[int(np.ceil(level * len(apart) * (1 - _SAME))) - 1]
    inside = np.flatnonzero(apart <= radius + _SAME)
    n_clusters = labels.max(axis=1) + 1
    few, many = n_clusters[inside].min(), n_clusters[inside].max()
    choices = inside, inside[n_clusters[inside] == few], inside[n_clusters[inside] == many]
    bounds = [_furthest(which, apart, labels, partition) for which in choices]
    return CredibleBall(float(radius), level, len(inside) / len(apart), loss, *bounds)


def _furthest(which: np.ndarray, apart: np.ndarray, labels: np.ndarray, partition: np.ndarray) -> Bound:
    m = which[np.argmax(apart[which] >= apart[which].max() - _SAME)]
    row = labels[m].astype(np.int64)
    return Bound(named_after(row, partition), float(apart[m]), int(row.max()) + 1)
