"""`fit_components`: maximum likelihood by EM for components of one's own, which say how they are estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np

from bayesgmm.fit.result import Start
from bayesgmm.fit.shares import start_responsibilities
from bayesgmm.fit.wanted import at_least_one
from bayesgmm.progress import track

# EM ends when Aitken's estimate of what is left to gain is below this.
TOLERANCE = 1e-7
MOST_STEPS = 5000
# A fall of the log-likelihood beyond rounding.
_ROUNDING = 1e-10


class Components(Protocol):
    """K components as a value: what EM asks of them.

    ``log_prob(x)`` gives log p(x_n | θ_k) (N, K). ``m_step(x, responsibilities)`` gives new components, which maximise
    Σ_n Σ_k r_nk log p(x_n | θ_k); it may be a class method. ``n_parameters``, a number, is for BIC and AIC alone.
    """

    def log_prob(self, x) -> np.ndarray: ...

    def m_step(self, x, responsibilities) -> Self: ...


@dataclass(frozen=True, eq=False)
class ComponentsFit:
    """A point estimate of a mixture of components of one's own.

    Attributes
    ----------
    weights : ndarray (K,) or (N, K)
        π; a row for each row where they differ.
    components : object
        What `fit_components` estimated; of `fit_map`, a dict of the story's variables under their PyMC names.
    log_likelihood : float
        Σ_n w_n log p(x_n).
    log_posterior : float or None
        log_likelihood plus the log prior density; None for maximum likelihood.
    responsibilities : ndarray (N, K)
    n_parameters : int or None
    n_obs : float
        Rows, or the sum of their case weights.
    estimator : {"MLE", "MAP"}
    converged : bool
    history : ndarray
        The objective at every step of the best start; it never falls by more than rounding.
    starts : tuple of Start
        The census: every start, in the order run.
    """

    weights: np.ndarray
    components: object
    log_likelihood: float
    responsibilities: np.ndarray
    n_obs: float
    estimator: str
    converged: bool
    history: np.ndarray
    starts: tuple[Start, ...]
    n_parameters: int | None = None
    log_posterior: float | None = None

    @property
    def n_components(self) -> int:
        """K."""
        return self.responsibilities.shape[1]

    @property
    def labels(self) -> np.ndarray:
        """The most probable component (N,) of each row."""
        return self.responsibilities.argmax(axis=1)

    @property
    def bic(self) -> float:
        """−2 log L + p log N (Schwarz 1978); lower is better, scikit-learn's sign."""
        return -2 * self.log_likelihood + self._counted() * float(np.log(self.n_obs))

    @property
    def aic(self) -> float:
        """−2 log L + 2 p (Akaike 1974); lower is better."""
        return -2 * self.log_likelihood + 2 * self._counted()

    def _counted(self) -> int:
        if self.n_parameters is None:
            raise ValueError("the components do not say how many parameters they have: give them n_parameters")
        return self.n_parameters

    def __str__(self):
        best = max((s.objective for s in self.starts if s.note == ""), default=np.nan)
        hits = sum(abs(s.objective - best) < 1e-6 * max(1.0, abs(best)) for s in self.starts)
        return (
            f"{self.estimator} of a mixture of {self.n_components} components, N = {self.n_obs:g}\n"
            f"  log-likelihood {self.log_likelihood:.4f}, {'converged' if self.converged else 'NOT converged'} in "
            f"{len(self.history) - 1} steps; {hits} of {len(self.starts)} starts reached this mode\n"
            f"  sizes {', '.join(f'{n:.1f}' for n in self.responsibilities.sum(axis=0))}\n  {self.components}"
        )


def fit_components(x, components: Components, n_components: int, *, groups=None, case_weights=None, starts=10,
                   seed=None, progress=True) -> ComponentsFit:  # fmt: skip
    """Fit a mixture of components of one's own by EM, from several starts.

    Parameters
    ----------
    x : array_like (N,) or (N, …)
        The rows, handed to the components as an array; covariates may be a part of them, or of the components.
    components : object or class
        With ``log_prob(x)``, log p(x_n | θ_k) (N, K), and ``m_step(x, responsibilities)``, new components that maximise
        Σ_n Σ_k r_nk log p(x_n | θ_k); a class, if its ``m_step`` is a class method. ``n_parameters`` is for BIC.
    n_components : int
        K.
    groups : array_like (N,), optional
        Labels of groups that have weights of their own: the components are the same for all.
    case_weights : array_like (N,), optional
        Frequencies; the responsibilities that ``m_step`` gets are times them.
    starts : int
        Climbs begun: every other one from k-means on the rows, the others from random shares.
    seed : int, optional
    progress : bool
        Show a bar while a slow fit runs.

    Returns
    -------
    ComponentsFit
        The highest of the climbs.

    Raises
    ------
    ValueError
        If ``log_prob`` gives another shape than (N, K), or no start reached a mode: the message says why, such as a
        log-likelihood that falls, which an M-step that maximises cannot bring about. Starts that failed beside others
        that did not are in the census.

    Notes
    -----
    Where a component may collapse on a few rows, as with a standard deviation of its own, the likelihood is unbounded,
    and the highest climb may be one on the way there: bound it in ``m_step``, or share it between the components.

    References
    ----------
    Dempster, Laird & Rubin (1977); the end of the climb: Böhning et al. (1994).

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from scipy.stats import poisson
    >>> @dataclass(frozen=True)
    ... class Poissons:
    ...     rates: np.ndarray
    ...     def log_prob(self, x):
    ...         return poisson.logpmf(x[:, None], self.rates)
    ...     @classmethod
    ...     def m_step(cls, x, r):
    ...         return cls(x @ r / r.sum(axis=0))
    >>> x = np.array([0, 1, 1, 2, 0, 30, 28, 33])
    >>> fit = fit_components(x, Poissons, 2, seed=0, progress=False)
    >>> np.sort(fit.components.rates).round(2).tolist(), sorted(np.bincount(fit.labels).tolist())
    ([0.8, 30.33], [3, 5])
    """
    x, starts, n_components = np.asarray(x), at_least_one(starts, "starts"), at_least_one(n_components, "n_components")
    weights, group = _case_weights(case_weights, len(x)), _groups(groups, len(x))
    begin = start_responsibilities(x, n_components, starts, np.random.default_rng(seed), weights)
    census, best = [], None
    for r in track(begin, starts, "EM", progress):
        try:
            found = _climb(x, components, r, weights, group)
        except _Collapse as error:
            census.append(Start(np.nan, 0, False, str(error)))
            continue
        census.append(Start(found.history[-1], len(found.history) - 1, found.converged))
        if best is None or found.history[-1] > best.history[-1]:
            best = found
    if best is None:
        raise ValueError(f"no start reached a mode of the likelihood: {census[0].note}")
    return _fit(best, weights, group, tuple(census))


class _Collapse(Exception):
    """A climb that ended where there is no mixture."""


class _Climb(NamedTuple):
    weights: np.ndarray  # (G, K)
    components: object
    responsibilities: np.ndarray  # (N, K), which are not times the case weights
    history: list[float]
    converged: bool


def _climb(x, components, r, case_weights, group) -> _Climb:
    """EM from responsibilities (N, K), which are times the case weights."""
    history: list[float] = []
    for _ in range(MOST_STEPS):
        weights = _mixing(r, group)
        components = components.m_step(x, r)
        log_joint = np.log(np.maximum(weights, np.finfo(float).tiny))[group] + _log_prob(components, x, r.shape)
        log_prob = np.logaddexp.reduce(log_joint, axis=1)
        height = float(case_weights @ log_prob)
        if not np.isfinite(height):
            raise _Collapse("the log-likelihood is not finite: a component may have lost its rows")
        if history and height < history[-1] - _ROUNDING * max(1.0, abs(height)):
            raise _Collapse(
                f"the log-likelihood fell from {history[-1]:.6g} to {height:.6g} at step {len(history)}: m_step must "
                "maximise Σ_n Σ_k r_nk log_prob(x)_nk, the responsibilities r as weights of the rows, and no component "
                "may collapse on a few of them"
            )
        history.append(height)
        own = np.exp(log_joint - log_prob[:, None])
        r = own * case_weights[:, None]
        if _is_over(history):
            return _Climb(weights, components, own, history, True)
    return _Climb(weights, components, own, history, False)


def _is_over(history: list[float]) -> bool:
    """Whether Aitken's extrapolation, or two steps without a gain, leave nothing to gain."""
    if len(history) < 3:
        return False
    before, gain = history[-2] - history[-3], history[-1] - history[-2]
    if gain <= _ROUNDING * max(1.0, abs(history[-1])):
        return before <= _ROUNDING * max(1.0, abs(history[-1])) or gain <= 0
    rate = gain / before if before > 0 else 1.0
    return rate < 1 and gain * rate / (1 - rate) < TOLERANCE


def _mixing(r, group) -> np.ndarray:
    """Weights (G, K) of each group."""
    totals = np.zeros((group.max() + 1, r.shape[1]))
    np.add.at(totals, group, r)
    return totals / totals.sum(axis=1, keepdims=True)


def _log_prob(components, x, shape) -> np.ndarray:
    values = np.asarray(components.log_prob(x), dtype=float)
    if values.shape != shape:
        raise ValueError(f"log_prob(x) must have a row for each row and a column for each component, {shape}, but has "
                         f"the shape {values.shape}")  # fmt: skip
    if np.isnan(values).any():
        raise _Collapse(f"log_prob is not a number for component {int(np.argwhere(np.isnan(values))[0][1])}")
    return values


def _fit(best: _Climb, case_weights, group, census) -> ComponentsFit:
    own, n_groups = getattr(best.components, "n_parameters", None), len(best.weights)
    n_parameters = None if own is None else int(own) + n_groups * (best.weights.shape[1] - 1)
    return ComponentsFit(
        weights=best.weights[0] if n_groups == 1 else best.weights[group],
        components=best.components,
        log_likelihood=best.history[-1],
        responsibilities=best.responsibilities,
        n_obs=float(case_weights.sum()),
        estimator="MLE",
        converged=best.converged,
        history=np.array(best.history),
        starts=census,
        n_parameters=n_parameters,
    )


def _case_weights(case_weights, n_rows: int) -> np.ndarray:
    if case_weights is None:
        return np.ones(n_rows)
    weights = np.asarray(case_weights, dtype=float)
    if weights.shape != (n_rows,) or not (weights >= 0).all() or not weights.sum() > 0:
        raise ValueError(f"case_weights must be {n_rows} numbers of at least 0, one a row, and not all 0")
    return weights


def _groups(groups, n_rows: int) -> np.ndarray:
    """Positions (N,) of the groups of the rows, from 0."""
    if groups is None:
        return np.zeros(n_rows, dtype=int)
    groups = np.asarray(groups)
    if groups.shape != (n_rows,):
        raise ValueError(f"groups must be {n_rows} labels, one a row; it has the shape {groups.shape}")
    return np.unique(groups, return_inverse=True)[1]
