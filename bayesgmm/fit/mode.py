"""`fit_map`: the posterior mode of any story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from bayesgmm.data import Table
from bayesgmm.fit.begin import Beginning
from bayesgmm.fit.best import best_climb, certainty, taken
from bayesgmm.fit.census import End
from bayesgmm.fit.components import ComponentsFit
from bayesgmm.fit.em import Posterior
from bayesgmm.fit.moments import moments
from bayesgmm.fit.result import Fit, Start
from bayesgmm.fit.shares import start_responsibilities
from bayesgmm.fit.starts import start_statistics, starts_for
from bayesgmm.fit.wanted import at_least_one, how_many, wanted
from bayesgmm.kernel import Stats
from bayesgmm.priors.weights import refuse_unbounded
from bayesgmm.progress import track

# Looks at the curvature on the way up.
_ROUNDS = 4
# Above this many free variables the curvature is not looked at: differencing the gradient would cost too much.
MOST_FOR_CURVATURE = 1000
# Newton's decrement from which his step leaves nothing to gain, and the steps of differences, in standard deviations.
_CLOSE, _STEP, _STEPS = 1e-4, 1e-3, (1e-5, 1e-1)


class Summit(NamedTuple):
    """Where a climb ended: a point u (p,), log densities on the way, and the curvature (p, p) if it was looked at."""

    point: np.ndarray
    history: list[float]
    converged: bool
    curvature: np.ndarray | None


def fit_map(model, *, starts=10, seed=None, progress=True) -> Fit | ComponentsFit:
    """Find the mode of a story's posterior density.

    A story that declares a prior with closed forms is climbed by EM; any other one by L-BFGS on the marginal posterior
    and Newton's last steps, from the same starts, with the same statistics (Fisher's identity).

    Parameters
    ----------
    model : pymc.Model
        A story: one observed `MarginalGaussianMixture`, or `MarginalMixture`.
    starts : int, str, mapping, array, Mixture, Fit or list
        Climbs begun, as in `fit_mle`; those by split and merge only where EM climbs. A number where components are a
        story's own.
    seed : int, optional
        For the starts.
    progress : bool
        Show a bar while a slow fit runs.

    Returns
    -------
    Fit, or ComponentsFit of a story with components of its own
        ``coordinates`` names the variables whose density, without Jacobian, is at its maximum: `pymc.find_MAP`'s
        convention. A mode depends on coordinates. A weight may sit at 0 where its concentration is 1.

    Raises
    ------
    ValueError
        If the model is no story, or its density is unbounded, as for a Dirichlet concentration below 1, half-normal
        standard deviations, or an LKJ prior with η ≤ 1 + D/2.

    Notes
    -----
    Under `Hierarchical` the joint density of Σ and C₀ is unbounded where both vanish; the mode is that of (π, μ, Σ)
    given C₀ at its prior mean.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from bayesgmm.models import finite_mixture
    >>> x = bg.load_dataset("faithful")
    >>> fit = bg.fit_map(finite_mixture(x, 2), seed=0)
    >>> same = bg.fit_mle(x, 2, prior="conjugate", seed=0)
    >>> bool(abs(fit.log_posterior - same.log_posterior) < 1e-8)
    True
    """
    from bayesgmm.ppl.declaration import declaration
    from bayesgmm.ppl.observed import observed_mixture
    from bayesgmm.ppl.parts import is_open

    if is_open(model):
        return _climb_open(model, at_least_one(starts, "starts"), np.random.default_rng(seed), progress)
    observed, known = observed_mixture(model), declaration(model)
    prior = known.prior.with_mode(known.family) if known is not None else None
    asked = wanted(starts, observed.n_components, *observed.rows.shape)
    begin = starts_for(observed.rows, observed.n_components, asked, seed, observed.case_weights,
                       moves=hasattr(prior, "mode"))  # fmt: skip
    begin = track(begin, how_many(asked), "MAP", progress)
    if not hasattr(prior, "mode"):
        return _climb_any(model, begin)
    features = tuple(map(str, model.coords["feature"]))
    target = Posterior(known.family, features, prior)
    return best_climb(Table(observed.x, features), target, begin, observed.case_weights)


def _climb_open(model, starts: int, rng, progress) -> ComponentsFit:
    from bayesgmm.ppl.open_surface import OpenSurface

    _refuse_unbounded(model)
    surface = OpenSurface(model)
    begin = track(beginnings(surface, starts, rng), starts, "MAP", progress)
    ends = list(ascents(surface, begin, jacobian=False))
    found = _highest(ends)
    log_posterior, _, log_likelihood = surface.log_posterior(found.point, jacobian=False)
    weights, log_joint = surface.parts(found.point)
    counted = surface.observed.case_weights
    return ComponentsFit(
        weights=weights,
        components=surface.free_variables(found.point),
        log_likelihood=log_likelihood,
        log_posterior=log_posterior,
        responsibilities=np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1)[:, None]),
        n_parameters=len(found.point),
        n_obs=float(len(surface.rows) if counted is None else counted.sum()),
        estimator="MAP",
        converged=found.converged,
        history=np.array(found.history),
        starts=tuple(map(_start, ends)),
    )


def _start(found: Summit | np.linalg.LinAlgError) -> Start:
    if not isinstance(found, Summit):
        return Start(np.nan, 0, False, str(found))
    return Start(found.history[-1], len(found.history) - 1, found.converged)


def beginnings(surface, starts: int, rng) -> Iterator:
    """What climbs of a surface begin from: statistics, or responsibilities where components are a story's own."""
    observed, k = surface.observed, surface.observed.n_components
    begin = start_statistics if hasattr(surface, "e_step") else start_responsibilities
    return begin(surface.rows, k, starts, rng, observed.case_weights)


def _refuse_unbounded(model) -> None:
    for alpha in _concentrations(model):
        refuse_unbounded(alpha)


def _climb_any(model, begin: Iterable[Beginning]) -> Fit:
    from bayesgmm.ppl.surface import Surface

    _refuse_unbounded(model)
    surface, kinds = Surface(model), []
    stats = (kinds.append(one.kind) or one.stats for one in begin)
    found = list(ascents(surface, stats, jacobian=False))
    ends = [_end(surface, kind, one) for kind, one in zip(kinds, found, strict=True)]
    return _fit(surface, _highest(found), ends)


def _highest(found: list[Summit | np.linalg.LinAlgError]) -> Summit:
    reached = [one for one in found if isinstance(one, Summit)]
    if not reached:
        raise ValueError(f"no start reached a mode of the posterior density: {found[0]}")
    return max(reached, key=lambda one: one.history[-1])


def _end(surface, kind: str, found: Summit | np.linalg.LinAlgError) -> End:
    if not isinstance(found, Summit):
        return End(kind, None, np.nan, np.nan, 0, False, str(found))
    height = found.history[-1]
    return End(kind, surface.mixture(found.point), height, np.nan, len(found.history) - 1, found.converged)


def ascents(surface, begin, *, jacobian: bool) -> Iterator[Summit | np.linalg.LinAlgError]:
    """What `ascend` finds from each of the statistics in ``begin``, or the error that ended it."""
    for stats in begin:
        try:
            yield ascend(surface, stats, jacobian=jacobian)
        except np.linalg.LinAlgError as error:
            yield error


def _fit(surface, found: Summit, ends: list[End]) -> Fit:
    u, weights = found.point, surface.observed.case_weights
    mixture = surface.mixture(u)
    log_posterior, _, log_likelihood = surface.log_posterior(u, jacobian=False)
    return Fit(
        mixture=mixture,
        log_likelihood=log_likelihood,
        log_posterior=log_posterior,
        n_parameters=len(u),
        estimator="MAP",
        coordinates=tuple(surface.names),
        converged=found.converged,
        history=np.array(found.history),
        point=surface.free_variables(u),
        **taken(ends, moments(surface.rows, weights), len(u)),
        **certainty(surface.rows, mixture, weights),
    )


def ascend(surface, stats: Stats, *, jacobian: bool) -> Summit:
    """From statistics to the nearest mode of a `Surface`.

    One M-step turns the statistics into a point of the story, and from there `summit` climbs.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    # BLAS threads on K matrices of D × D cost a hundred times what they save.
    with threadpool_limits(1):
        first = minimize(_turned(lambda u: surface.expected(u, stats, jacobian=jacobian)), surface.start, jac=True,
                         method="L-BFGS-B", options={"maxiter": 200})  # fmt: skip
        return summit(surface.to_climb(jacobian=jacobian), first.x, len(surface.rows))


def summit(density, u, n_obs: int, curvature_at=None) -> Summit:
    """The nearest mode of a log density of n_obs rows, u ↦ (value, gradient).

    L-BFGS climbs in coordinates in which the curvature where it begins is the identity, so that neither units nor
    correlations slow it down; Newton's last step leaves nothing to gain. ``curvature_at`` gives the curvature at a
    point where that costs less than differences of the gradient.
    """
    history, curvature = [density(u)[0]], None
    if len(u) > MOST_FOR_CURVATURE:
        u = _climbed(density, u, None, n_obs, history)
        return Summit(u, history, _is_flat(density(u)[1], n_obs), None)
    for _ in range(_ROUNDS):
        curvature = -hessian(density, u) if curvature_at is None else curvature_at(u)
        scale, is_peak = _whitening(curvature)
        slope = scale.T @ density(u)[1]
        if is_peak and slope @ slope < _CLOSE:
            u = u + scale @ slope
            history.append(max(history[-1], density(u)[0]))
            return Summit(u, history, True, curvature)
        u = _climbed(density, u, scale, n_obs, history)
    return Summit(u, history, _is_flat(density(u)[1], n_obs), curvature)


def _climbed(density, u, scale, n_obs: int, history: list[float]) -> np.ndarray:
    """L-BFGS from u, in coordinates v with u + scale v; it notes the heights that it reaches."""
    from scipy.optimize import minimize

    def height(v):
        value, gradient = density(v if scale is None else u + scale @ v)
        return value, gradient if scale is None else gradient @ scale

    def note(intermediate_result):
        history.append(max(history[-1], -float(intermediate_result.fun)))

    # To the floor of rounding and no further: Newton's step does the rest.
    tight = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-13, "gtol": 1e-6 if scale is not None else 1e-9 * n_obs,
             "maxcor": 30}  # fmt: skip
    begin = u if scale is None else np.zeros(len(u))
    v = minimize(_turned(height), begin, jac=True, method="L-BFGS-B", options=tight, callback=note).x
    return v if scale is None else u + scale @ v


def _whitening(curvature) -> tuple[np.ndarray, bool]:
    """S (p, p) in whose coordinates the curvature is the identity, and whether it is that of a peak.

    Where it is flat or turned upwards, S takes it for curved the other way, and not too little.
    """
    units = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(curvature)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(curvature * units[:, None] * units)
    floor = 1e-6 * np.abs(values).max()
    return units[:, None] * vectors / np.sqrt(np.maximum(np.abs(values), floor)), bool(values[0] > 1e-12 * values[-1])


def _is_flat(gradient, n_obs: int) -> bool:
    return bool(np.abs(gradient).max() < 1e-8 * n_obs)


def hessian(density, u) -> np.ndarray:
    """Second derivatives (p, p) of a log density u ↦ (value, gradient), by central differences of its gradient."""
    steps = np.cbrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(u))
    rows = np.array([_second(density, u, i, step) for i, step in enumerate(steps)]).reshape(len(u), len(u))
    return 0.5 * (rows + rows.T)


def _second(density, u, i: int, step: float) -> np.ndarray:
    """A row of second derivatives; the step is a small part of the standard deviation that the curvature tells."""
    for _ in range(4):
        e = np.zeros(len(u))
        e[i] = step
        # A density may overwrite the gradient it returned before.
        ahead, behind = (density(u + sign * e)[1].copy() for sign in (1, -1))
        row = (ahead - behind) / ((u[i] + step) - (u[i] - step))
        in_sds = step * np.sqrt(np.abs(row[i]))
        if _STEPS[0] <= in_sds <= _STEPS[1] or not 0 < in_sds < np.inf:
            break
        step *= max(_STEP / in_sds, 1e-6)
    return row


def _turned(function):
    """A maximum as a minimum; a point that is no mixture is infinitely low."""

    def turned(u):
        try:
            value, gradient = function(u)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros_like(u)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros_like(u)
        return -value, -gradient

    return turned


def _concentrations(model):
    from pytensor.graph.basic import Constant
    from pytensor.tensor.random.basic import DirichletRV

    inputs = [v.owner.inputs[-1] for v in model.free_RVs if isinstance(v.owner.op, DirichletRV)]
    return [v.data for v in inputs if isinstance(v, Constant)]
