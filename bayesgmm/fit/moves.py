"""From one mixture to beginnings elsewhere: a component split in two, or two merged and another one split."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

import numpy as np

from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.degenerate import thinnest
from bayesgmm.fit.em import Target, em
from bayesgmm.fit.moments import moments
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture

# Pairs of components that are merged, those that share most rows.
_PAIRS = 3
# EM steps that tell what a beginning is worth, and what is too thin to go on with, as in `degenerate`.
_ROUGH, _THIN = 6, 1e-5
_PARTS = ("counts", "means", "scatters")


def splits(x, mixture: Mixture, case_weights=None, *, whole: Stats | None = None) -> list[Beginning]:
    """K beginnings of K + 1 components: each component of a mixture split across its longest axis.

    Laws: they move with the rows under any linear map.

    Parameters
    ----------
    x : ndarray (N, D) or Incomplete
    mixture : Mixture
        Of K components, fitted to the rows.
    whole : Stats, optional
        The rows' `moments`, if known.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [5.0], [6.0]])
    >>> (one,) = splits(x, Mixture([1.0], [[3.0]], [[[6.5]]]))
    >>> one.stats.means.round(2).ravel(), one.stats.counts
    (array([5.03, 0.97]), array([2., 2.]))
    """
    stats, _, whole = _seen(x, mixture, case_weights, whole)
    return splits_of(stats, whole)


def splits_of(stats: Stats, whole: Stats) -> list[Beginning]:
    """The same from the statistics of what each component answers for."""
    halves, k = _halves(stats, whole), stats.n_components
    others = np.nonzero(~np.eye(k, dtype=bool))[1].reshape(k, k - 1)
    parts = (np.concatenate((getattr(stats, name)[others], getattr(halves, name)), axis=1) for name in _PARTS)
    return [Beginning("split", Stats(*one)) for one in zip(*parts, strict=True)]


def exchanges(x, mixture: Mixture, case_weights=None, *, whole: Stats | None = None) -> list[Beginning]:
    """Beginnings of as many components as a mixture has: two of its components merged, and another one split.

    The three pairs that share most rows are merged, and with each every other component is split in turn.

    References
    ----------
    Ueda, Nakano, Ghahramani & Hinton (2000), also for how much two components share.

    Examples
    --------
    >>> m = Mixture([0.4, 0.2, 0.4], [[0.0], [1.0], [9.0]], [[[1.0]], [[1.0]], [[4.0]]])
    >>> found = exchanges(m.sample(100, seed=0)[0], m)
    >>> len(found), found[0].stats.means.round(1).ravel()
    (3, array([ 0.3, 10.2,  7.2]))
    """
    if mixture.n_components < 3:
        return []
    stats, r, whole = _seen(x, mixture, case_weights, whole)
    found, halves = [], _halves(stats, whole)
    for pair in _sharing(r)[:_PAIRS]:
        others = [j for j in range(mixture.n_components) if j not in pair]
        for split in others:
            kept = _take(stats, [j for j in others if j != split])
            merged = _take(stats, [pair[0]]) + _take(stats, [pair[1]])
            found.append(Beginning("split-merge", _joined(kept, merged, _take(halves, split))))
    return found


def promising(x, target: Target, begin: Iterable[Beginning], case_weights=None, *, whole: Stats,
              most: int) -> list[Beginning]:  # fmt: skip
    """The best of some beginnings, after a few steps of EM from each; those that become thin are left out."""
    ranked = []
    for one in begin:
        try:
            *_, last = islice(em(x, target.update(one.stats), target, case_weights, accelerate=False), _ROUGH)
        except np.linalg.LinAlgError:
            continue
        if thinnest(last.mixture.covariances, whole).min() > _THIN:
            ranked.append((last.objective, Beginning(one.kind, last.stats)))
    ranked.sort(key=lambda found: -found[0])
    return [one for _, one in ranked[:most]]


def _seen(x, mixture, case_weights, whole) -> tuple[Stats, np.ndarray, Stats]:
    _, stats, r = e_step(x, mixture, case_weights, responsibilities=True, single=False)
    return stats, r, moments(x, case_weights) if whole is None else whole


def _sharing(r) -> list[tuple[int, int]]:
    """Pairs of components, those first whose responsibilities have the largest cosine."""
    sizes = np.sqrt((r**2).sum(axis=0))
    cosines = r.T @ r / np.maximum(np.outer(sizes, sizes), np.finfo(float).tiny)
    first, second = np.triu_indices(len(sizes), 1)
    order = np.argsort(-cosines[first, second], kind="stable")
    return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


@lru_cache(maxsize=16)
def _units(whole: Stats) -> tuple[np.ndarray, np.ndarray]:
    """The factor of the covariance of all rows, and its inverse."""
    factor = np.linalg.cholesky(whole.scatters[0] / whole.total)
    return factor, np.linalg.inv(factor)


def _halves(stats: Stats, whole: Stats) -> Stats:
    """The halves (K, 2, …) of each normal component, cut across its longest axis, in units in which all rows have unit
    covariance: their means lie √(2/π) of a standard deviation from its mean.
    """
    (factor, inverse), half = _units(whole), 0.5 * stats.counts
    covariances = stats.scatters / np.maximum(stats.counts, np.finfo(float).tiny)[:, None, None]
    turned = inverse @ covariances @ inverse.T
    values, vectors = np.linalg.eigh(0.5 * (turned + turned.mT))
    gaps = np.sqrt(2 / np.pi * np.maximum(values[:, -1:], 0.0)) * (vectors[:, :, -1] @ factor.T)
    largest = np.take_along_axis(gaps, np.abs(gaps).argmax(axis=1)[:, None], axis=1)
    gaps = np.where(largest > 0, gaps, -gaps)
    scatters = half[:, None, None] * (covariances - gaps[:, :, None] * gaps[:, None])
    two = np.array([1.0, -1.0])[:, None]
    return Stats(np.stack((half, half), axis=1), stats.means[:, None] + two * gaps[:, None],
                 np.stack((scatters, scatters), axis=1))  # fmt: skip


def _take(stats: Stats, components: list[int] | int) -> Stats:
    return Stats(stats.counts[components], stats.means[components], stats.scatters[components])


def _joined(*parts: Stats) -> Stats:
    return Stats(*(np.concatenate([getattr(p, name) for p in parts]) for name in _PARTS))
