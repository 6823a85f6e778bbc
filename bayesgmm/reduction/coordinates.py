"""Rows in the coordinates of each component, its factors, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesgmm.data import as_table
from bayesgmm.draws.mixtures import MixtureDraws, posterior_of, read
from bayesgmm.kernel import LowRank, e_step
from bayesgmm.mixture import Mixture

if TYPE_CHECKING:
    import xarray as xr

# Of draws, so many at most, and rows at a time.
DRAWS, _BLOCK = 200, 4096


class _Source(NamedTuple):
    """Mixtures with loadings: one, or some of the draws; and the columns that they look at."""

    mixtures: list[Mixture]
    features: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """K, D, q."""
        return self.mixtures[0].whitening.loadings.shape


def transform(fit_or_draws, x=None) -> xr.Dataset:
    """Rows in the coordinates of each component: the expected factors f, where x = μ_k + Λ_k f + ε.

    Parameters
    ----------
    fit_or_draws : FactorFit, Mixture with loadings, or DataTree
        Of draws, as `bayesgmm.models.factor_mixture` makes them, 200 spread over the chains are looked at; turn their
        loadings to agree first, with `bayesgmm.align_factors`.
    x : array, frame or file (N, D), optional
        Rows; without it, those of the draws.

    Returns
    -------
    Dataset
        ``scores`` (obs, component, factor): E[f | x, z = k], without units, of standard deviation about one.
        ``covariance`` (obs, component, factor, factor_other): of f given the row and the component; of a point estimate
        it is the same for all rows, and has no dim obs. Of draws it has what the parameters leave open as well.
        ``probability`` (obs, component): P(z = k | x).
        ``weighted`` (obs, factor): E[f | x], components averaged; it means something where they share loadings.

    Raises
    ------
    ValueError
        If there are no loadings, or no rows, or the rows do not fit.

    References
    ----------
    Ghahramani & Hinton (1996); Tipping & Bishop (1999).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.kernel import LowRank
    >>> line = LowRank(np.array([[[3.0], [4.0]]]), np.ones((1, 2)))
    >>> m = Mixture.from_whitening(np.ones(1), np.zeros((1, 2)), line)
    >>> transform(m, np.array([[3.0, 4.0]]))["scores"].values.round(3)
    array([[[0.962]]])
    """
    import xarray as xr

    source, rows, obs = _asked(fit_or_draws, x)
    (k, _, q), n = source.shape, len(rows)
    scores, total = np.zeros((n, k, q)), np.zeros((n, k))
    seconds = np.zeros((n, k, q, q)) if len(source.mixtures) > 1 else None
    probability = np.zeros((n, k))
    for mixture in source.mixtures:
        r, own, spread = _factors(mixture, rows)
        # Given z = k, draws count by how much they make of it that the row is k's.
        share = r + np.finfo(float).tiny ** 0.5
        probability, total = probability + r, total + share
        scores += share[:, :, None] * own
        if seconds is not None:
            seconds += share[:, :, None, None] * (spread + own[..., :, None] * own[..., None, :])
    scores, probability = scores / total[:, :, None], probability / len(source.mixtures)
    weighted = np.einsum("nk,nkq->nq", probability, scores)
    spread_dims = ("component", "factor", "factor_other")
    if seconds is not None:
        spread = seconds / total[:, :, None, None] - scores[..., :, None] * scores[..., None, :]
        spread_dims = ("obs", *spread_dims)
    return xr.Dataset(
        {"scores": (("obs", "component", "factor"), scores), "covariance": (spread_dims, spread),
         "probability": (("obs", "component"), probability), "weighted": (("obs", "factor"), weighted)},
        {"obs": obs, "component": np.arange(k), "factor": np.arange(q)},
    )  # fmt: skip


def reconstruct(fit_or_draws, x=None, *, shrink=True) -> xr.Dataset:
    """Rows as their factors tell them, without the noise: Σ_k P(z = k | x) (μ_k + Λ_k E[f | x, z = k]).

    Parameters
    ----------
    fit_or_draws, x
        As for `transform`; of draws, loadings need not agree.
    shrink : bool
        False takes, in place of the expected factors, those that fit the row best, by least squares in units of the
        noise: the nearest point of the component's subspace.

    Returns
    -------
    Dataset
        ``mean`` (obs, feature), in data units; ``sd``, of what is without noise: from factors and component unknown,
        and, of draws, from the parameters.

    Raises
    ------
    ValueError
        As `transform` does.

    References
    ----------
    Tipping & Bishop (1999), section 3.3, for least squares.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.kernel import LowRank
    >>> line = LowRank(np.array([[[3.0], [4.0]]]), np.ones((1, 2)))
    >>> m = Mixture.from_whitening(np.ones(1), np.zeros((1, 2)), line)
    >>> reconstruct(m, np.array([[3.0, 4.0]]), shrink=False)["mean"].values
    array([[3., 4.]])
    """
    import xarray as xr

    source, rows, obs = _asked(fit_or_draws, x)
    mean, second = np.zeros(rows.shape), np.zeros(rows.shape)
    centre = source.mixtures[0].weights @ source.mixtures[0].means
    for mixture in source.mixtures:
        for first in range(0, len(rows), _BLOCK):
            some = slice(first, first + _BLOCK)
            one, two = _told(mixture, rows[some], centre, shrink)
            mean[some] += one
            second[some] += two
    mean, second = mean / len(source.mixtures), second / len(source.mixtures)
    sd = np.sqrt(np.maximum(second - mean**2, 0.0))
    dims = ("obs", "feature")
    return xr.Dataset({"mean": (dims, mean + centre), "sd": (dims, sd)},
                      {"obs": obs, "feature": list(source.features)})  # fmt: skip


def _told(mixture: Mixture, rows, centre, shrink: bool) -> tuple[np.ndarray, np.ndarray]:
    """First and second moments (n, D) about a centre of rows without their noise."""
    r, scores, spread = _factors(mixture, rows, shrink)
    low_rank, mean, second = mixture.whitening, np.zeros(rows.shape), np.zeros(rows.shape)
    for k in range(mixture.n_components):
        loadings = low_rank.loadings[k]
        told = mixture.means[k] - centre + scores[:, k] @ loadings.T
        mean += r[:, k : k + 1] * told
        second += r[:, k : k + 1] * (told**2 + ((loadings @ spread[k]) * loadings).sum(axis=1))
    return mean, second


def _factors(mixture: Mixture, rows, shrink: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Responsibilities (N, K), factors of the rows (N, K, q), and their covariance (K, q, q)."""
    low_rank = mixture.whitening
    r = e_step(rows, mixture, pointwise=False, responsibilities=True)[2]
    gains = low_rank.regressions if shrink else np.linalg.pinv(
        low_rank.loadings / np.sqrt(low_rank.noise)[:, :, None]) / np.sqrt(low_rank.noise)[:, None]  # fmt: skip
    scores = np.stack([(rows - mean) @ gain.T for mean, gain in zip(mixture.means, gains, strict=True)], axis=1)
    return r, scores, low_rank.factor_covariances


def _asked(fit_or_draws, x) -> tuple[_Source, np.ndarray, np.ndarray]:
    """Mixtures with loadings, rows (N, D) and what they are called."""
    if hasattr(fit_or_draws, "children"):
        mixtures, loadings, noise = loadings_of(fit_or_draws)
        some = np.unique(np.linspace(0, len(mixtures) - 1, DRAWS).astype(int))
        source = _Source(list(_mixtures(mixtures.take(some), loadings[some], noise[some])), mixtures.features)
    else:
        mixture = getattr(fit_or_draws, "mixture", fit_or_draws)
        if not isinstance(getattr(mixture, "whitening", None), LowRank):
            raise ValueError("there are no factors to speak of: give what fit_factors returns, or draws of "
                             "factor_mixture")  # fmt: skip
        source = _Source([mixture], mixture.features)
    return source, *_rows(fit_or_draws, source.features, x)


def _rows(fit_or_draws, features, x) -> tuple[np.ndarray, np.ndarray]:
    from bayesgmm.draws.invariants import observed_rows

    if x is not None:
        values = as_table(x, features=features).values
    else:
        values = observed_rows(fit_or_draws, features) if hasattr(fit_or_draws, "children") else None
        if values is None:
            raise ValueError("give the rows as x: a fit does not keep them, and these draws hold none")
    return np.asarray(values, dtype=float), np.arange(len(values))


def loadings_of(draws) -> tuple[MixtureDraws, np.ndarray, np.ndarray]:
    """Draws as mixtures, and their loadings (M, K, D, q) and noise (M, K, D).

    Raises
    ------
    ValueError
        If the posterior has none.
    """
    posterior, found = posterior_of(draws), []
    for name, dims in (("loadings", ("component", "feature", "factor")), ("noise", ("component", "feature"))):
        if name not in posterior:
            raise ValueError(f"the posterior has no variable {name!r}: tell the story with factor_mixture")
        values = posterior[name].transpose("chain", "draw", *dims).values
        found.append(np.ascontiguousarray(values.reshape(-1, *values.shape[2:]), dtype=float))
    return read(draws), *found


def _mixtures(draws: MixtureDraws, loadings, noise) -> Iterator[Mixture]:
    for m in range(len(draws)):
        yield Mixture.from_whitening(draws.weights[m], draws.means[m], LowRank(loadings[m], noise[m]),
                                     features=draws.features)  # fmt: skip
