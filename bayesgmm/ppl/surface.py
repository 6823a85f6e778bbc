"""`Surface`: what EM, a mode search and NUTS need out of any story; nothing is compiled for it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.util import get_transformed_name

from bayesgmm.kernel import Incomplete, Stats, Whitening, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.ppl.declaration import Signature
from bayesgmm.ppl.instructions import Untraceable
from bayesgmm.ppl.observed import StoryError, observed_mixture
from bayesgmm.ppl.op import log_prob
from bayesgmm.ppl.trace import Trace, hold_together, quietly, value_of
from bayesgmm.tape import Program, Writer
from bayesgmm.tape.codes import Code

# Points at which a program is held against its graph: the start, and noise about it.
_CHECKS, _NOISE = 3, 0.2


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
        self._graphs, self.start = graphs_and_start(model, _Graphs)
        self._pulls, self._densities = {}, {}

    @cached_property
    def _read(self):
        return self._graphs.read.function(self._points())

    def _pull(self, jacobian: bool):
        """u, slopes ↦ log π, μ, L, log prior; and the gradient of log prior + ⟨slopes, (log π, μ, L)⟩."""
        if jacobian not in self._pulls:
            self._pulls[jacobian] = self._graphs.pull(jacobian).function(self._points(with_slopes=True))
        return self._pulls[jacobian]

    def _points(self, *, with_slopes=False) -> list[list[np.ndarray]]:
        """Where programs are held against their graphs."""
        rng, (d, k) = np.random.default_rng(0), (self.rows.shape[1], self.observed.n_components)
        shapes = (k,), (k, d), (k, d, d)
        noise = [_NOISE * (i > 0) * rng.normal(size=self.start.shape) for i in range(_CHECKS)]
        return [[self.start + e, *(rng.normal(size=s) for s in shapes if with_slopes)] for e in noise]

    def density(self, *, jacobian: bool = True) -> Program:
        """The log density of u and its gradient, the pass over the rows inside.

        Raises
        ------
        Untraceable
            If an operation of the story has no instruction.
        """
        if jacobian not in self._densities:
            self._densities[jacobian] = self._write_density(jacobian)
        return self._densities[jacobian]

    def _write_density(self, jacobian):
        pull, writer = self._graphs.pull(jacobian), Writer(len(self.start))
        rows = self.rows if isinstance(self.rows, Incomplete) else Incomplete.of(self.rows)
        (d, k), u = (self.rows.shape[1], self.observed.n_components), writer.inputs
        nothing = [writer.constant(np.zeros(shape)) for shape in ((k,), (k, d), (k, d, d))]
        log_weights, means, factors = pull.write(writer, [u, *nothing], slice(3))
        log_likelihood, *moments = writer.e_step(rows, self.observed.case_weights, log_weights, means, factors)
        *_, prior, gradient = pull.write(writer, [u, *_slopes_on_tape(writer, factors, *moments)])
        height = writer.elementwise(Code.ADD, log_likelihood, prior)
        program = writer.program(np.concatenate([[height], gradient]), finite=True)
        hold_together(program, lambda u: self.log_posterior(u, jacobian=jacobian)[:2], self._points())
        return program

    def to_climb(self, *, jacobian: bool):
        """u ↦ log density and its gradient: the program, or what stands in for it."""
        try:
            return self.density(jacobian=jacobian)
        except Untraceable:
            return lambda u: self.log_posterior(u, jacobian=jacobian)[:2]

    def graph(self):
        """u and its log density, Jacobian included, the rows as they are now, as two variables of one graph."""
        return self._graphs.joint(self.observed)

    def parameters(self, u) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """π (K,), μ (K, D) and L (K, D, D) at u."""
        return self._read(u)[:3]

    def mixture(self, u) -> Mixture:
        """The mixture at u; raises LinAlgError where it is none."""
        weights, means, factors = self.parameters(u)
        if not all(np.isfinite(v).all() for v in (weights, means, factors)) or (factors.diagonal(0, 1, 2) <= 0).any():
            raise np.linalg.LinAlgError("a covariance is not positive definite")
        return Mixture.from_whitening(weights, means, Whitening.of(factors), features=self.features)

    def e_step(self, mixture: Mixture) -> tuple[float, Stats]:
        """The log-likelihood of a mixture, and what the rows say under it."""
        return e_step(self.rows, mixture, self.observed.case_weights, pointwise=False)

    def free_variables(self, u) -> dict[str, np.ndarray]:
        """The story's free variables at u, under their PyMC names, in their own coordinates."""
        return dict(zip(self.names, self._read(u)[3:], strict=False))

    def variables(self, u) -> dict[str, np.ndarray]:
        """The free and the deterministic variables at points u (…, p), and the mixture's parameters."""
        names = ["weights", "means", "scale_trils", *self._graphs.names]
        flat = [self._read(point) for point in u.reshape(-1, u.shape[-1])]
        found = {n: np.array(v).reshape(*u.shape[:-1], *v[0].shape) for n, v in zip(names, zip(*flat), strict=True)}
        factors = found.pop("scale_trils")
        return {"covariances": factors @ factors.mT, **found}

    def expected(self, u, stats: Stats, *, jacobian: bool) -> tuple[float, np.ndarray]:
        """Q(θ(u); S) + log prior, which an M-step maximises, and its gradient."""
        value, prior, gradient = self._expected(u, stats, jacobian)
        return value + prior, gradient

    def log_posterior(self, u, *, jacobian: bool) -> tuple[float, np.ndarray, float]:
        """Log posterior density at u, its gradient, and the log-likelihood in it.

        By Fisher's identity the gradient is that of ``expected`` at the statistics of u itself.
        """
        log_likelihood, stats = self.e_step(self.mixture(u))
        _, prior, gradient = self._expected(u, stats, jacobian)
        return log_likelihood + prior, gradient, log_likelihood

    def _expected(self, u, stats, jacobian):
        pull = self._pull(jacobian)
        log_weights, means, factors, *_ = pull(u, *map(np.zeros_like, (stats.counts, stats.means, stats.scatters)))
        value, slopes = expected_log_density(log_weights, means, factors, stats)
        *_, prior, gradient = pull(u, *slopes)
        return value, float(prior), gradient


def expected_log_density(log_weights, means, factors, stats: Stats) -> tuple[float, tuple[np.ndarray, ...]]:
    """Q(θ; S) and its slopes with respect to log π, μ and L."""
    counts, centres, scatters = stats.counts, stats.means, stats.scatters
    used = counts > 0
    gap = np.linalg.solve(factors, (centres - means)[..., None])[..., 0]
    half = np.linalg.solve(factors, scatters)
    m1 = counts[:, None] * gap
    m2 = np.linalg.solve(factors, half.mT) + m1[:, :, None] * gap[:, None, :]
    scales = factors.diagonal(0, 1, 2)
    # 0 · log 0 is 0: an empty component adds nothing.
    logs = np.where(used, log_weights, 0.0) - np.log(scales).sum(axis=1) - 0.5 * means.shape[1] * np.log(2 * np.pi)
    value = counts @ logs - 0.5 * np.trace(m2, axis1=1, axis2=2).sum()
    solved = np.linalg.solve(factors.mT, np.concatenate([m1[:, :, None], m2], axis=2))
    slope = np.tril(solved[:, :, 1:]) - np.eye(means.shape[1]) * (counts[:, None] / scales)[:, :, None]
    return float(value), (counts, solved[:, :, 0], slope)


def _slopes_on_tape(writer, factors, m0, m1, m2):
    """The slopes of Q from whitened moments, as above."""
    d, both = m1.shape[1], np.concatenate([m1[:, :, None], m2], axis=2)
    solved = writer.solve_triangular(factors.swapaxes(1, 2), both, lower=False, unit=False)
    slope = np.where(np.tri(d, dtype=bool), solved[:, :, 1:], 0)
    diagonal = np.arange(d)
    rate = writer.elementwise(Code.DIV, m0[:, None], factors[:, diagonal, diagonal])
    slope[:, diagonal, diagonal] = writer.elementwise(Code.SUB, slope[:, diagonal, diagonal], rate)
    return m0, solved[:, :, 0], slope


class _Graphs:
    """The graphs of a story, which other data of the same shapes do not change."""

    def __init__(self, model: pm.Model, point: dict[str, np.ndarray]):
        self.names = [v.name for v in (*model.free_RVs, *model.deterministics)]
        mixture, values = observed_mixture(model).variable, [model.rvs_to_values[v] for v in model.free_RVs]
        named = model.replace_rvs_by_values([*mixture.owner.inputs[2:5], *model.free_RVs, *model.deterministics])
        others = [v for v in model.basic_RVs if v is not mixture] + model.potentials
        densities = [model.logp(vars=others, jacobian=j) for j in (False, True)]
        outputs, self._u = pm.pytensorf.join_nonshared_inputs(point, [*named, *densities], values)
        *self._named, self._prior, self._prior_with_jacobian = outputs
        self._pulls = {}

    @cached_property
    def read(self) -> Trace:
        """u ↦ weights, means, factors L, and the named variables."""
        return Trace([self._u], self._named)

    def joint(self, observed):
        """u and log p(u, x)."""
        x, missing, weights = observed.x, np.isnan(observed.x), observed.case_weights
        values = log_prob(pt.constant(np.where(missing, 0.0, x)), *self._named[:3], missing)
        return self._u, self._prior_with_jacobian + (values if weights is None else values * weights).sum()

    def pull(self, jacobian: bool) -> Trace:
        """u, slopes ↦ log π, μ, L, log prior; and the gradient of log prior + ⟨slopes, (log π, μ, L)⟩."""
        if jacobian not in self._pulls:
            self._pulls[jacobian] = self._pull(jacobian)
        return self._pulls[jacobian]

    def _pull(self, jacobian):
        weights, *others = self._named[:3]
        parts, prior = [pt.log(weights), *others], self._prior_with_jacobian if jacobian else self._prior
        slopes = [part.type(name) for part, name in zip(parts, ("slope_weights", "slope_means", "slope_factors"))]
        height = prior + sum((part * slope).sum() for part, slope in zip(parts, slopes))
        with quietly():
            gradient = pt.grad(height, self._u)
        return Trace([self._u, *slopes], [*parts, prior, gradient])


class _Known(NamedTuple):
    signature: Signature
    graphs: object
    shapes: list[tuple[int, ...]] | None  # of the free variables, where they can be told
    start: np.ndarray


# Making and simplifying graphs is most of the wait: those of a story whose data alone have changed are kept.
_known: WeakKeyDictionary[pm.Model, _Known] = WeakKeyDictionary()


def graphs_and_start(model, graphs) -> tuple[object, np.ndarray]:
    """``graphs(model, point)`` and PyMC's own starting point u (p,), both kept until the model's graph changes."""
    known, now, shapes = _known.get(model), Signature.of(model), _shapes(model)
    if known is not None and known.signature.has_graph_of(now):
        if known.signature == now or (shapes is not None and known.shapes == shapes):
            return known.graphs, known.start
    discrete = [v.name for v in model.free_RVs if v.type.dtype[:5] != "float"]
    if discrete:
        raise StoryError(f"{', '.join(discrete)}: discrete variables have no gradient; sum them out, or observe them")
    with quietly():
        initial = model.initial_point()
    names = [get_transformed_name(v.name, t) if (t := model.rvs_to_transforms[v]) else v.name for v in model.free_RVs]
    values = [model.rvs_to_values[v].name for v in model.free_RVs]
    point = {value: np.asarray(initial[name]) for value, name in zip(values, names, strict=True)}
    for v in model.free_RVs:
        value = model.rvs_to_values[v]
        shape, known = point[value.name].shape, value.type.shape
        if len(shape) != len(known) or any(a not in (None, b) for a, b in zip(known, shape, strict=True)):
            raise StoryError(
                f"the model sees {v.name} in the shape {known} of one transform, but its transform was changed since, "
                f"and that has the shape {shape}; tell the story anew with the transform that it is to have"
            )
    start = np.concatenate([np.ravel(v) for v in point.values()]).astype(float)
    # PyMC begins at the edge of some transforms: equal values that are to be ordered.
    start = np.where(np.isfinite(start), start, 0.0)
    _known[model] = _Known(now, graphs(model, point), shapes, start)
    return _known[model].graphs, start


def _shapes(model) -> list[tuple[int, ...]] | None:
    """Shapes of the free variables that dims or types tell; None if one of them is told by neither."""
    found = []
    for v in model.free_RVs:
        dims = model.named_vars_to_dims.get(v.name)
        shape = tuple(int(value_of(model.dim_lengths[d])) for d in dims) if dims else v.type.shape
        if None in shape:
            return None
        found.append(shape)
    return found


def parameters(model: pm.Model):
    """A function of a story's free variables that gives weights, means and factors L, and the variables' names."""
    mixture = observed_mixture(model).variable
    known = {v: model.rvs_to_values[v] for v in model.observed_RVs if v is not mixture}
    free = list(model.free_RVs)
    with quietly():
        run = pytensor.function(free, mixture.owner.inputs[2:5], givens=known, on_unused_input="ignore")
    return run, [v.name for v in free]
