"""Labels matched by what each draw says of the rows: ECR and Stephens' algorithm, in the same two steps.

Given orders τ_m of the components of every draw, a table t (N, K) sums up what the draws agree on; given the table,
every draw takes the order that maximises  Σ_n w_n Σ_j r_{n, τ_m(j)} t_nj,  an assignment of K to K. The two alternate
until no order changes. They differ in the table, with q_nj the mean of r_{n, τ_m(j)} over the draws:

    ECR         t_nj = 1 where j is the largest of q_n., else 0
    Stephens    t_nj = log q_nj

ECR maximises the expected number of rows whose label agrees with one common allocation: r in place of a sampled
allocation, which it averages over. Where r is 0 or 1 it is ECR-ITERATIVE-1 of Papastamoulis (2016). Stephens (2000)
minimises the Kullback-Leibler divergence Σ_m Σ_n Σ_j r log (r / q) of the draws' classifications from q. Each step
can only improve its objective (q minimises the divergence for given orders; the largest q_nj the agreement), and an
order is left only for a better one, so that the steps end. Where responsibilities are too many to be held, steps are
dear: they begin from what a part of the rows ends at, and there is a limit to them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.draws.responsibilities import Responsibilities
from bayesgmm.kernel import best_orders

MOST_STEPS = 100
# Where a step makes all responsibilities anew.
MOST_DEAR_STEPS = 8
# An order is left for one that is better by more than rounding.
_ROUNDING = 1e-13
_LEAST = 1e-300
# What affinity may add to a gain: it decides where rows do not, as among components that no row belongs to.
_TIE = 1e-9


class Settled(NamedTuple):
    """Orders (M, K), after how many steps, and whether the last of them changed nothing."""

    orders: np.ndarray
    steps: int
    settled: bool


def ecr(r: Responsibilities, orders: np.ndarray, affinity=0.0) -> Settled:
    """Orders by iterated equivalence classes representatives, from given ones.

    ``affinity`` (M, K, K), of at most 1, decides between orders that agree with the allocation equally well.

    References
    ----------
    Papastamoulis & Iliopoulos (2010); Rodríguez & Walker (2014); Papastamoulis (2016).

    Examples
    --------
    >>> import numpy as np
    >>> r = Responsibilities(np.array([[[0.1, 0.9], [0.8, 0.2]], [[0.7, 0.3], [0.2, 0.8]]]), np.ones(2))
    >>> ecr(r, np.array([[0, 1], [0, 1]])).orders
    array([[0, 1],
           [1, 0]])
    """
    return _alternate(r, orders, lambda q: allocation_table(q.argmax(axis=1), q.shape[1]), affinity)


def ecr_to(r: Responsibilities, labels: np.ndarray, affinity=0.0) -> np.ndarray:
    """Orders (M, K) that agree best with given labels (N,) of the rows: ECR with a pivot, in one step.

    Examples
    --------
    >>> import numpy as np
    >>> r = Responsibilities(np.array([[[0.1, 0.9], [0.8, 0.2]]]), np.ones(2))
    >>> ecr_to(r, np.array([0, 1]))
    array([[1, 0]])
    """
    return r.step(allocation_table(labels, r.shape[2]), _chooser(None, affinity))[0]


def stephens(r: Responsibilities, orders: np.ndarray, affinity=0.0) -> Settled:
    """Orders by Stephens' (2000) algorithm 2, from given ones.

    Examples
    --------
    >>> import numpy as np
    >>> r = Responsibilities(np.array([[[0.1, 0.9], [0.8, 0.2]], [[0.7, 0.3], [0.2, 0.8]]]), np.ones(2))
    >>> stephens(r, np.array([[0, 1], [0, 1]])).orders
    array([[0, 1],
           [1, 0]])
    """
    return _alternate(r, orders, lambda q: np.log(np.maximum(q, _LEAST)), affinity)


def allocation_table(labels: np.ndarray, n_components: int) -> np.ndarray:
    """1 where a row has the label, else 0 (N, K)."""
    return (np.asarray(labels)[:, None] == np.arange(n_components)).astype(float)


def _alternate(r: Responsibilities, orders, table, affinity) -> Settled:
    most = MOST_STEPS
    if not r.held:
        orders, most = _alternate(r.part(), orders, table, affinity).orders, MOST_DEAR_STEPS
    total = r.total(orders)
    for step in range(1, most + 1):
        new, total = r.step(table(total / r.shape[0]), _chooser(orders, affinity))
        if (new == orders).all():
            return Settled(new, step, True)
        orders = new
    return Settled(orders, most, False)


def _chooser(orders, affinity):
    """Makes gains of some draws into their best orders; the ones they have stay where none is better."""
    affinity = _TIE * np.asarray(affinity)

    def choose(draws: slice, gains: np.ndarray) -> np.ndarray:
        gains = gains + (affinity[draws] if affinity.ndim else affinity)
        best = best_orders(gains)
        if orders is None:
            return best
        now, then = _sums(gains, best), _sums(gains, orders[draws])
        better = now - then > _ROUNDING * np.abs(gains).max(axis=(1, 2)) * gains.shape[1]
        return np.where(better[:, None], best, orders[draws])

    return choose


def _sums(gains: np.ndarray, orders: np.ndarray) -> np.ndarray:
    return np.take_along_axis(gains, orders[:, None, :], axis=1)[:, 0].sum(axis=1)
