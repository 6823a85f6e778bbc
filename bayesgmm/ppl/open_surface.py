"""`OpenSurface`: the log posterior of a story with components of its own, as `Surface` is that of a Gaussian story."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.ppl.instructions import Untraceable
from bayesgmm.ppl.parts import joint_graph, mixing_graph, observed_rows
from bayesgmm.ppl.surface import graphs_and_start
from bayesgmm.ppl.trace import Trace, hold_together, quietly
from bayesgmm.tape import Program, Writer

# Points at which programs are held against their graphs: the start, and noise about it.
_CHECKS, _NOISE = 3, 0.2


class OpenSurface:
    """The log posterior density over the free variables' unconstrained values u (p,), ordered as ``model.free_RVs``.

    With ``jacobian=False`` the density is that of the declared variables (its top is the MAP estimate), with
    ``jacobian=True`` that of u itself (what NUTS explores).

    Parameters
    ----------
    model : pymc.Model
        With one observed `MarginalMixture`.
    """

    def __init__(self, model: pm.Model):
        self.observed = observed_rows(model)
        self.rows = self.observed.x
        self.names = [v.name for v in model.free_RVs]
        self._graphs, self.start = graphs_and_start(model, _Graphs)
        self._functions, self._densities = {}, {}

    def density(self, *, jacobian: bool = True) -> Program:
        """The log density of u and its gradient.

        Raises
        ------
        Untraceable
            If an operation of the story has no instruction.
        """
        if jacobian not in self._densities:
            writer = Writer(len(self.start))
            cells = self._graphs.height(jacobian).write(writer, [writer.inputs], slice(2))
            program = writer.program(np.concatenate([c.ravel() for c in cells]), finite=True)
            hold_together(program, lambda u: self.log_posterior(u, jacobian=jacobian)[:2], self._points())
            self._densities[jacobian] = program
        return self._densities[jacobian]

    def to_climb(self, *, jacobian: bool):
        """u ↦ log density and its gradient: the program, or what stands in for it."""
        try:
            return self.density(jacobian=jacobian)
        except Untraceable:
            return lambda u: self.log_posterior(u, jacobian=jacobian)[:2]

    def log_posterior(self, u, *, jacobian: bool) -> tuple[float, np.ndarray, float]:
        """Log posterior density at u, its gradient, and the log-likelihood in it."""
        run = self._function(("height", jacobian), lambda: self._graphs.height(jacobian), self._points())
        value, gradient, log_likelihood = run(u)
        return float(value), gradient, float(log_likelihood)

    def expected(self, u, responsibilities, *, jacobian: bool) -> tuple[float, np.ndarray]:
        """Σ_n Σ_k r_nk log p(x_n, z_n = k) + log prior, which an M-step maximises, and its gradient."""
        points = [[point, np.asarray(responsibilities)] for (point,) in self._points()]
        run = self._function(("expected", jacobian), lambda: self._graphs.expected(jacobian), points)
        value, gradient = run(u, responsibilities)
        return float(value), gradient

    def variables(self, u) -> dict[str, np.ndarray]:
        """The free and the deterministic variables at points u (…, p); and ``weights`` (K,), if no other is called so."""
        run = self._function("read", lambda: self._graphs.read, self._points())
        flat = [run(point) for point in u.reshape(-1, u.shape[-1])]
        (first, *others), names = zip(*flat), self._graphs.names
        named = [*zip(["weights"] if first[0].ndim == 1 else [], [first]), *zip(names, others, strict=True)]
        return {name: np.array(v).reshape(*u.shape[:-1], *v[0].shape) for name, v in dict(named).items()}

    def parts(self, u) -> tuple[np.ndarray, np.ndarray]:
        """The weights, (K,) or (N, K), and log p(x_n, z_n = k) (N, K)."""
        weights, log_joint = self._function("parts", lambda: self._graphs.parts, self._points())(u)
        return weights, log_joint

    def free_variables(self, u) -> dict[str, np.ndarray]:
        """The story's free variables at u, under their PyMC names, in their own coordinates."""
        found = self.variables(u)
        return {name: found[name] for name in self.names}

    def _points(self) -> list[list[np.ndarray]]:
        rng = np.random.default_rng(0)
        return [[self.start + _NOISE * (i > 0) * rng.normal(size=self.start.shape)] for i in range(_CHECKS)]

    def _function(self, key, trace, points):
        if key not in self._functions:
            self._functions[key] = trace().function(points)
        return self._functions[key]


class _Graphs:
    """The graphs of a story, which other data of the same shapes do not change."""

    def __init__(self, model: pm.Model, point: dict[str, np.ndarray]):
        self.names = [v.name for v in (*model.free_RVs, *model.deterministics)]
        observed, values = observed_rows(model), [model.rvs_to_values[v] for v in model.free_RVs]
        roots = [mixing_graph(model, observed.variable), joint_graph(model, observed.variable), *model.free_RVs]
        named = model.replace_rvs_by_values([*roots, *model.deterministics])
        others = [v for v in model.basic_RVs if v is not observed.variable] + model.potentials
        densities = [model.logp(vars=others, jacobian=j) for j in (False, True)]
        outputs, self._u = pm.pytensorf.join_nonshared_inputs(point, [*named, *densities], values)
        weights, self._joint, *self._named, self._prior, self._prior_with_jacobian = outputs
        self._named = [weights, *self._named]
        self._weights = 1.0 if observed.case_weights is None else pt.constant(observed.case_weights)
        self._traces = {}

    @property
    def read(self) -> Trace:
        """u ↦ the weights, and the named variables."""
        return self._trace("read", lambda: ([self._u], self._named))

    @property
    def parts(self) -> Trace:
        """u ↦ the weights, and log p(x_n, z_n = k)."""
        return self._trace("parts", lambda: ([self._u], [self._named[0], self._joint]))

    def height(self, jacobian: bool) -> Trace:
        """u ↦ log density, its gradient, log-likelihood."""

        def graph():
            likelihood = (pt.logsumexp(self._joint, axis=1) * self._weights).sum()
            value = likelihood + self._log_prior(jacobian)
            return [self._u], [value, pt.grad(value, self._u), likelihood]

        return self._trace(("height", jacobian), graph)

    def expected(self, jacobian: bool) -> Trace:
        """u, r ↦ expected log density, its gradient."""

        def graph():
            r = pt.matrix("responsibilities")
            value = (r * self._joint).sum() + self._log_prior(jacobian)
            return [self._u, r], [value, pt.grad(value, self._u)]

        return self._trace(("expected", jacobian), graph)

    def _log_prior(self, jacobian):
        return self._prior_with_jacobian if jacobian else self._prior

    def _trace(self, key, graph):
        if key not in self._traces:
            with quietly():
                self._traces[key] = Trace(*graph())
        return self._traces[key]
