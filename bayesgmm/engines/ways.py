"""The two ways to a story's log density: written natively, or compiled from its PyMC graph; and where chains begin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import nutpie
import xarray as xr

from bayesgmm.engines.density import Density, density_of
from bayesgmm.engines.density.sampling import POINT, NativeModel
from bayesgmm.fit import fit_map
from bayesgmm.fit.mode import ascend, hessian, summit
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import e_step
from bayesgmm.mixture import Mixture
from bayesgmm.ppl.declaration import Signature, declaration
from bayesgmm.ppl.surface import Surface, observed_mixture, parameters

# Above this many variables the curvature is not looked for.
_MOST_FOR_CURVATURE = 2000
# Compiling is most of the wait: a graph sampled again is not compiled again.
_compiled: WeakKeyDictionary = WeakKeyDictionary()


def way_of(model) -> Native | Graph:
    """The native way where the story's declaration vouches for it, the graph's for any other or edited story."""
    function = density_of(model)
    if function is not None:
        return Native.of(model, function)
    signature = Signature.of(model)
    if model not in _compiled or _compiled[model][0] != signature:
        _compiled[model] = signature, Graph.of(model)
    return _compiled[model][1]


@dataclass(frozen=True)
class Native:
    """The way of a story whose density is written natively: nothing is compiled."""

    function: Density
    mode: np.ndarray
    scale: np.ndarray
    density = "native"

    @classmethod
    def of(cls, model, function: Density) -> Native:
        """Climb from the best MAP estimate to the nearest mode of the density that NUTS sees."""
        mode = summit(function, function.place(_begin(model)), function.n_obs)[0]
        return cls(function, mode, _scale(function, mode))

    def sampler(self, starts):
        """What nutpie samples."""
        return NativeModel(dims={}, density=self.function, start=starts)

    def named(self, tree, model):
        """The draws under the names of the model's variables."""
        found = self.function.variables(tree["posterior"][POINT].values)
        names = [v.name for v in (*model.free_RVs, *model.deterministics) if v.name in found]
        arrays = {n: (("chain", "draw", *model.named_vars_to_dims[n]), found[n]) for n in names}
        coords = {c: tree["posterior"][c].values for c in ("chain", "draw")}
        coords |= {d: list(model.coords[d]) for n in names for d in model.named_vars_to_dims[n]}
        tree["posterior"] = xr.DataTree(xr.Dataset(arrays, coords))
        return tree


def _begin(model):
    """The best mode of (π, μ, Σ), or where a fit begins if there is none, with weights away from 0."""
    known, observed = declaration(model), observed_mixture(model)
    try:
        mixture = fit_map(model, seed=0, progress=False).mixture
        stats = e_step(observed.rows, mixture, observed.case_weights, pointwise=False)[1]
    except ValueError:  # the density of the weights has no mode where α < 1
        rng = np.random.default_rng(0)
        stats = next(start_statistics(observed.rows, observed.n_components, 1, rng, observed.case_weights))
    _, means, covariances = known.prior.mode(stats, known.family)
    weights = stats.counts + known.prior.concentration  # their mode on the unconstrained scale
    return Mixture.from_whitening(weights / weights.sum(), means, known.family.whitening(covariances))


@dataclass(frozen=True)
class Graph:
    """The way of any other story: nutpie compiles its graph."""

    compiled: object
    mode: np.ndarray
    scale: np.ndarray
    density = "compiled from the PyMC graph"

    @classmethod
    def of(cls, model) -> Graph:
        """Compile, and climb to a mode as the native way does."""
        surface = Surface(model)
        mode = ascend(surface, _begin_anywhere(model, surface), jacobian=True)[0]
        names = [v.name for v in (*model.free_RVs, *model.deterministics)]
        compiled = nutpie.compile_pymc_model(model, var_names=names)
        return cls(compiled, mode, _scale(lambda u: surface.log_posterior(u, jacobian=True)[:2], mode))

    def sampler(self, starts):
        """What nutpie samples."""
        return replace(self.compiled, initial_point_func=starts)

    def named(self, tree, model):
        """The draws, with the mixture's parameters where the model has them under other names, or not as variables."""
        posterior = tree["posterior"].to_dataset()
        if not {"weights", "means", "covariances"} <= set(posterior):
            tree["posterior"] = xr.DataTree(_with_parameters(posterior, model))
        return tree


def _with_parameters(posterior, model):
    """Add weights, means and covariances, which the observed variable depends on, computed draw by draw."""
    function, inputs = parameters(model)
    lead = posterior.sizes["chain"], posterior.sizes["draw"]
    points = [posterior[name].values.reshape(-1, *posterior[name].shape[2:]) for name in inputs]
    draws = [function(*point) for point in zip(*points)] if points else [function()] * (lead[0] * lead[1])
    weights, means, factors = (np.array(part) for part in zip(*draws))
    found = {"weights": weights, "means": means, "covariances": factors @ factors.mT}
    dims = {"weights": ("component",), "means": ("component", "feature")}
    dims["covariances"] = (*dims["means"], "feature_other")
    new = {n: (("chain", "draw", *dims[n]), v.reshape(*lead, *v.shape[1:])) for n, v in found.items()}
    return posterior.assign({n: v for n, v in new.items() if n not in posterior})


def _begin_anywhere(model, surface):
    """What the rows say under the best MAP estimate, or where the fits begin if there is none."""
    try:
        return surface.e_step(fit_map(model, seed=0, progress=False).mixture)[1]
    except ValueError:
        k, rng = surface.observed.n_components, np.random.default_rng(0)
        return next(start_statistics(surface.rows, k, 1, rng, surface.observed.case_weights))


def _scale(density, mode):
    """A factor (p, p) of the inverse curvature at a mode; a small step (p,) where p is too large to find it."""
    if len(mode) > _MOST_FOR_CURVATURE:
        return np.full(len(mode), 0.01)
    return _inverse_factor(-hessian(density, mode))


def _inverse_factor(curvature):
    """A with A Aᵀ = the inverse of a curvature, whose flat or downward directions count as unit curvature."""
    values, vectors = np.linalg.eigh(curvature)
    return vectors / np.sqrt(np.where(values > 1e-3, values, 1.0))
