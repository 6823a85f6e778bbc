"""The ways to a story's log density: written natively, traced from its PyMC graph, or compiled from it; and where
chains begin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import nutpie
import xarray as xr

from bayesgmm.draws.affinity import match
from bayesgmm.engines.density import density_of
from bayesgmm.engines.density.folded import Folded
from bayesgmm.engines.density.sampling import POINT, NativeModel
from bayesgmm.engines.density.traced import Interpreted, Traced
from bayesgmm.engines.importance import log_ratio
from bayesgmm.engines.modes import Mode, heaviest, worth_a_look
from bayesgmm.fit.curvature import observed_curvature
from bayesgmm.fit.em import Posterior, climb
from bayesgmm.fit.mode import Summit, ascents, beginnings, summit
from bayesgmm.fit.starts import start_statistics
from bayesgmm.mixture import Mixture
from bayesgmm.ppl.declaration import Signature, declaration
from bayesgmm.ppl.instructions import Untraceable
from bayesgmm.ppl.observed import observed_mixture
from bayesgmm.ppl.open_surface import surface_of
from bayesgmm.ppl.parts import is_open
from bayesgmm.ppl.surface import Surface, parameters

# Chains start this many posterior standard deviations, by the curvature at the mode, away from it.
DISPERSION = 1.5
# Climbs begun in search of the mode, and where every step of one is interpreted by Python.
_STARTS, _SLOW_STARTS = 10, 2
# Rows times variables from which one pass over the rows and a trace of the graph are the quicker way to the curvature.
_MANY = 20_000_000
# Draws by which the normal approximation is judged.
_TRIALS = 200
# Dims of the mixture's parameters where the model does not name them.
_DIMS = {
    "weights": ("component",),
    "means": ("component", "feature"),
    "covariances": ("component", "feature", "feature_other"),
}


def way_of(model, *, compiled: bool = True) -> Native | Compiled:
    """The way that needs no compiler; where a tape cannot hold an operation of the model, the one that does.

    Without ``compiled``, that story's density is worked out by PyTensor's Python code: for those who only ask where its
    mode is, and what its variables are.
    """
    function = density_of(model)
    if function is not None:
        modes = heaviest(function, _summits(model, function), relabelled=partial(_relabelled, function))
        return Native(function, Folded(function, modes), "native")
    surface, rng = surface_of(model), np.random.default_rng(0)
    try:
        function, starts = Traced(surface), _STARTS
    except Untraceable:
        function, starts = None, _SLOW_STARTS
    found = list(ascents(surface, beginnings(surface, starts, rng), jacobian=True))
    if all(isinstance(ascent, np.linalg.LinAlgError) for ascent in found):
        raise ValueError(f"no start reached a mode of the posterior density: {found[0]}")
    density = surface.to_climb(jacobian=True)
    modes = heaviest(density, [ascent for ascent in found if not isinstance(ascent, Exception)])
    _refuse_a_point(model, density, _Starts(modes[0].point, 0.1 * modes[0].factor))
    if function is None and compiled:
        return Compiled.of(model, modes[0])
    if function is None:
        return Native(Interpreted(surface), Folded(Interpreted(surface), modes[:1]), "interpreted from the PyMC graph")
    return Native(function, Folded(function, modes), "traced from the PyMC graph")


@dataclass(frozen=True)
class Native:
    """The way without a compiler: a density behind a C pointer, seen in coordinates in which its modes are one."""

    function: object  # a `Density` or `Traced`
    folded: Folded
    density: str

    def starts(self, dispersion: float) -> _Starts:
        """A seed ↦ a point v (p,) so many posterior standard deviations away from the mode."""
        return _Starts(np.zeros(self.folded.size), dispersion)

    def sampler(self, dispersion: float):
        """What nutpie samples, from such points."""
        return NativeModel(dims={}, density=self.folded, start=self.starts(dispersion))

    def start(self, seed) -> np.ndarray:
        """A point u (p,), over-dispersed about the mode."""
        return self.folded.unfold(self.starts(DISPERSION)(seed), np.random.default_rng(seed))[0]

    def is_far_from_normal(self) -> bool:
        """Whether the curvature at the mode says little of how far the posterior reaches.

        Where normal draws would lie, their log density is then off by more than 1 (one standard deviation).
        """
        v = np.random.default_rng(0).standard_normal((_TRIALS, self.folded.size))
        return not np.std([log_ratio(self.folded, point) for point in v]) <= 1.0

    def named(self, tree, model, rng):
        """The draws under the names of the model's variables, the mixture's parameters; and the points u."""
        u, modes, heights = self.folded.unfold(tree["posterior"][POINT].values, rng)
        if modes is not None:
            stats, dims = tree["sample_stats"].to_dataset(), ("chain", "draw")
            tree["sample_stats"] = xr.DataTree(stats.assign(mode=(dims, modes), logp=(dims, heights)))
        coords = {c: tree["posterior"][c].values for c in ("chain", "draw")}
        tree["posterior"] = xr.DataTree(named(self.function.variables(u), model, coords))
        return tree, u


def named(found: dict[str, np.ndarray], model, coords) -> xr.Dataset:
    """Variables (chain, draw, …) with the dims and coordinates that the model gives them, in its order."""
    names = [v.name for v in (*model.free_RVs, *model.deterministics) if v.name in found]
    names += [name for name in _DIMS if name not in names and name in found]
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
    mode: Mode
    density = "compiled from the PyMC graph"

    @classmethod
    def of(cls, model, mode: Mode) -> Compiled:
        """Compile, unless the same model was compiled before."""
        signature = Signature.of(model)
        if model not in _compiled or _compiled[model][0] != signature:
            names = [v.name for v in (*model.free_RVs, *model.deterministics)]
            _compiled[model] = signature, nutpie.compile_pymc_model(model, var_names=names)
        return cls(_compiled[model][1], mode)

    def is_far_from_normal(self) -> bool:
        """Not asked: every evaluation would go through Python."""
        return False

    def sampler(self, dispersion: float):
        """What nutpie samples, from points so many posterior standard deviations away from the mode."""
        start = _Starts(self.mode.point, dispersion * self.mode.factor)
        return replace(self.compiled, initial_point_func=start)

    def named(self, tree, model, rng):
        """The draws, with the mixture's parameters where the model has them under other names, or not as variables."""
        posterior = tree["posterior"].to_dataset()
        if not is_open(model) and not set(_DIMS) <= set(posterior):
            tree["posterior"] = xr.DataTree(_with_parameters(posterior, model))
        return tree, None


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


def _summits(model, function):
    """The modes to which a story's own density climbs from where EM ends."""
    features = tuple(map(str, model.coords["feature"]))
    many = function.n_obs * function.size >= _MANY and isinstance(observed_mixture(model).rows, np.ndarray)
    curvature_at = partial(observed_curvature, Surface(model)) if many else None
    for mixture in _candidates(declaration(model), observed_mixture(model), features):
        yield summit(function, function.place(mixture), function.n_obs, curvature_at)


def _candidates(known, observed, features):
    """Modes of (π, μ, Σ) worth a look, with weights away from 0, under a prior like the story's with closed forms."""
    k, d, rng, near = observed.n_components, len(features), np.random.default_rng(0), known.prior.like_it()
    target = Posterior(known.family, features, near)
    begin = start_statistics(observed.rows, k, _STARTS, rng, observed.case_weights)
    steps = [climb(observed.rows, target.update(stats), target, observed.case_weights)[0] for stats in begin]
    chosen = worth_a_look([s.objective for s in steps], [s.stats.counts for s in steps], 1 + d + d * (d + 1) // 2)
    for stats in (steps[i].stats for i in chosen):
        _, means, covariances = near.mode(stats, known.family)
        weights = stats.counts + near.concentration  # their mode on the unconstrained scale
        yield Mixture.from_whitening(weights / weights.sum(), means, known.family.whitening(covariances))


def _relabelled(function, u, reference) -> Summit:
    """The mode of the same mixture under the labels that are closest to the reference's."""
    found = [function.variables(point) for point in (u, reference)]
    mixture, other = (Mixture(*(f[name] for name in _DIMS)) for f in found)
    return summit(function, function.place(mixture.permute(match(mixture, other)[0])), function.n_obs)
