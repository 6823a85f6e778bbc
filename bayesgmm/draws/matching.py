"""Clusters of one partition named after those of another, and how often draws put a row into each."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.losses import table_of


def named_after(labels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The same partition, its clusters numbered like those of a reference with which they share most rows.

    Both are numbered from 0 without gaps. Clusters that are left over get the numbers after the reference's.

    Examples
    --------
    >>> named_after(np.array([1, 1, 0, 2]), np.array([0, 0, 1, 1]))
    array([0, 0, 1, 2])
    """
    table = table_of(labels, reference)
    names = _matched(table)
    left = np.flatnonzero(names < 0)
    names[left] = table.shape[1] + np.arange(len(left))
    return names[labels]


def allocation_shares(labels: np.ndarray, partition: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of M partitions (M, N): how often a row is with its mates, and how often in each cluster of one partition.

    Returns
    -------
    together : ndarray (N,)
        The mean posterior probability of a row to be with another of its cluster; of a row by itself, to be alone.
    shares : ndarray (N, K)
        Clusters of a draw are matched to those of the partition, one to one, so that most rows agree. Rows whose
        cluster has no match are in none.
    """
    sizes = np.bincount(partition)
    together, shares = np.zeros(len(partition)), np.zeros((len(partition), len(sizes)))
    alone, rows = sizes[partition] == 1, np.arange(len(partition))
    for row in labels:
        table = table_of(row, partition)
        with_it = table[row, partition]
        together += np.where(alone, table.sum(axis=1)[row] == 1, (with_it - 1) / np.maximum(sizes[partition] - 1, 1))
        names = _matched(table)[row]
        shares[rows[names >= 0], names[names >= 0]] += 1.0
    return together / len(labels), shares / len(labels)


def _matched(table: np.ndarray) -> np.ndarray:
    """The column of each row of a table by optimal assignment; −1 for rows left over, or with nothing in common."""
    from scipy.optimize import linear_sum_assignment

    names = np.full(len(table), -1)
    own, theirs = linear_sum_assignment(table, maximize=True)
    shared = table[own, theirs] > 0
    names[own[shared]] = theirs[shared]
    return names
