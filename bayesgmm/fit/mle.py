"""`fit_mle`: maximum likelihood, or the mode under a prior with closed forms, by EM from several starts."""

from __future__ import annotations

import numpy as np

from bayesgmm.data import as_table, check_components
from bayesgmm.families import Family
from bayesgmm.families import family as family_of
from bayesgmm.fit.best import best_climb
from bayesgmm.fit.degenerate import DegenerateFit
from bayesgmm.fit.em import Likelihood, Posterior, Target
from bayesgmm.fit.moments import moments
from bayesgmm.fit.result import Fit
from bayesgmm.fit.scaling import counted, scale_prior
from bayesgmm.fit.scouts import scout
from bayesgmm.fit.starts import starts_for
from bayesgmm.fit.wanted import how_many, wanted
from bayesgmm.kernel import Incomplete
from bayesgmm.priors import Prior
from bayesgmm.progress import track


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
    covariance_type : {"full", "tied", "diag", "spherical"} or str
        How Σ_k may be built: these, or one of mclust's fourteen codes, as "VEI"; see `bayesgmm.family`. Some depend on
        the units of the features, and ``print(fit)`` says so.
    prior : str or Prior, optional
        Maximise the posterior density of (π, μ, Σ) instead; equals ``fit_map`` of the story with this prior. One
        whose M-step has a closed form: "conjugate", "independent", or "hierarchical" with C₀ at its prior mean.
    starts : int, str, mapping, array, Mixture, Fit or list
        Climbs begun. A number: about a third of them (at most three) from groups of a tree (`fit.hierarchy`); every
        fifth by a move from the best mode of the others, two components merged and another split, where K > 2; and of
        the rest half by k-means++, half from rows at random, in units of neighbours or sphered. Names with counts, as
        ``{"hierarchy": 1, "kmeans++": 9, "random": 2, "split-merge": 4}``; a name alone is one start. Or your own: a
        label 0 … K − 1 a row, responsibilities (N, K), a Mixture, a Fit. Or a list of any of these. Where rows are
        very many (two hundred for each free parameter, and 20 000), all but your own climb over a sample of them first,
        and over all rows only from the modes that may be the best there.
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
        If every start collapses: without a prior the likelihood is unbounded there. It says which component, on which
        rows, and what to do.

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
    given = as_table(x, fitting=True, keep=True, missing=missing)
    table, weights = counted(given, case_weights)
    check_components(table, n_components)
    asked = wanted(starts, n_components, given.n_obs, given.n_features)
    if table is not given:
        asked = tuple(one.of_rows(np.asarray(case_weights) > 0) for one in asked)
    family = family_of(covariance_type, table.n_features)
    if prior is None:
        target: Target = Likelihood(family, table.features)
    else:
        scaled = scale_prior(prior, table, n_components, covariance_type=family, case_weights=weights,
                             missing=missing)  # fmt: skip
        target = Posterior(family, table.features, climbable(scaled, family))
    # Over rows with missing cells the moments are a climb of their own: once is enough.
    whole = moments(table.rows, weights) if prior is None or isinstance(table.rows, Incomplete) else None
    scouted = scout(table, target, asked, n_components, seed, weights, progress)
    if scouted is not None:
        begin = track(scouted.begin, len(scouted.begin), "EM, all rows", progress)
        try:
            return best_climb(table, target, begin, weights, whole, scouted.ends)
        except DegenerateFit:
            pass  # what was sound on a sample is not: other starts may be
    begin = starts_for(table.rows, n_components, asked, seed, weights, whole=whole, moves=True)
    return best_climb(table, target, track(begin, how_many(asked), "EM", progress), weights, whole)


def climbable(prior: Prior, family: Family) -> Prior:
    """The prior whose posterior mode EM climbs to, or a sentence why it cannot."""
    found = prior.with_mode(family)
    if not hasattr(found, "mode"):
        raise ValueError(
            f"the M-step under a prior of kind {type(prior).__name__} has no closed form; declare its story and call "
            "fit_map: bg.fit_map(finite_mixture(x, n_components, prior=…))"
        )
    return found
