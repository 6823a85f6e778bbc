"""What a climb begins from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.kernel import Stats


class Beginning(NamedTuple):
    """Statistics whose M-step is the first mixture of a climb, and what found them.

    None stands for those that can be found only once other climbs have ended.
    """

    kind: str
    stats: Stats | None


def shrunk(stats: Stats) -> Stats:
    """Statistics whose scatters are shrunk toward the pooled one by D + 1 points' worth, so that a small group can
    begin; a group without rows begins at the centre, as one point's worth of the pooled covariance.
    """
    pooled = stats.scatters.sum(axis=0) / stats.total
    share = stats.n_features + 1
    counts = np.maximum(stats.counts, 1.0)
    means = np.where(stats.counts[:, None] > 0, stats.means, stats.counts @ stats.means / stats.total)
    scatters = (stats.scatters + share * pooled) * (counts / (stats.counts + share))[:, None, None]
    return Stats(counts, means, scatters)


def grown(stats: Stats, factor: float) -> Stats:
    """The same of so many times the rows."""
    return Stats(stats.counts * factor, stats.means, stats.scatters * factor)
