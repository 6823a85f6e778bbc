"""`bootstrap` and `jackknife`: a fit, fitted again.

Every refit begins at the fit and climbs by EM until what is left is a hundredth of a standard error at most, which a
resampled one dwarfs. Compiled code climbs many at a time, one a thread; what becomes of a refit depends on nothing but
its own rows and weights, and so not on the number of threads.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from itertools import batched

import numpy as np

from bayesgmm.data import Table
from bayesgmm.draws.affinity import match
from bayesgmm.draws.confidence import confidence
from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.fit.again import rows_of, target_of
from bayesgmm.fit.climbs import climb_each
from bayesgmm.fit.degenerate import THINNEST, thinnest
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.moments import moments
from bayesgmm.fit.result import Fit
from bayesgmm.fit.uncertainty import proper
from bayesgmm.fit.wanted import at_least_one
from bayesgmm.kernel import Incomplete, threads
from bayesgmm.progress import track
from bayesgmm.resampling.replicates import Bootstrap, Jackknife

# Newton's decrement at which a refit ends: the squared distance to its maximum, in standard errors.
TOLERANCE = 1e-4
# Numbers of rows or weights held at once, and refits between two looks at the progress bar.
_HELD, _MOST = 8_000_000, 50


def bootstrap(fit: Fit, x, *, kind="nonparametric", replicates=1000, case_weights=None, ci_prob: float = 0.95,
              seed=None, progress=True) -> Bootstrap:  # fmt: skip
    """Fit again to samples like the rows, to see how the estimate varies.

    ===============  ===================================================================================
    "nonparametric"  N rows drawn from the rows, with replacement (Efron 1979)
    "parametric"     N rows drawn from the fitted mixture, with the same cells missing
    "weighted"       the rows, with weights from Dirichlet(1, …, 1): no row is ever lost, so that fewer
                     refits collapse (Newton & Raftery 1994; Rubin 1981)
    ===============  ===================================================================================

    Parameters
    ----------
    fit : Fit
        By maximum likelihood, or a MAP estimate under a prior with closed forms, whose constants are kept.
    x : array, frame or file (N, D)
        The rows that it was fitted to.
    kind : {"nonparametric", "parametric", "weighted"}
    replicates : int
        B.
    case_weights : array (N,), optional
        The frequencies that it was fitted with.
    ci_prob : float
        Of the percentile intervals.
    seed : int, optional
        The same seed gives the same replicates.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Bootstrap
        ``.table`` has the rows of `bayesgmm.compare`; ``.interval(jackknife(fit, x))`` gives BCa bounds.

    Raises
    ------
    DataError, ValueError
        If these are not the rows of the fit, an argument is out of range, the mode is one of a story without closed
        forms, or every refit ended degenerate.

    Warns
    -----
    UserWarning
        If it is interrupted, which keeps what is finished; if refits ended degenerate or did not converge; if labels
        could not be matched surely. ``.text`` has the counts.

    Notes
    -----
    Labels are matched to the fit's (`bayesgmm.draws.match`). A refit starts at the fit, and stays in its mode if it
    can: this is the spread of one mode. It ends a hundredth of a standard error from its maximum.

    References
    ----------
    Efron (1979); Newton & Raftery (1994); McLachlan & Peel (2000), section 2.16; O'Hagan, Murphy, Scrucca & Gormley
    (2019) for mixtures.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful")
    >>> fit = bg.fit_mle(x, 2, seed=0, progress=False)
    >>> found = bootstrap(fit, x, replicates=100, seed=1)
    >>> found.means.shape, found.degenerate, found.unsure
    ((100, 2, 2), 0, 0)
    >>> bool(abs(found.table.loc["weights[0]", "se"] / bg.standard_errors(fit, x).weights[0] - 1) < 0.2)
    True
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, _KINDS))}, not {kind!r}")
    ci_prob, n = proper(ci_prob), at_least_one(replicates, "replicates")
    target = target_of(fit, "bootstrap")
    table, weights = rows_of(fit, x, case_weights)
    rngs = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(n))
    samples = (_KINDS[kind](table, weights, fit, rng) for rng in rngs)
    found = _refits(fit, target, samples, n, kind, TOLERANCE, progress)
    return _told(Bootstrap(**_matched(fit, target, moments(table.rows, weights), *found),
                           kind=kind, requested=n, ci_prob=ci_prob))  # fmt: skip


def jackknife(fit: Fit, x, *, case_weights=None, ci_prob: float = 0.95, progress=True) -> Jackknife:
    """Fit again to all rows but one, for each row.

    Parameters
    ----------
    fit, x, case_weights, ci_prob, progress
        As for `bootstrap`. A case weight of w stands for w rows, of which one is left out; it must be 1 or more.

    Returns
    -------
    Jackknife
        ``.table`` has bias and standard errors, ``.acceleration`` what BCa intervals need.

    Raises
    ------
    DataError, ValueError
        As for `bootstrap`; and if a case weight is below 1.

    Warns
    -----
    UserWarning
        As for `bootstrap`.

    References
    ----------
    Quenouille (1956); Tukey (1958); Efron (1987) for the acceleration.

    Examples
    --------
    >>> import numpy as np
    >>> import bayesgmm as bg
    >>> x = np.array([[1.0], [2.0], [4.0], [7.0]])
    >>> found = jackknife(bg.fit_mle(x, 1, progress=False), x)
    >>> bool(np.isclose(found.se[1][0, 0], x.std(ddof=1) / 2))
    True
    """
    ci_prob, target = proper(ci_prob), target_of(fit, "jackknife")
    table, weights = rows_of(fit, x, case_weights)
    counts = np.ones(table.n_obs) if weights is None else weights
    if (counts < 1).any():
        raise ValueError(f"jackknife leaves out one row at a time, but a case weight is {counts.min():g}: weights of 1 "
                         "or more stand for so many rows; bootstrap(kind='weighted') takes any")  # fmt: skip
    samples = _all_but_one(table.rows, counts)
    # Refits differ by a standard error over √N.
    found = _refits(fit, target, samples, table.n_obs, "jackknife", TOLERANCE / fit.n_obs, progress)
    matched = _matched(fit, target, moments(table.rows, weights), *found)
    return _told(Jackknife(**matched, kind="jackknife", requested=table.n_obs, ci_prob=ci_prob,
                           counts=counts[matched["numbers"]], total=fit.n_obs))  # fmt: skip


def _resampled(table: Table, weights, fit, rng):
    """The rows, and how often each was drawn."""
    p = np.full(table.n_obs, 1 / table.n_obs) if weights is None else weights / weights.sum()
    drawn = max(1, round(fit.n_obs))
    return table.rows, rng.multinomial(drawn, p) * (fit.n_obs / drawn)


def _weighed(table: Table, weights, fit, rng):
    """The rows, and weights from a Dirichlet distribution; a case weight is the number of such weights added up."""
    shares = rng.standard_gamma(np.ones(table.n_obs) if weights is None else weights)
    return table.rows, shares * (fit.n_obs / shares.sum())


def simulated(table: Table, weights, fit, rng):
    """Rows of the fitted mixture, each with the missing cells of a row."""
    drawn = max(1, round(fit.n_obs))
    rows = fit.mixture.sample(drawn, seed=rng)[0]
    if not isinstance(table.rows, Incomplete):
        return rows, None
    like = np.arange(drawn) if weights is None else rng.choice(table.n_obs, drawn, p=weights / weights.sum())
    rows[np.isnan(table.values[like])] = np.nan
    return Incomplete.of(rows), None


def _all_but_one(rows, counts) -> Iterator[tuple]:
    for n in range(len(counts)):
        left = counts.copy()
        left[n] -= 1.0
        yield rows, left


_KINDS = {"nonparametric": _resampled, "parametric": simulated, "weighted": _weighed}


def _refits(fit, target, samples: Iterable, total: int, kind: str, tolerance: float, progress: bool):
    """Where each refit ended, and whether all were made."""
    found = []
    try:
        for batch in batched(track(samples, total, kind, progress), _batch_size(fit)):
            found += climb_each(batch, fit.mixture, target, tolerance)
    except KeyboardInterrupt:
        if not found:
            raise KeyboardInterrupt(f"no {kind} refit was finished, so there is nothing to keep") from None
        return found, False
    return found, True


def _batch_size(fit) -> int:
    """Refits whose rows or weights are held at once."""
    return int(np.clip(_HELD // (fit.n_obs * fit.mixture.n_features), threads(), _MOST))


def _matched(fit, target, whole, refits: list, complete: bool) -> dict:
    """The refits that did not end degenerate, as arrays under the fit's labels."""
    kept = [(b, mixture, done) for b, (mixture, done) in enumerate(refits) if mixture is not None]
    parts = [(b, done, m.weights, m.means, m.covariances) for b, m, done in kept]
    arrays = list(map(np.array, zip(*parts, strict=True)))
    if parts and isinstance(target, Likelihood):
        sound = (thinnest(arrays[-1], whole) >= THINNEST).all(axis=1)
        arrays = [array[sound] for array in arrays]
    if not parts or not len(arrays[0]):
        raise ValueError(f"all {len(refits)} refits ended with a collapsed component: use kind='weighted', a prior, "
                         "fewer components, or a simpler covariance_type")  # fmt: skip
    numbers, converged, *parameters = arrays
    draws = MixtureDraws(*parameters, fit.features)
    draws = draws.permute(match(draws, fit.mixture))
    return {"mixture": fit.mixture, "weights": draws.weights, "means": draws.means, "covariances": draws.covariances,
            "confidence": confidence(draws), "numbers": numbers, "degenerate": len(refits) - len(numbers),
            "unconverged": int((~converged).sum()), "incomplete": not complete}  # fmt: skip


def _told(found):
    """The refits, with a warning where something went wrong."""
    if found.incomplete or found.degenerate or found.unconverged or found.unsure:
        warnings.warn(found.text, UserWarning, stacklevel=3)
    return found
