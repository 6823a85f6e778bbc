"""The ways to a story's log density: written natively, traced from its PyMC graph, or compiled from it; and where
chains begin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import nutpie
import xarray as xr

from bayesgmm.data import Table
from bayesgmm.engines.density import density_of
from bayesgmm.engines.density.sampling import POINT, NativeModel
from bayesgmm.engines.density.traced import Traced
from bayesgmm.engines.density.whitened import Whitened
from bayesgmm.fit.em import Posterior
from bayesgmm.fit.mle import best_climb
from bayesgmm.fit.mode import hessian, highest, summit
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import e_step
from bayesgmm.mixture import Mixture
from bayesgmm.ppl.declaration import Signature, declaration
from bayesgmm.ppl.instructions import Untraceable
from bayesgmm.ppl.observed import observed_mixture
from bayesgmm.ppl.surface import Surface, parameters

# Chains start this many posterior standard deviations, by the curvature at the mode, away from it.
DISPERSION = 1.5
# Above this many variables the curvature is not looked for: its factor would cost more than the density.
_MOST_FOR_CURVATURE = 1000
# Where it is not, posterior standard deviations are taken to be this small.
_SMALL = 0.01
# Climbs begun in search of the mode, and where every step of one is interpreted by Python.
_STARTS, _SLOW_STARTS = 10, 2
# Dims of the mixture's parameters where the model does not name them.
_DIMS = {
    "weights": ("component",),
    "means": ("component", "feature"),
    "covariances": ("component", "feature", "feature_other"),
}


def way_of(model) -> Native | Compiled:
    """The way that needs no compiler; where a tape cannot hold an operation of the model, the one that does."""
    function = density_of(model)
    if function is not None:
        mode = summit(function, function.place(_begin(model)), function.n_obs)[0]
        return Native(function, Whitened(function, mode, _factor(function, mode)), "native")
    surface, rng = Surface(model), np.random.default_rng(0)
    try:
        function, starts = Traced(surface), _STARTS
    except Untraceable:
        function, starts = None, _SLOW_STARTS
    k, weights = surface.observed.n_components, surface.observed.case_weights
    mode = highest(surface, start_statistics(surface.rows, k, starts, rng, weights), jacobian=True)[0]
    density = surface.to_climb(jacobian=True)
    factor = _factor(density, mode)
    _refuse_a_point(model, density, _Starts(mode, 0.1 * factor))
    if function is None:
        return Compiled.of(model, mode, factor)
    return Native(function, Whitened(function, mode, factor), "traced from the PyMC graph")


@dataclass(frozen=True)
class Native:
    """The way without a compiler: a density behind a C pointer, seen in coordinates whitened at its mode."""

    function: object  # a `Density` or `Traced`
    whitened: Whitened
    density: str

    def sampler(self, dispersion: float):
        """What nutpie samples, from points so many posterior standard deviations away from the mode."""
        return NativeModel(dims={}, density=self.whitened, start=_Starts(np.zeros(self.whitened.size), dispersion))

    def start(self, seed) -> np.ndarray:
        """A point u (p,), over-dispersed about the mode."""
        return self.whitened.points(_Starts(np.zeros(self.whitened.size), DISPERSION)(seed))

    def named(self, tree, model):
        """The draws under the names of the model's variables, and the mixture's parameters."""
        coords = {c: tree["posterior"][c].values for c in ("chain", "draw")}
        points = self.whitened.points(tree["posterior"][POINT].values)
        tree["posterior"] = xr.DataTree(named(self.function.variables(points), model, coords))
        return tree


def named(found: dict[str, np.ndarray], model, coords) -> xr.Dataset:
    """Variables (chain, draw, …) with the dims and coordinates that the model gives them, in its order."""
    names = [v.name for v in (*model.free_RVs, *model.deterministics) if v.name in found]
    names += [name for name in _DIMS if name not in names]
    posterior = xr.Dataset({n: (_dims(model, n, found[n].ndim - 2), found[n]) for n in names}, coords)
    known = {d: list(model.coords[d]) for d in posterior.sizes if model.coords.get(d) is not None}
    return posterior.assign_coords({d: values for d, values in known.items() if len(values) == posterior.sizes[d]})


def _refuse_a_point(model, density, near):
    """A density that is nothing all around its mode cannot be sampled."""
    for seed in range(20):
        try:
            if np.isfinite(density(near(seed))[0]):
                return
        except np.linalg.LinAlgError:
            continue
    free = [v.name for v in model.free_RVs if model.rvs_to_transforms[v] is None]
    raise ValueError(
        "the posterior density of the story is zero, or not a number, all around its highest point, so it cannot be "
        f"sampled; look at the variables that are seen without a transform ({', '.join(free) or 'there is none'}): "
        "values that must be positive, or sum to one, need one"
    )


def _dims(model, name, ndim):
    known = model.named_vars_to_dims.get(name) or _DIMS.get(name) or [None] * ndim
    return ("chain", "draw", *(d or f"{name}_dim_{i}" for i, d in enumerate(known)))


@dataclass(frozen=True)
class Compiled:
    """The way of last resort: nutpie compiles the graph, which may take minutes."""

    compiled: object
    mode: np.ndarray
    factor: np.ndarray
    density = "compiled from the PyMC graph"

    @classmethod
    def of(cls, model, mode, factor) -> Compiled:
        """Compile, unless the same model was compiled before."""
        signature = Signature.of(model)
        if model not in _compiled or _compiled[model][0] != signature:
            names = [v.name for v in (*model.free_RVs, *model.deterministics)]
            _compiled[model] = signature, nutpie.compile_pymc_model(model, var_names=names)
        return cls(_compiled[model][1], mode, factor)

    def sampler(self, dispersion: float):
        """What nutpie samples, from points so many posterior standard deviations away from the mode."""
        return replace(self.compiled, initial_point_func=_Starts(self.mode, dispersion * self.factor))

    def named(self, tree, model):
        """The draws, with the mixture's parameters where the model has them under other names, or not as variables."""
        posterior = tree["posterior"].to_dataset()
        if not set(_DIMS) <= set(posterior):
            tree["posterior"] = xr.DataTree(_with_parameters(posterior, model))
        return tree


def _with_parameters(posterior, model):
    """Add weights, means and covariances, which the observed variable depends on, computed draw by draw."""
    function, inputs = parameters(model)
    lead = posterior.sizes["chain"], posterior.sizes["draw"]
    points = [posterior[name].values.reshape(-1, *posterior[name].shape[2:]) for name in inputs]
    weights, means, factors = (np.array(part) for part in zip(*(function(*point) for point in zip(*points))))
    found = {"weights": weights, "means": means, "covariances": factors @ factors.mT}
    new = {n: (("chain", "draw", *_DIMS[n]), v.reshape(*lead, *v.shape[1:])) for n, v in found.items()}
    return posterior.assign({n: v for n, v in new.items() if n not in posterior})


# A graph sampled again is not compiled again.
_compiled: WeakKeyDictionary = WeakKeyDictionary()


@dataclass(frozen=True)
class _Starts:
    """Starting points: a mode plus noise."""

    mode: np.ndarray
    scale: object  # a number, (p,), or a factor (p, p)

    def __call__(self, seed=None) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal(len(self.mode)).clip(-2, 2)
        return self.mode + (self.scale @ noise if np.ndim(self.scale) == 2 else self.scale * noise)


def _begin(model):
    """Where EM ends under the story's prior, or one like it that has closed forms; with weights away from 0."""
    known, observed = declaration(model), observed_mixture(model)
    x, weights, near = observed.x, observed.case_weights, known.prior.like_it()
    target = Posterior(known.family, tuple(map(str, range(x.shape[1]))), near)
    starts = start_statistics(observed.rows, observed.n_components, _STARTS, np.random.default_rng(0), weights)
    mixture = best_climb(Table(x, target.features), target, starts, weights).mixture
    stats = e_step(observed.rows, mixture, weights, pointwise=False)[1]
    _, means, covariances = near.mode(stats, known.family)
    counts = stats.counts + near.concentration  # their mode on the unconstrained scale
    return Mixture.from_whitening(counts / counts.sum(), means, known.family.whitening(covariances))


def _factor(density, mode):
    """A (p, p), lower triangular, with A Aᵀ = the inverse of the curvature at a mode; (p,) where p is too large."""
    if len(mode) > _MOST_FOR_CURVATURE:
        return np.full(len(mode), _SMALL)
    values, vectors = np.linalg.eigh(-hessian(density, mode))
    # Flat or downward directions count as of unit curvature.
    return np.linalg.cholesky((vectors / np.where(values > 1e-3, values, 1.0)) @ vectors.T)
