"""`fit_mle`: maximum likelihood, or the mode under a prior with closed forms, by EM from several starts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bayesgmm.data import Table, as_table, check_components
from bayesgmm.families import Family
from bayesgmm.families import family as family_of
from bayesgmm.fit.degenerate import collapse, explain
from bayesgmm.fit.em import Likelihood, Posterior, Target, climb
from bayesgmm.fit.moments import moments
from bayesgmm.fit.progress import track
from bayesgmm.fit.result import Fit, Start
from bayesgmm.fit.scaling import counted, scale_prior
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import Incomplete, Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior

# Rows whose responsibilities are held at once.
_CHUNK = 1 << 16


def fit_mle(
    x,
    n_components,
    *,
    covariance_type="full",
    prior=None,
    starts=10,
    case_weights=None,
    missing="raise",
    seed=None,
    progress=True,
) -> Fit:
    """Fit a Gaussian mixture by EM, from several starts, and keep the best.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Rows in data units. A float32 array is not copied: it is climbed in single precision first and in double at
        the end, so that the fit is that of its rows to all digits.
    n_components : int
        K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        How Σ_k may be built.
    prior : str or Prior, optional
        Maximise the posterior density of (π, μ, Σ) instead; equals ``fit_map`` of the story with this prior. One
        whose M-step has a closed form: "conjugate", "independent", or "hierarchical" with C₀ at its prior mean.
    starts : int
        Climbs begun, by k-means++ on sphered rows.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.
    missing : {"raise", "marginalise"}
        A missing cell (NaN) is an error that names its row and column, or it is taken to be missing at random and
        summed out: the likelihood is that of what is observed.
    seed : int, optional
        For the starts.
    progress : bool
        Show a bar while the starts run (nothing is shown for quick fits).

    Returns
    -------
    Fit

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used; the message says where and what to do.
    DegenerateFit
        If every start collapses: without a prior the likelihood is unbounded there.

    References
    ----------
    Dempster, Laird & Rubin (1977); McLachlan & Peel (2000), section 3.2; missing cells: Ghahramani & Jordan (1994);
    Fraley & Raftery (2007) for the prior.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> fit = bg.fit_mle(bg.load_dataset("faithful"), 2, seed=0, progress=False)
    >>> fit.mixture.weights.round(3).tolist(), round(fit.bic, 1)
    ([0.356, 0.644], 2322.2)
    """
    table, weights = counted(as_table(x, fitting=True, keep=True, missing=missing), case_weights)
    check_components(table, n_components)
    family = family_of(covariance_type)
    if prior is None:
        target: Target = Likelihood(family, table.features)
    else:
        scaled = scale_prior(prior, table, n_components, case_weights=weights, missing=missing)
        target = Posterior(family, table.features, climbable(scaled, family))
    rng, starts = np.random.default_rng(seed), at_least_one(starts, "starts")
    # Over rows with missing cells the moments are a climb of their own: once is enough.
    whole = moments(table.rows, weights) if prior is None or isinstance(table.rows, Incomplete) else None
    begin = start_statistics(table.rows, n_components, starts, rng, weights, whole)
    return best_climb(table, target, track(begin, starts, "EM", progress), weights, whole)


def best_climb(table: Table, target: Target, begin: Iterable, case_weights=None, whole: Stats | None = None) -> Fit:
    """Climb from each of the statistics in ``begin``, and make a `Fit` of the best that did not collapse.

    Whether a component of a likelihood's maximum has collapsed, the `moments` of all rows tell.
    """
    census, best = [], None
    for stats in begin:
        try:
            step, history, converged = climb(table.rows, target.update(stats), target, case_weights)
        except np.linalg.LinAlgError as error:
            census.append(Start(np.nan, 0, False, f"a component collapsed ({str(error).lower()})"))
            continue
        note = collapse(step.mixture, whole) if isinstance(target, Likelihood) else ""
        census.append(Start(step.objective, len(history) - 1, converged, note))
        if not note and (best is None or step.objective > best[0].objective):
            best = step, history, converged
    if best is None:
        raise explain([s.note for s in census], stats.n_components, target.family.alias)
    return _fit(table, target, best, tuple(census), case_weights)


def _fit(table, target, best, census, case_weights) -> Fit:
    step, history, converged = best
    mixture, family = _ordered(step.mixture), target.family
    k, d = mixture.n_components, mixture.n_features
    bayes = isinstance(target, Posterior)
    return Fit(
        mixture=mixture,
        log_likelihood=step.log_likelihood,
        log_posterior=step.objective if bayes else None,
        n_parameters=k - 1 + k * d + family.n_parameters(k, d),
        estimator="MAP" if bayes else "MLE",
        coordinates=("weights", "means", "covariances") if bayes else (),
        converged=converged,
        history=np.array(history),
        starts=census,
        covariance_type=family.alias,
        prior=target.prior if bayes else None,
        **certainty(table.rows, mixture, case_weights),
    )


def certainty(x, mixture: Mixture, case_weights=None) -> dict:
    """What a `Fit` says about its memberships: ``entropy``, ``log_certainty``, and ``n_obs``."""
    totals = np.zeros(3)
    chunk = len(x) if isinstance(x, Incomplete) else _CHUNK
    for first in range(0, len(x), chunk):
        some = slice(first, first + chunk)
        _, _, r = e_step(x if len(x) <= chunk else x[some], mixture, responsibilities=True, single=False)
        weights = np.ones(len(r)) if case_weights is None else case_weights[some]
        entropy = -(r * np.log(np.where(r > 0, r, 1.0))).sum(axis=1)
        totals += weights @ entropy, weights @ np.log(r.max(axis=1)), weights.sum()
    return dict(zip(("entropy", "log_certainty", "n_obs"), totals.tolist(), strict=True))


def _ordered(mixture: Mixture) -> Mixture:
    """Components by their first feature's mean: the same fit has the same labels, whatever the start."""
    return mixture.permute(np.lexsort(mixture.means.T[::-1]))


def climbable(prior: Prior, family: Family) -> Prior:
    """The prior whose posterior mode EM climbs to, or a sentence why it cannot."""
    found = prior.with_mode(family)
    if not hasattr(found, "mode"):
        raise ValueError(
            f"the M-step under a prior of kind {type(prior).__name__} has no closed form; declare its story and call "
            "fit_map: bg.fit_map(finite_mixture(x, n_components, prior=…))"
        )
    return found


def at_least_one(value, name: str) -> int:
    """Check a count that a user gave."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, not {value!r}")
    return int(value)
