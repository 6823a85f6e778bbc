"""`Surface`: what EM, a mode search and a start of NUTS need out of any story, compiled once and without LLVM."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from bayesgmm.kernel import Incomplete, Stats, Whitening, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.ppl.marginal import MarginalGaussianMixtureRV

# PyTensor's Python linker starts at once, and K·D² work is all that is left to it.
_MODE = Mode(linker="py", optimizer="fast_compile")


class StoryError(ValueError):
    """A model that is no story: it lacks the one observed mixture that a story has."""


class Observed(NamedTuple):
    """The observed mixture of a story."""

    variable: pt.TensorVariable
    x: np.ndarray  # (N, D), NaN where a cell is missing
    case_weights: np.ndarray | None  # (N,)

    @property
    def rows(self) -> np.ndarray | Incomplete:
        """The rows as `kernel.e_step` takes them."""
        return Incomplete.of(self.x) if np.isnan(self.x).any() else self.x

    @property
    def n_components(self) -> int:
        """K."""
        weights = self.variable.owner.inputs[2]
        known = weights.type.shape[0]
        return int(weights.shape[0].eval()) if known is None else known


def observed_mixture(model: pm.Model) -> Observed:
    """The observed `MarginalGaussianMixture` of a story, with its rows and their case weights.

    Raises
    ------
    StoryError
        If there is none, or more than one, or its case weights are no constant.
    """
    found = [v for v in model.observed_RVs if isinstance(v.owner.op, MarginalGaussianMixtureRV)]
    if len(found) != 1:
        raise StoryError(
            f"the model has {len(found)} observed MarginalGaussianMixture variables, but a story has exactly one: "
            "declare it with bayesgmm.MarginalGaussianMixture('x', …, observed=x)"
        )
    x, (case_weights, missing) = _data(model.rvs_to_values[found[0]]), map(_data, found[0].owner.inputs[5:7])
    if x is None or case_weights is None or missing is None:
        raise StoryError("the rows, case weights and missing cells of a story must be data, not random or computed")
    x = np.array(x, dtype=float, order="C")
    if missing.size:
        x[missing.reshape(x.shape)] = np.nan
    if case_weights.size and case_weights.shape != x.shape[:1]:
        raise StoryError(f"case_weights has {case_weights.size} values, but there are {len(x)} rows")
    return Observed(found[0], x, case_weights.astype(float) if case_weights.size else None)


def _data(variable) -> np.ndarray | None:
    """The numbers of a constant or a shared variable."""
    if hasattr(variable, "get_value"):
        return variable.get_value()
    return getattr(variable, "data", None)


def parameters(model: pm.Model):
    """A function of a story's free variables that gives weights, means and factors L, and the variables' names."""
    observed = observed_mixture(model).variable
    known = {v: model.rvs_to_values[v] for v in model.observed_RVs if v is not observed}
    free = list(model.free_RVs)
    function = pytensor.function(free, observed.owner.inputs[2:5], givens=known, mode=_MODE, on_unused_input="ignore")
    return function, [v.name for v in free]


class Surface:
    """The log posterior density of a story over its free variables' unconstrained values u (p,).

    u is ordered as ``model.free_RVs``, each raveled. With ``jacobian=False`` the density is that of the declared
    variables (its top is the MAP estimate), with ``jacobian=True`` that of u itself (what NUTS explores).

    Parameters
    ----------
    model : pymc.Model
        With one observed `MarginalGaussianMixture`.
    """

    def __init__(self, model: pm.Model):
        self.observed = observed_mixture(model)
        self.rows = self.observed.rows
        self.features = tuple(map(str, model.coords.get("feature", range(self.rows.shape[1]))))
        self.names = [v.name for v in model.free_RVs]
        values = [model.rvs_to_values[v] for v in model.free_RVs]
        point = model.initial_point()
        self.start = np.concatenate([np.ravel(point[v.name]) for v in values]).astype(float)
        parts = self.observed.variable.owner.inputs[2:5]
        graphs = model.replace_rvs_by_values([*parts, *model.free_RVs])
        others = [v for v in model.basic_RVs if v is not self.observed.variable] + model.potentials
        prior = model.logp(vars=others, jacobian=False)
        change = model.logp(vars=others, jacobian=True) - prior
        self._compile(point, values, graphs, prior, change)

    def _compile(self, point, values, graphs, prior, change):
        counts, means, scatters = pt.dvector("N"), pt.dmatrix("xbar"), pt.dtensor3("S")
        flag = pt.dscalar("jacobian")
        height = expected_log_density(*graphs[:3], counts, means, scatters) + prior + flag * change
        outputs = [*graphs, height, prior + flag * change]
        outputs, u = pm.pytensorf.join_nonshared_inputs(point, outputs, values)
        *graphs, height, prior = outputs
        options = {"mode": _MODE, "on_unused_input": "ignore"}
        self._read = pytensor.function([u], graphs, **options)
        self._height = pytensor.function(
            [u, counts, means, scatters, flag], [height, prior, pt.grad(height, u)], **options
        )

    def mixture(self, u) -> Mixture:
        """The mixture at u; raises LinAlgError where it is none."""
        weights, means, factors = self._read(u)[:3]
        if not all(np.isfinite(v).all() for v in (weights, means, factors)) or (factors.diagonal(0, 1, 2) <= 0).any():
            raise np.linalg.LinAlgError("a covariance is not positive definite")
        return Mixture.from_whitening(weights, means, Whitening.of(factors), features=self.features)

    def e_step(self, mixture: Mixture) -> tuple[float, Stats]:
        """The log-likelihood of a mixture, and what the rows say under it."""
        return e_step(self.rows, mixture, self.observed.case_weights, pointwise=False)

    def free_variables(self, u) -> dict[str, np.ndarray]:
        """The story's free variables at u, under their PyMC names, in their own coordinates."""
        return dict(zip(self.names, self._read(u)[3:], strict=True))

    def expected(self, u, stats: Stats, *, jacobian: bool) -> tuple[float, np.ndarray]:
        """Q(θ(u); S) + log prior, which an M-step maximises, and its gradient."""
        height, _, gradient = self._height(u, stats.counts, stats.means, stats.scatters, float(jacobian))
        return float(height), gradient

    def log_posterior(self, u, *, jacobian: bool) -> tuple[float, np.ndarray, float]:
        """Log posterior density at u, its gradient, and the log-likelihood in it.

        By Fisher's identity the gradient is that of ``expected`` at the statistics of u itself.
        """
        log_likelihood, stats = self.e_step(self.mixture(u))
        _, prior, gradient = self._height(u, stats.counts, stats.means, stats.scatters, float(jacobian))
        return log_likelihood + float(prior), gradient, log_likelihood


def expected_log_density(weights, means, scale_trils, counts, centres, scatters):
    """Q(θ; S) as a graph: parameters of θ symbolic, statistics (N_k, x̄_k, S_k) inputs."""
    gap = centres - means
    spread = scatters + counts[:, None, None] * gap[:, :, None] * gap[:, None, :]
    half = pt.linalg.solve_triangular(scale_trils, spread, lower=True, b_ndim=2)
    whitened = pt.linalg.solve_triangular(scale_trils, half.swapaxes(-1, -2), lower=True, b_ndim=2)
    trace = pt.diagonal(whitened, axis1=-2, axis2=-1).sum()
    log_scales = pt.log(pt.diagonal(scale_trils, axis1=-2, axis2=-1)).sum(axis=-1)
    constant = 0.5 * means.shape[1] * np.log(2 * np.pi)
    # 0 · log 0 is 0: an empty component adds nothing.
    log_weights = pt.where(counts > 0, pt.log(weights), 0.0)
    return (counts * (log_weights - log_scales - constant)).sum() - 0.5 * trace
