"""Where climbs of mixtures of factors begin: groups of rows, and the principal axes of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayesgmm.families import FactorModel, Full
from bayesgmm.fit.begin import shrunk
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.starts import SAMPLE, _lloyd, kmeans_plus_plus, starts_for
from bayesgmm.fit.wanted import MOVES, Wanted
from bayesgmm.kernel import LowRank, e_step
from bayesgmm.mixture import Mixture

# Groups are looked for along so many principal axes of all rows at most: others are hardly more than noise.
_MOST_AXES = 15
# Steps and spare columns of a randomised search for principal axes (Halko, Martinsson & Tropp 2011).
_POWERS, _SPARE = 4, 6
# Noise begins at no less than this share of what a component's rows have of a feature.
_LEAST = 0.05
# Of so many features at most it is looked at what the others tell of each, and no less is left to it than this share.
_WIDEST, _ALONE = 200, 1e-3


def factor_starts(x, n_components: int, n_factors: int, model: FactorModel, asked: tuple[Wanted, ...], rng,
                  case_weights=None) -> Iterator[tuple[str, Mixture]]:  # fmt: skip
    """What climbs begin from, one after the other: what found it, and a mixture of factors.

    Groups of rows are found as `fit_mle` finds them, along principal axes of all rows where features are many; each
    begins with its own principal axes. A `Mixture` of the same model is a start as it is.

    Laws: a seed fixes it; where noise is not isotropic it moves with the units of the features.
    """
    rng = np.random.default_rng(rng)
    chosen = np.sort(rng.choice(len(x), SAMPLE, replace=False)) if len(x) > SAMPLE else slice(None)
    rows, weights = np.asarray(x[chosen], dtype=float), np.ones(len(x)) if case_weights is None else case_weights
    some = weights[chosen]
    units = _units(rows, some, model)
    y = _scores((rows - some @ rows / some.sum()) / units, some, rng)
    for one in asked:
        if isinstance(one.own, Mixture):
            yield one.name, _own(one.own, rows, some, n_factors, model, rng)
        elif one.own is not None:
            yield one.name, principal_start(rows, one.own[chosen] * some[:, None], n_factors, model, units, rng)
        else:
            for kind, r in _groups(y, n_components, one, rng, some):
                yield kind, principal_start(rows, r * some[:, None], n_factors, model, units, rng)


def _groups(y, n_components, one: Wanted, rng, weights) -> Iterator[tuple[str, np.ndarray]]:
    """Responsibilities (N, K): by k-means++ on the rows as they are, or, sphered, as for `fit_mle`.

    Sphering would make as much of the axes that hold hardly more than noise as of the first.
    """
    if one.name in ("kmeans++", MOVES):
        for _ in range(one.count):
            yield "kmeans++", _lloyd(y, kmeans_plus_plus(y, n_components, rng, weights), weights)
    else:
        for begin in starts_for(y, n_components, (one,), rng, weights):
            yield begin.kind, _responsibilities(y, begin.stats)


def _units(rows, weights, model) -> np.ndarray:
    """What features are divided by: one number where the model depends on their units."""
    variances = weights @ (rows - weights @ rows / weights.sum()) ** 2 / weights.sum()
    variances = np.where(variances > 0, variances, 1.0)
    return np.sqrt(np.full_like(variances, variances.mean()) if model.isotropic else variances)


def _scores(rows, weights, rng) -> np.ndarray:
    """Rows along their principal axes (N, at most 15); all of them where features are few."""
    if rows.shape[1] <= _MOST_AXES:
        return rows
    axes, _ = _principal(rows * np.sqrt(weights)[:, None], _MOST_AXES, rng)
    return rows @ axes


def _responsibilities(y, stats) -> np.ndarray:
    try:
        groups = Likelihood(Full(), tuple(map(str, range(y.shape[1])))).update(shrunk(stats))
    except np.linalg.LinAlgError:
        return np.full((len(y), stats.n_components), 1 / stats.n_components)
    return e_step(y, groups, pointwise=False, responsibilities=True)[2]


def _own(given: Mixture, rows, weights, n_factors, model, rng) -> Mixture:
    low_rank = given.whitening
    if isinstance(low_rank, LowRank) and low_rank.rank == n_factors and _is_of(model, low_rank):
        return given
    r = e_step(rows, given, pointwise=False, responsibilities=True)[2]
    return principal_start(rows, r * weights[:, None], n_factors, model, _units(rows, weights, model), rng)


def _is_of(model: FactorModel, low_rank: LowRank) -> bool:
    """Whether what a model shares is shared."""
    loadings, noise = low_rank.loadings, low_rank.noise
    return (
        (not model.shared_loadings or bool((loadings == loadings[0]).all()))
        and (not model.shared_noise or bool((noise == noise[0]).all()))
        and (not model.isotropic or bool((noise == noise[:, :1]).all()))
    )


def principal_start(rows, r, n_factors: int, model: FactorModel, units, rng) -> Mixture:
    """The mixture whose loadings are the principal axes of the rows that each component answers for.

    Parameters
    ----------
    rows, r : ndarray (N, D), (N, K)
        Rows, and responsibilities times case weights.
    n_factors : int
    model : FactorModel
    units : ndarray (D,)
        In which axes are principal; diagonal noise has them weighed by what other features do not tell of each.
    rng : Generator

    References
    ----------
    McNicholas & Murphy (2008), section 4.
    """
    rng = np.random.default_rng(rng)
    if not model.isotropic and rows.shape[1] <= _WIDEST:
        units = units * np.sqrt(_alone((rows - _fitted(rows, r)) / units, r.sum(axis=1)))
    y = rows / units
    counts = np.maximum(r.sum(axis=0), 1.0)
    means = r.T @ y / counts[:, None]
    spreads = np.array([r[:, k] @ (y - means[k]) ** 2 for k in range(len(counts))]) / counts[:, None]
    pooled = counts @ spreads / counts.sum()
    # A small group knows little of its own: a few rows of all components' are added.
    share = (counts / (counts + n_factors + 2))[:, None]
    spreads = np.maximum(share * spreads + (1 - share) * pooled, 1e-12)
    if model.shared_loadings:
        within = (y - _fitted(y, r)) * np.sqrt(r.sum(axis=1))[:, None]
        parts = [_loadings(within, counts.sum(), pooled, n_factors, rng)] * len(counts)
    else:
        parts = [_loadings((y - means[k]) * np.sqrt(r[:, k])[:, None], counts[k], spreads[k], n_factors, rng)
                 for k in range(len(counts))]  # fmt: skip
    loadings = np.array(parts)
    rest = np.maximum(spreads - (loadings**2).sum(axis=2), _LEAST * spreads)
    noise = model.noise(rest * units**2, counts, np.zeros(len(units)))
    low_rank = LowRank(np.ascontiguousarray(loadings * units[:, None]), np.ascontiguousarray(noise))
    return Mixture.from_whitening(counts / counts.sum(), means * units, low_rank)


def _fitted(rows, r) -> np.ndarray:
    """The mean of its component for each row, as far as it is known which that is."""
    means = r.T @ rows / np.maximum(r.sum(axis=0), 1.0)[:, None]
    return r @ means / np.maximum(r.sum(axis=1), 1e-300)[:, None]


def _alone(within, weights) -> np.ndarray:
    """The share (D,) of a feature's variance within components that the other features do not tell.

    It bounds what is noise from above, and of features that nearly repeat each other it is so much less than all that
    their principal axes lead elsewhere (Jöreskog 1963; R's factanal() begins here).
    """
    covariance = (within * weights[:, None]).T @ within
    sds = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    correlation = covariance / np.outer(sds, sds)
    return 1 / np.diag(np.linalg.inv(correlation + _ALONE * np.eye(len(sds))))


def _loadings(rows, count, spreads, n_factors, rng) -> np.ndarray:
    """Principal axes (D, q) of centred rows, as long as is left of their spread above that of the others."""
    axes, values = _principal(rows / np.sqrt(count), n_factors, rng)
    others = max((spreads.sum() - values.sum()) / max(len(spreads) - n_factors, 1), 0.0)
    floor = 1e-2 * spreads.mean()
    return axes * np.sqrt(np.maximum(values - others, floor))


def _principal(rows, n_axes: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The first right singular vectors (D, n) of rows, and their squared values; some may be of length zero."""
    wide = min(n_axes + _SPARE, rows.shape[1])
    basis = rng.standard_normal((rows.shape[1], wide))
    for _ in range(_POWERS):
        basis = np.linalg.qr(rows.T @ (rows @ basis))[0]
    _, values, turn = np.linalg.svd(rows @ basis, full_matrices=False)
    found, squares = np.zeros((rows.shape[1], n_axes)), np.zeros(n_axes)
    n = min(n_axes, len(values))
    found[:, :n], squares[:n] = (basis @ turn.T)[:, :n], values[:n] ** 2
    return found, squares
