"""Gibbs sweeps as native functions: one file a prior.

`sweep` goes on from a point. `native` is the loop that all priors share, `variates` draws random numbers in compiled
code, and `weights`, `means` and `covariances` draw these given labels, with what `triangular` matrices need. Each
further file puts them together for one prior: ``ROUTINE``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.engines.density import Density
from bayesgmm.engines.sweeps import conjugate, hierarchical, independent
from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.library import function
from bayesgmm.priors import Conjugate, Hierarchical, Independent

#: By prior.
ROUTINES = {Conjugate: conjugate.ROUTINE, Independent: independent.ROUTINE, Hierarchical: hierarchical.ROUTINE}


class Swept(NamedTuple):
    """Points that a chain went through, and their log densities."""

    points: np.ndarray  # (n, p)
    heights: np.ndarray  # (n,)


def has_sweeps(prior) -> bool:
    """Whether the parameters under a prior can be drawn given labels."""
    return type(prior) in ROUTINES


def sweep(density: Density, u, key, first: int, n: int, *, moves: bool = False) -> Swept:
    """Sweeps number ``first``, ``first + 1``, …, n of them, from a point u (p,).

    Laws: a sweep depends on the key, its number, the rows and the point before it alone; so n sweeps and then m are
    n + m sweeps, to the last bit. The posterior is invariant under a sweep.

    Parameters
    ----------
    density : Density
        Of complete rows, without case weights. Its log density is what `Swept.heights` holds.
    u : ndarray (p,)
    key : ndarray of uint64 (2,)
        The chain's random numbers.
    first, n : int
    moves : bool
        Every sweep ends with a random order of the components, accepted by its density.

    Raises
    ------
    ValueError
        If a point has no density in double precision.
    """
    u, key = np.ascontiguousarray(u, dtype=float), np.ascontiguousarray(key, dtype=np.uint64)
    points, heights = np.empty((n, density.size)), np.empty(n)
    problem = density.pointer[1]
    done = function(ROUTINES[type(density.prior)])(
        problem, density.size, address(u), first, n, address(key), int(moves), address(points), address(heights)
    )
    if done < n:
        raise ValueError(
            f"sweep {first + done} of a Gibbs chain left double precision: a covariance or a weight is too small or "
            "too large for it; look at the prior's dof, which should be well above D - 1, and at the features' units"
        )
    return Swept(points, heights)
