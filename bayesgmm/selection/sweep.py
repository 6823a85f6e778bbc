"""One mixture after another: the fits that `select` chooses from.

A cell is a number of components and a family. Its climbs begin where all families of that number begin, and then where
other families, and one component fewer, have ended: so that a larger model is not found below one that it contains.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import NamedTuple

import numpy as np

from bayesgmm.data import DataError, Table, check_components
from bayesgmm.families import Family
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.mle import climbable
from bayesgmm.fit.scaling import scale_prior
from bayesgmm.kernel import Stats
from bayesgmm.selection.workers import Stopped

# Newton's decrement at which a climb ends: twice the log-likelihood that is left, a hundredth of what a table shows.
TOLERANCE = 1e-4


class End(NamedTuple):
    """Where a climb ended, and what kind of start it began at."""

    kind: str
    climbed: object


@dataclass(frozen=True, eq=False)
class Cell:
    """What became of one number of components and one family."""

    n_components: int
    family: Family
    ends: tuple[End, ...] = ()
    best: End | None = None
    note: str = ""
    degenerate: bool = False


@dataclass(frozen=True, eq=False)
class Problem:
    """What all cells share: the rows that count and their frequencies, moments of all of them, and the prior."""

    table: Table
    weights: np.ndarray | None
    whole: Stats
    prior: object
    starts: object
    stopped: Event
