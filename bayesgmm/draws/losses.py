"""How far two partitions are apart, and the cost of a cluster by which a search goes.

With n_k, m_l the sizes of the clusters of two partitions of N rows and n_kl of what they share, all is in three sums of
one function G:  A = Σ_k G(n_k),  B = Σ_l G(m_l),  C = Σ_kl G(n_kl).

    variation of information   (A + B − 2C) / N, in bits                  G(n) = n log₂ n
    Binder                     (A + B − 2C) / N²                          G(n) = n²
    normalised VI              (A + B − 2C) / (N log₂ N − C)              G(n) = n log₂ n
"""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.clusterings import as_partition

#: Distances, all of them metrics; and a bound on the expected VI that only a whole posterior has.
DISTANCES = ("vi", "binder", "nvi")
LOSSES = (*DISTANCES, "vi_bound")
NAMES = {"vi": "variation of information, bits", "binder": "Binder's loss",
         "nvi": "normalised variation of information",
         "vi_bound": "lower bound of the variation of information, bits"}  # fmt: skip


def growth(loss: str, n: int) -> np.ndarray:
    """G(0), …, G(n) of a loss."""
    sizes = np.arange(n + 1.0)
    return sizes**2 if loss == "binder" else sizes * np.log2(np.maximum(sizes, 1.0))


def table_of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rows that two partitions, numbered from 0 without gaps, share (K, L)."""
    k, width = a.max() + 1, b.max() + 1
    return np.bincount(a.astype(np.int64) * width + b, minlength=k * width).reshape(k, width)


def distances(labels: np.ndarray, partition: np.ndarray, loss: str) -> np.ndarray:
    """From each of M partitions (M, N) to one (N,), all numbered from 0 without gaps."""
    total, a = growth(loss, labels.shape[1]), None
    found = np.empty(len(labels))
    for m, row in enumerate(labels):
        table = table_of(partition, row)
        a = total[table.sum(axis=1)].sum() if a is None else a
        found[m] = _distance(a, total[table.sum(axis=0)].sum(), total[table].sum(), total[-1], loss)
    return found / labels.shape[1] ** {"vi": 1, "binder": 2, "nvi": 0}[loss]


def _distance(a: float, b: float, c: float, most: float, loss: str) -> float:
    # Of equal partitions rounding leaves a little, on either side of 0.
    apart = a + b - 2.0 * c
    apart = apart if apart > 1e-12 * max(most, 1.0) else 0.0
    if loss != "nvi":
        return apart
    return apart / (most - c) if apart else 0.0


def partition_distance(a, b, *, loss: str = "vi") -> float:
    """How far two partitions of the same rows are apart.

    Laws: a metric; does not change when clusters are numbered anew, or rows put in another order.

    Parameters
    ----------
    a, b : array_like (N,) or Partition
        A label a row: numbers, names, anything that can be compared.
    loss : {"vi", "binder", "nvi"}
        Variation of information in bits, from 0 to log₂ N; Binder's loss as the share of the N² ordered pairs of rows
        that one partition holds together and the other apart; VI divided by the joint entropy, from 0 to 1.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, or there is no such loss.

    References
    ----------
    Binder (1978); Meilă (2007); Vinh, Epps & Bailey (2010).

    Examples
    --------
    >>> partition_distance([0, 0, 1, 1], ["a", "a", "a", "b"]).__round__(4)
    1.1887
    >>> partition_distance([0, 0, 1, 1], [0, 1, 0, 1], loss="binder")
    0.5
    """
    require(loss, DISTANCES)
    a, b = _both(a, b)
    return float(distances(b[None], a, loss)[0])


def adjusted_rand_index(a, b) -> float:
    """How much two partitions of the same rows agree, corrected for chance: 1 if they are equal, 0 expected at random.

    Parameters
    ----------
    a, b : array_like (N,) or Partition

    Returns
    -------
    float
        At most 1; it may be negative.

    Raises
    ------
    ValueError
        If the lengths differ or a label is missing.

    References
    ----------
    Hubert & Arabie (1985).

    Examples
    --------
    >>> adjusted_rand_index([0, 0, 1, 1], [0, 0, 1, 2]).__round__(4)
    0.5714
    """
    a, b = _both(a, b)
    table = table_of(a, b).astype(float)
    pairs, own, other = (_pairs(t) for t in (table, table.sum(axis=1), table.sum(axis=0)))
    every = len(a) * (len(a) - 1) / 2
    expected = own * other / every if every else 0.0
    most = 0.5 * (own + other)
    return 1.0 if most == expected else float((pairs - expected) / (most - expected))


def _pairs(counts: np.ndarray) -> float:
    return (counts * (counts - 1)).sum() / 2


def _both(a, b) -> tuple[np.ndarray, np.ndarray]:
    a, b = as_partition(a, "a"), as_partition(b, "b")
    if len(a) != len(b):
        raise ValueError(f"a and b must be partitions of the same rows, but have {len(a)} and {len(b)} labels")
    return a, b


def require(loss: str, known) -> None:
    """A sentence if there is no such loss."""
    if loss not in known:
        raise ValueError(f"loss must be one of {', '.join(map(repr, known))}, not {loss!r}")
