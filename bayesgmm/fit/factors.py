"""`fit_factors`: mixtures of factor analysers and of probabilistic principal components, by EM."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np

from bayesgmm.data import Table, as_table, check_components
from bayesgmm.families import FactorModel, principal_loadings
from bayesgmm.fit.best import certainty
from bayesgmm.fit.census import End, Mode
from bayesgmm.fit.degenerate import THINNEST, DegenerateFit
from bayesgmm.fit.em import ROUGH, climb
from bayesgmm.fit.factor_fit import LEFT, FactorFit, diagnose_factors
from bayesgmm.fit.factor_starts import factor_starts
from bayesgmm.fit.factor_target import FactorLikelihood
from bayesgmm.fit.result import Start
from bayesgmm.fit.scaling import counted
from bayesgmm.fit.wanted import at_least_one, how_many, wanted
from bayesgmm.mixture import Mixture
from bayesgmm.progress import track

# Every start is climbed for so many steps; so many of the highest go on, to the top.
ROUGH_STEPS, GO_ON = 40, 3
MOST_STEPS = 1000
# Ends that differ by no more are one mode.
_HEIGHT = 1e-2
_SHARED = ("loadings", "noise")


def fit_factors(x, n_components, n_factors, *, noise="diagonal", shared=(), starts=10, case_weights=None, seed=None,
                progress=True) -> FactorFit:  # fmt: skip
    """Fit a mixture whose components vary along a few factors each: Σ_k = Λ_kΛ_kᵀ + Ψ_k, Ψ_k diagonal.

    For many features: a component has Dq parameters for its factors in place of D²/2, and no D × D matrix of a
    component is made.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Rows in data units, no cell missing.
    n_components : int
        K.
    n_factors : int
        q, from 1 to D − 1, for every component.
    noise : {"diagonal", "isotropic"}
        A variance for each feature, as in factor analysis; or one for all, as in probabilistic principal components,
        which depends on the units of the features.
    shared : {"loadings", "noise"} or tuple of them
        What all components have in common. Shared noise makes up for small components; where features do not vary at
        all within one, as pixels at the margin of an image, isotropic noise does.
    starts : int, str, mapping, array, Mixture, Fit or list
        As for `fit_mle`. Each is climbed for 40 steps, and the three highest, of those that have not collapsed, to
        the top.
    case_weights : array (N,), optional
        Non-negative frequencies: a weight of 2 counts a row twice.
    seed : int, optional
        For the starts.
    progress : bool
        Show a bar while the starts run (nothing is shown for quick fits).

    Returns
    -------
    FactorFit

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used; the message says where and what to do.
    DegenerateFit
        If every start collapses: it says which component, in which features, and what to do.

    Notes
    -----
    A pass over the rows costs O(NKDq). EM takes the factors as missing besides the labels, one step after each pass,
    so that the log-likelihood never falls; quasi-Newton steps follow, as in `fit_mle`. Noise is bounded below by 1e-6
    of the variance of all rows.

    References
    ----------
    Ghahramani & Hinton (1996); Tipping & Bishop (1999); McNicholas & Murphy (2008) for the eight models, their codes
    and their numbers of parameters.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("penguins").select_dtypes("number").dropna()
    >>> fit = bg.fit_factors(x, 2, n_factors=1, starts=2, seed=0, progress=False)
    >>> fit.model.code, fit.loadings.shape, fit.mixture.weights.round(2).tolist()
    ('UUU', (2, 4, 1), [0.64, 0.36])
    """
    given = as_table(x, fitting=True)
    table, weights = counted(given, case_weights)
    check_components(table, n_components)
    q, model = _n_factors(n_factors, table.n_features), _model(noise, shared)
    # One group is found in one way.
    asked = wanted("random" if n_components == 1 else starts, n_components, given.n_obs, given.n_features)
    if table is not given:
        asked = tuple(one.of_rows(np.asarray(case_weights) > 0) for one in asked)
    rows = np.asarray(table.values, dtype=float)
    target = FactorLikelihood(model, table.features, THINNEST * _variances(rows, weights))
    begin = factor_starts(rows, n_components, q, model, asked, seed, weights)
    return best_factors(table, target, track(begin, how_many(asked), "EM", progress), weights)


def _model(noise, shared) -> FactorModel:
    if noise not in ("diagonal", "isotropic"):
        raise ValueError(f"noise={noise!r} is not known; use 'diagonal', or 'isotropic'")
    names = (shared,) if isinstance(shared, str) else tuple(shared)
    unknown = [name for name in names if name not in _SHARED]
    if unknown:
        raise ValueError(f"shared names {unknown[0]!r}, which is not known; use 'loadings', 'noise', or both")
    return FactorModel("loadings" in names, "noise" in names, noise == "isotropic")


def _n_factors(n_factors, n_features: int) -> int:
    q = at_least_one(n_factors, "n_factors")
    if q >= n_features:
        raise ValueError(f"n_factors must be below the number of features, {n_features}, not {q}; "
                         "fit_mle has covariances without factors")  # fmt: skip
    return q


def _variances(rows, weights) -> np.ndarray:
    weights = np.ones(len(rows)) if weights is None else weights
    mean = weights @ rows / weights.sum()
    return np.array([weights @ (rows[:, j] - mean[j]) ** 2 for j in range(rows.shape[1])]) / weights.sum()


def best_factors(table: Table, target: FactorLikelihood, begin, weights=None) -> FactorFit:
    """Climb from each beginning for some steps, from the highest to the top, and make a fit of the best.

    Interrupted, it keeps what is finished, and warns.
    """
    rows, ends = np.asarray(table.values, dtype=float), []
    n_obs = float(len(rows) if weights is None else weights.sum())
    try:
        for kind, start in begin:
            ends.append(_end(rows, kind, start, target, weights, n_obs, ROUGH_STEPS))
        _go_on(rows, ends, target, weights, n_obs)
    except KeyboardInterrupt:
        if all(e.mixture is None for e in ends):
            raise KeyboardInterrupt("no start was climbed, so there is nothing to keep") from None
        warnings.warn("interrupted: the fit is the best of what was finished so far", stacklevel=3)
    return _chosen(table, target, ends, weights)


def _go_on(rows, ends: list[End], target, weights, n_obs) -> None:
    """Climb on from the highest ends that are sound and not at one height, until three have reached the top."""
    reached, heights = 0, []
    for i in sorted(range(len(ends)), key=lambda i: _rank(ends[i])):
        if reached == GO_ON or ends[i].mixture is None or ends[i].degeneracy is not None:
            return
        if any(abs(height - ends[i].objective) < _HEIGHT for height in heights):
            continue
        heights.append(ends[i].objective)
        if not ends[i].converged:
            ends[i] = _more(rows, ends[i], target, weights, n_obs)
        reached += ends[i].degeneracy is None


def _rank(end: End) -> tuple:
    """The best first: sound ones, by height."""
    return end.mixture is None, end.degeneracy is not None, -end.objective if end.mixture is not None else 0.0


def _end(rows, kind, start: Mixture, target, weights, n_obs, most) -> End:
    try:
        step, history, converged = climb(rows, start, target, weights, most=most)
    except np.linalg.LinAlgError as error:
        return End(kind, None, np.nan, np.nan, 0, False, str(error))
    wrong = diagnose_factors(step.mixture, n_obs, target)
    # Where noise is near its bound rounding may end a climb a little before its top.
    converged = converged or step.gradient < ROUGH
    return End(kind, step.mixture, step.objective, step.log_likelihood, len(history) - 1, converged,
               wrong.text if wrong else "", history, wrong)  # fmt: skip


def _more(rows, end: End, target, weights, n_obs) -> End:
    """The same climb, to its end."""
    found = _end(rows, end.kind, end.mixture, target, weights, n_obs, MOST_STEPS)
    if found.mixture is None:
        return end._replace(note=found.note)
    return found._replace(history=[*end.history, *found.history[1:]], n_iter=end.n_iter + found.n_iter)


def _chosen(table: Table, target: FactorLikelihood, ends: list[End], weights) -> FactorFit:
    best = min(ends, key=_rank)
    modes, of_end = _census(ends)
    starts = tuple(Start(e.objective, e.n_iter, e.converged, e.note or ("" if e.converged else LEFT), e.kind,
                         of_end[i]) for i, e in enumerate(ends))  # fmt: skip
    if best.mixture is None or (best.degeneracy and best.degeneracy.collapsed):
        why = best.degeneracy.text if best.degeneracy else best.note
        raise DegenerateFit(f"all {len(ends)} starts ended in a degenerate mixture: {why}", None, starts)
    (k, d), model, q = best.mixture.means.shape, target.family, best.mixture.whitening.rank
    mixture = _in_order(best.mixture, model, table.features)
    modes = tuple(m if m.mixture is not best.mixture else Mode(mixture, m.objective, m.kinds, m.log_mass, m.doubt)
                  for m in modes)  # fmt: skip
    return FactorFit(
        mixture=mixture,
        log_likelihood=best.log_likelihood,
        n_parameters=k - 1 + k * d + model.n_parameters(k, d, q),
        estimator="MLE",
        converged=best.converged,
        history=np.array(best.history),
        starts=starts,
        census=modes,
        degeneracy=best.degeneracy,
        model=model,
        **certainty(np.asarray(table.values, dtype=float), mixture, weights),
    )


def _census(ends: list[End]) -> tuple[tuple[Mode, ...], list[int]]:
    """The heights at which climbs ended, the best first, and of each end the position of its mode, −1 if in none."""
    of_end, groups = [-1] * len(ends), []
    for i in sorted(range(len(ends)), key=lambda i: _rank(ends[i])):
        end = ends[i]
        if end.mixture is None or not (end.converged or end.degeneracy or not groups):
            continue
        if not groups or abs(ends[groups[-1][0]].objective - end.objective) > _HEIGHT:
            groups.append([])
        groups[-1].append(i)
        of_end[i] = len(groups) - 1
    modes = (Mode(ends[g[0]].mixture, ends[g[0]].objective, dict(Counter(ends[i].kind for i in g)), np.nan,
                  f"degenerate: {ends[g[0]].degeneracy.text}" if ends[g[0]].degeneracy else "")
             for g in groups)  # fmt: skip
    return tuple(modes), of_end


def _in_order(mixture: Mixture, model: FactorModel, features) -> Mixture:
    """Components by their means, factors by what they explain: a fit has the same numbers, whatever the start."""
    mixture = mixture.permute(np.lexsort(mixture.means.T[::-1]))
    low_rank = principal_loadings(model, mixture.whitening)
    return Mixture.from_whitening(mixture.weights, mixture.means, low_rank, features=features)
