"""How often two rows are in one cluster, as a C function: draws compared along the memory they lie in."""

from __future__ import annotations

from numba import njit

from bayesgmm.kernel.options import EXACT
from bayesgmm.kernel.views import _view_of, d2, types

n2 = _view_of(types.uint32, 2)


def function(name):
    """The shares of rows from first to last with themselves and with all after; labels are (N, M), a line a row."""

    def pairs(n, n_draws, first, last, labels, shares):
        _compare(n2(labels, (n, n_draws)), first, last, d2(shares, (n, n)))
        return 0

    return pairs


@njit(**EXACT)
def _compare(labels, first, last, shares):
    n, n_draws = labels.shape
    for j in range(first, n):
        for i in range(first, min(last, j + 1)):
            together = 0
            for m in range(n_draws):
                if labels[i, m] == labels[j, m]:
                    together += 1
            shares[i, j] = together / n_draws
            shares[j, i] = shares[i, j]
