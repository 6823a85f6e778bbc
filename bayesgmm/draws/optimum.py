"""The search for a partition of least expected loss: where it starts, and which answer is taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayesgmm.draws.clusterings import numbered
from bayesgmm.draws.losses import distances, growth, table_of
from bayesgmm.draws.waiting import in_threads
from bayesgmm.kernel import Problem, co_clustering
from bayesgmm.kernel.searches import LOOK, SWEEP, Found

# Rows up to which a hierarchical clustering gives a start; draws that are looked at for another, and how much work
# (draws × rows) looking may be; the part of the starts that draws make, and that whole clusters are taken on of, at
# least so many.
_HIERARCHY, _CANDIDATES, _LOOKING, _PART, _DEEP = 2000, 16, 500_000_000, 4, 4
# Objectives, for each row, that differ by less are one.
_SAME = 1e-9


class Optimum(NamedTuple):
    """The best partition (N,) that was found, from how many starts, and how many of them reached a loss as low."""

    labels: np.ndarray
    restarts: int
    reached: int
    interrupted: bool


def search(labels: np.ndarray, p, loss: str, rng: np.random.Generator, *, restarts: int, max_clusters, memory: float,
           progress: bool) -> Optimum:  # fmt: skip
    """The partition of least expected loss among all that the starts lead to.

    Where nobody said how many clusters there may be and the best has as many as fit, it is searched for anew with room
    for twice as many.
    """
    n, most = labels.shape[1], int(labels.max()) + 1
    if loss == "binder" and n <= _HIERARCHY and 16 * n * n <= memory * 1e9:
        p = co_clustering(labels)  # of which a start is made too
    fitting = _fitting(labels, loss, memory)
    slots = min(n, fitting, 2 * most + 8) if max_clusters is None else min(n, max_clusters)
    if slots > fitting:
        raise ValueError(f"the tables of {len(labels)} draws and {slots} clusters take more than memory={memory:g} GB; "
                         "raise it, thin the draws, or lower max_clusters")  # fmt: skip
    while True:
        problem = _roomy(labels, p, loss, slots, 1 if max_clusters is not None else min(n, fitting))
        slots = problem.n_slots
        best = _from_all(problem, labels, p, loss, rng, restarts, progress)
        if max_clusters is not None or best.interrupted or best.labels.max() + 1 < slots or slots == min(n, fitting):
            return best
        slots = min(n, fitting, 2 * slots)


def bound(labels: np.ndarray, p: np.ndarray) -> float:
    """The lower bound of the expected VI of a partition (N,), in bits: Jensen's, from similarities (N, N).

    References
    ----------
    Wade & Ghahramani (2018), equation 10.
    """
    sizes = np.bincount(labels)
    return float((np.log2(sizes[labels]) + np.log2(p.sum(axis=1)) - 2.0 * np.log2(_own(labels, p))).mean())


def bound_influence(labels: np.ndarray, draws: np.ndarray, p: np.ndarray) -> np.ndarray:
    """What each draw (M, N) adds to the bound, to first order (M,): its mean is a constant, its error the bound's."""
    all_of_it, own = p.sum(axis=1), _own(labels, p)
    found = np.empty(len(draws))
    for m, row in enumerate(draws):
        table = table_of(row, labels)
        found[m] = (table.sum(axis=1)[row] / all_of_it - 2.0 * table[row, labels] / own).mean() / np.log(2.0)
    return found


def _own(labels: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Σ_j p_ij over the rows j of i's cluster (N,)."""
    found = np.empty(len(labels))
    for k in range(labels.max() + 1):
        rows = np.flatnonzero(labels == k)
        found[rows] = p[np.ix_(rows, rows)].sum(axis=1)
    return found


def _fitting(labels: np.ndarray, loss: str, memory: float) -> int:
    """Clusters for which the tables fit; two at least."""
    if loss == "vi_bound":
        return labels.shape[1]
    cells = int((labels.max(axis=1).astype(np.int64) + 1).sum())
    return max(2, int(memory * 1e9 / (4 * cells)))


def _problem(labels: np.ndarray, p, loss: str, slots: int) -> Problem:
    total = growth(loss, labels.shape[1])
    if p is not None:
        return Problem.of_similarity(p, total, n_slots=slots, pairs=loss == "binder")
    return Problem.of_draws(labels, total, n_slots=slots, ratio=loss == "nvi")


def _roomy(labels: np.ndarray, p, loss: str, slots: int, limit: int) -> Problem:
    """A problem with at least so many slots, and, up to a limit, more than a first quick search fills."""
    while True:
        problem = _problem(labels, p, loss, slots)
        if slots >= limit or problem.search((0, 0), deep=SWEEP).labels.max() + 1 < slots:
            return problem
        slots = min(limit, 2 * slots)


def _from_all(problem: Problem, labels, p, loss: str, rng, restarts: int, progress: bool) -> Optimum:
    halt = np.zeros(1, dtype=np.int64)
    keys = rng.integers(2**64, size=(2, restarts, 2), dtype=np.uint64)
    given = _starts(problem, labels, p)[: max(1, restarts // _PART + 1)][:restarts]
    starts = [*given, *[None] * (restarts - len(given))]
    jobs = [lambda key=key, start=start: problem.search(key, start, deep=SWEEP, halt=halt)
            for key, start in zip(keys[0], starts)]  # fmt: skip
    swept = _distinct(in_threads(jobs, halt, what="partitions", show=progress))
    # Where most sweeps end alike there are few to take further, which then have several tries each.
    tries = min(restarts, max(_DEEP, restarts // _PART))
    best = [i % min(len(swept), tries) for i in range(tries)]
    jobs = [lambda key=key, start=swept[i][0].labels: problem.search(key, start, halt=halt)
            for key, i in zip(keys[1], best)]  # fmt: skip
    deep = in_threads(jobs, halt, what="the best of them", show=progress) if not halt[0] else []
    for i, end in zip(best, deep):
        if end is not None and end.value < swept[i][0].value:
            swept[i] = end, swept[i][1]
    same = _SAME * problem.n * (problem.n if loss == "binder" else 1)
    least = min(end.value for end, _ in swept)
    reached = [(numbered(end.labels), times) for end, times in swept if end.value <= least + same]
    losses = [round(bound(one, p) if loss == "vi_bound" else float(distances(labels, one, loss).mean()), 12)
              for one, _ in reached]  # fmt: skip
    total = sum(times for _, times in swept)
    return Optimum(reached[int(np.argmin(losses))][0], total, sum(times for _, times in reached), bool(halt[0]))


def _distinct(found: list) -> list[tuple[Found, int]]:
    """What was found, best first, and how many times."""
    groups: dict[bytes, list[Found]] = {}
    for one in found:
        if one is not None:
            groups.setdefault(numbered(one.labels).tobytes(), []).append(one)
    return sorted(((group[0], len(group)) for group in groups.values()), key=lambda pair: pair[0].value)


def _starts(problem: Problem, labels: np.ndarray, p) -> list[np.ndarray]:
    """The best cut of a hierarchical clustering, if there are not too many rows; then the best draws, best first."""
    n_draws, n = labels.shape
    fits = np.flatnonzero(labels.max(axis=1) < problem.n_slots)
    looks = int(np.clip(_LOOKING // (n_draws * n), 4, _CANDIDATES))
    drawn = [labels[m] for m in fits[np.linspace(0, len(fits) - 1, min(looks, len(fits))).astype(int)]]
    drawn = sorted(drawn, key=lambda one: _value(problem, one))
    if n > _HIERARCHY or n < 3:
        return drawn
    similar = co_clustering(labels) if p is None else p
    cuts = _cuts(similar, min(problem.n_slots, n, 2 * int(labels.max()) + 2))
    return [min(cuts, key=lambda one: _value(problem, one)), *drawn]


def _value(problem: Problem, start: np.ndarray) -> float:
    return problem.search((0, 0), start, deep=LOOK).value


def _cuts(similar: np.ndarray, most: int) -> list[np.ndarray]:
    """A hierarchical clustering by average linkage, cut into 1, 2, … clusters."""
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(1.0 - similar, checks=False), "average")
    return list(cut_tree(tree, np.arange(1, most + 1)).T)
