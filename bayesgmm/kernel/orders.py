"""Sums and assignments by which labels are matched; the loops are in `labels`."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from bayesgmm.kernel.evaluate import address, own_memory, together
from bayesgmm.kernel.library import LABELS, function
from bayesgmm.kernel.threads import threads

# Products that a thread is worth.
_WORTH = 2_000_000


def overlaps(responsibilities: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Σ_n r[m, n, a] table[n, b]: how much of component a of draw m lies where a reference has component b.

    Parameters
    ----------
    responsibilities : ndarray (M, N, K)
        C-contiguous float64.
    table : ndarray (N, K)

    Returns
    -------
    ndarray (M, K, K)

    Examples
    --------
    >>> import numpy as np
    >>> overlaps(np.array([[[0.0, 1.0], [1.0, 0.0]]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[[0., 1.],
            [1., 0.]]])
    """
    r, table = _doubles(responsibilities), _doubles(table)
    (m, n, k), gains = r.shape, np.empty((len(r), *[r.shape[2]] * 2))
    if table.shape != (n, k):
        raise ValueError(f"responsibilities {r.shape} need a table {(n, k)}, not {table.shape}")
    routine = function(LABELS["overlaps"])

    def work(first, last):
        routine(address(r) + first * r.strides[0], last - first, n, k, address(table),
                address(gains) + first * gains.strides[0])  # fmt: skip

    _in_parts(work, m, n * k * k)
    return gains


def add_in_order(responsibilities: np.ndarray, orders: np.ndarray, total: np.ndarray) -> None:
    """Add r[m, n, orders[m, b]], summed over the draws, to total (N, K): the same for any number of threads or blocks.

    Examples
    --------
    >>> import numpy as np
    >>> total = np.zeros((1, 2))
    >>> add_in_order(np.array([[[0.2, 0.8]], [[0.7, 0.3]]]), np.array([[0, 1], [1, 0]]), total)
    >>> total
    array([[0.5, 1.5]])
    """
    r, orders = _doubles(responsibilities), np.ascontiguousarray(orders, dtype=np.int64)
    m, n, k = r.shape
    if orders.shape != (m, k) or total.shape != (n, k) or not total.flags.c_contiguous or total.dtype != float:
        raise ValueError(f"responsibilities {r.shape} need orders {(m, k)} and a total {(n, k)} of doubles")
    _require_positions(orders, k)
    routine = function(LABELS["total"])

    def work(first, last):
        routine(address(r), m, n, k, address(orders), first, last, address(total))

    _in_parts(work, n, m * k)


def best_orders(gains: np.ndarray) -> np.ndarray:
    """The order (M, K) of each draw's components that has the largest Σ_b gains[m, order[b], b].

    Laws: the sum is the largest of all K! orders; permuting rows of a gain permutes the answer with them where only
    one order is best.

    Parameters
    ----------
    gains : ndarray (M, K, K)
        Component of the draw, component of the reference.

    Raises
    ------
    ValueError
        If a gain is not finite.

    References
    ----------
    Kuhn (1955); Jonker & Volgenant (1987).

    Examples
    --------
    >>> import numpy as np
    >>> best_orders(np.array([[[0.0, 0.9, 0.1], [0.5, 1.0, 0.0], [0.2, 0.3, 0.4]]]))
    array([[1, 0, 2]])
    """
    gains = _doubles(gains)
    if gains.ndim != 3 or gains.shape[1] != gains.shape[2]:
        raise ValueError(f"gains must have the shape (M, K, K), not {gains.shape}")
    if not np.isfinite(gains).all():
        raise ValueError("gains must be finite")
    (m, k), orders = gains.shape[:2], np.empty(gains.shape[:2], dtype=np.int64)
    routine = function(LABELS["orders"])

    def work(first, last):
        routine(address(gains) + first * gains.strides[0], last - first, k, address(orders) + first * orders.strides[0],
                own_memory(48 * (k + 1)))  # fmt: skip

    _in_parts(work, m, 4 * k**3)
    return orders


def _doubles(array) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=float)


def _require_positions(orders, k) -> None:
    # The compiled loops check no bounds.
    if orders.size and not (0 <= orders.min() and orders.max() < k):
        raise ValueError(f"orders must hold positions from 0 to {k - 1}")


def _in_parts(work, length: int, each: int) -> None:
    """Run work(first, last) on parts of a range, in as many threads as it is worth; nothing depends on the cuts."""
    parts = max(1, min(threads(), length, length * each // _WORTH))
    todo = deque(pairwise(length * i // parts for i in range(parts + 1)))

    def all_there_are():
        # A thread that never comes to its part leaves it to the others.
        while todo:
            try:
                part = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            work(*part)

    together(all_there_are, parts)
