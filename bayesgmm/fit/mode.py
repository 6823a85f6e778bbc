"""`fit_map`: the posterior mode of any story."""

from __future__ import annotations

import numpy as np

from bayesgmm.data import Table
from bayesgmm.fit.em import Posterior
from bayesgmm.fit.mle import at_least_one, best_climb, certainty
from bayesgmm.fit.progress import track
from bayesgmm.fit.result import Fit, Start
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import Stats
from bayesgmm.priors.weights import refuse_unbounded

_NEWTON_STEPS = 3
# Above this many free variables, differencing the gradient costs more than the last digits are worth.
_MOST_FOR_NEWTON = 300


def fit_map(model, *, starts=10, seed=None, progress=True) -> Fit:
    """Find the mode of a story's posterior density.

    A story that declares a prior with closed forms is climbed by EM; any other one by L-BFGS on the marginal posterior
    and Newton's last steps, from the same starts, with the same statistics (Fisher's identity).

    Parameters
    ----------
    model : pymc.Model
        A story: one observed `MarginalGaussianMixture`.
    starts : int
        Climbs begun.
    seed : int, optional
        For the starts.
    progress : bool
        Show a bar while a slow fit runs.

    Returns
    -------
    Fit
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

    observed, rng = observed_mixture(model), np.random.default_rng(seed)
    starts, known = at_least_one(starts, "starts"), declaration(model)
    begin = start_statistics(observed.rows, observed.n_components, starts, rng, observed.case_weights)
    begin = track(begin, starts, "MAP", progress)
    prior = known.prior.with_mode(known.family) if known is not None else None
    if not hasattr(prior, "mode"):
        return _climb_any(model, begin)
    features = tuple(map(str, model.coords["feature"]))
    target = Posterior(known.family, features, prior)
    return best_climb(Table(observed.x, features), target, begin, observed.case_weights)


def _climb_any(model, begin) -> Fit:
    from bayesgmm.ppl.surface import Surface

    for alpha in _concentrations(model):
        refuse_unbounded(alpha)
    surface = Surface(model)
    return _fit(surface, *highest(surface, begin, jacobian=False))


def highest(surface, begin, *, jacobian: bool) -> tuple[np.ndarray, list[float], bool, tuple[Start, ...]]:
    """The highest mode of a `Surface` that climbs from statistics reach: (u, history, converged, census)."""
    census, best = [], None
    for stats in begin:
        try:
            u, history, converged = ascend(surface, stats, jacobian=jacobian)
        except np.linalg.LinAlgError as error:
            census.append(Start(np.nan, 0, False, str(error)))
            continue
        census.append(Start(history[-1], len(history) - 1, converged))
        if best is None or history[-1] > best[1][-1]:
            best = u, history, converged
    if best is None:
        raise ValueError(f"no start reached a mode of the posterior density: {census[0].note}")
    return *best, tuple(census)


def _fit(surface, u, history, converged, census) -> Fit:
    mixture = surface.mixture(u)
    log_posterior, _, log_likelihood = surface.log_posterior(u, jacobian=False)
    return Fit(
        mixture=mixture,
        log_likelihood=log_likelihood,
        log_posterior=log_posterior,
        n_parameters=len(u),
        estimator="MAP",
        coordinates=tuple(surface.names),
        converged=converged,
        history=np.array(history),
        starts=census,
        point=surface.free_variables(u),
        **certainty(surface.rows, mixture, surface.observed.case_weights),
    )


def ascend(surface, stats: Stats, *, jacobian: bool) -> tuple[np.ndarray, list[float], bool]:
    """From statistics to the nearest mode of a `Surface`: (u, history of the log posterior, converged).

    One M-step turns the statistics into a point of the story, and from there `summit` climbs.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    # BLAS threads on K matrices of D × D cost a hundred times what they save.
    with threadpool_limits(1):
        first = minimize(_turned(lambda u: surface.expected(u, stats, jacobian=jacobian)), surface.start, jac=True,
                         method="L-BFGS-B", options={"maxiter": 200})  # fmt: skip
        return summit(surface.to_climb(jacobian=jacobian), first.x, len(surface.rows))


def summit(density, u, n_obs: int) -> tuple[np.ndarray, list[float], bool]:
    """The nearest mode of a log density of n_obs rows, u ↦ (value, gradient): (u, history, converged).

    L-BFGS climbs, Newton polishes.
    """
    from scipy.optimize import minimize

    history = [density(u)[0]]
    # To the floor of rounding and no further: Newton's steps do the rest.
    tight = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-13, "gtol": 1e-9 * n_obs, "maxcor": 30}
    done = minimize(_turned(density), u, jac=True, method="L-BFGS-B", options=tight,
                    callback=lambda intermediate_result: history.append(-float(intermediate_result.fun)))  # fmt: skip
    u, left = _polish(density, done.x, n_obs)
    history.append(density(u)[0])
    return u, list(np.maximum.accumulate(history)), left < 1e-8


def hessian(density, u) -> np.ndarray:
    """Second derivatives (p, p) of a log density u ↦ (value, gradient), by central differences of its gradient."""
    step = np.cbrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(u))
    rows = []
    for h, e in zip(step, np.eye(len(u)), strict=True):
        # A density may overwrite the gradient it returned before.
        ahead, behind = (density(u + s * h * e)[1].copy() for s in (1, -1))
        rows.append((ahead - behind) / (2 * h))
    rows = np.array(rows).reshape(len(u), len(u))
    return 0.5 * (rows + rows.T)


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


def _polish(density, u, n_obs) -> tuple[np.ndarray, float]:
    """Newton's last steps, and the decrement left: half of it is the log density still to be gained."""
    gradient = density(u)[1]
    if len(u) > _MOST_FOR_NEWTON:
        return u, float(np.abs(gradient).max() / n_obs)
    decrement = np.inf
    for _ in range(_NEWTON_STEPS):
        try:
            factor = np.linalg.cholesky(-hessian(density, u))
        except np.linalg.LinAlgError:
            return u, float(np.abs(gradient).max() / n_obs)
        half = np.linalg.solve(factor, gradient)
        decrement = float(half @ half)
        if decrement < 1e-16 or decrement > 1.0:
            break
        u = u + np.linalg.solve(factor.T, half)
        gradient = density(u)[1]
    return u, decrement


def _concentrations(model):
    from pytensor.graph.basic import Constant
    from pytensor.tensor.random.basic import DirichletRV

    inputs = [v.owner.inputs[-1] for v in model.free_RVs if isinstance(v.owner.op, DirichletRV)]
    return [v.data for v in inputs if isinstance(v, Constant)]
