"""`OpenSurface`: the log posterior of a story with components of its own, as `Surface` is that of a Gaussian story."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.ppl.instructions import Untraceable
from bayesgmm.ppl.parts import is_open, joint_graph, mixing_graph, observed_rows
from bayesgmm.ppl.surface import Surface, graphs_and_start
from bayesgmm.ppl.trace import Trace, hold_together, quietly
from bayesgmm.tape import Program, Writer
from bayesgmm.tape.codes import Code

# Points at which programs are held against their graphs: the start, and noise about it.
_CHECKS, _NOISE = 3, 0.2


def surface_of(model: pm.Model) -> Surface | OpenSurface:
    """The surface of a story, whatever its components are."""
    return OpenSurface(model) if is_open(model) else Surface(model)


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
        self._pulls, self._densities = {}, {}

    def density(self, *, jacobian: bool = True) -> Program:
        """The log density of u and its gradient.

        Raises
        ------
        Untraceable
            If an operation of the story has no instruction.
        """
        if jacobian not in self._densities:
            self._densities[jacobian] = self._write_density(jacobian)
        return self._densities[jacobian]

    def _write_density(self, jacobian) -> Program:
        pull, writer = self._graphs.pull(jacobian), Writer(len(self.start))
        nothing = writer.constant(np.zeros(self._shape))
        (log_joint,) = pull.write(writer, [writer.inputs, nothing], slice(1))
        likelihood, r = _summed_out(writer, log_joint, self.observed.case_weights)
        _, prior, gradient = pull.write(writer, [writer.inputs, r])
        height = writer.elementwise(Code.ADD, likelihood, prior)
        program = writer.program(np.concatenate([height.ravel(), gradient.ravel()]), finite=True)
        hold_together(program, lambda u: self.log_posterior(u, jacobian=jacobian)[:2], [[u] for u in self._points()])
        return program

    def to_climb(self, *, jacobian: bool):
        """u ↦ log density and its gradient: the program, or what stands in for it."""
        try:
            return self.density(jacobian=jacobian)
        except Untraceable:
            return lambda u: self.log_posterior(u, jacobian=jacobian)[:2]

    def log_posterior(self, u, *, jacobian: bool) -> tuple[float, np.ndarray, float]:
        """Log posterior density at u, its gradient, and the log-likelihood in it.

        By Fisher's identity the gradient is that of ``expected`` at the responsibilities of u itself.
        """
        log_joint, prior, _ = self._pull(jacobian)(u, np.zeros(self._shape))
        log_prob, weights = np.logaddexp.reduce(log_joint, axis=1), self.observed.case_weights
        r, weights = np.exp(log_joint - log_prob[:, None]), 1.0 if weights is None else weights
        log_likelihood = float((log_prob * weights).sum())
        gradient = self._pull(jacobian)(u, (r.T * weights).T)[2]
        return log_likelihood + float(prior), gradient, log_likelihood

    def graph(self):
        """u and its log density, Jacobian included, as two variables of one graph."""
        return self._graphs.joint(self.observed.case_weights)

    def expected(self, u, responsibilities, *, jacobian: bool) -> tuple[float, np.ndarray]:
        """Σ_n Σ_k r_nk log p(x_n, z_n = k) + log prior, which an M-step maximises, and its gradient."""
        log_joint, prior, gradient = self._pull(jacobian)(u, responsibilities)
        value = (responsibilities * np.where(responsibilities > 0, log_joint, 0.0)).sum()
        return float(value + prior), gradient

    def parts(self, u) -> tuple[np.ndarray, np.ndarray]:
        """The weights, (K,) or (N, K), and log p(x_n, z_n = k) (N, K)."""
        return self._read(u)[0], self._pull(True)(u, np.zeros(self._shape))[0]

    def variables(self, u) -> dict[str, np.ndarray]:
        """The free and the deterministic variables at points u (…, p), and the weights (K,) if nothing is called so."""
        flat = [self._read(point) for point in u.reshape(-1, u.shape[-1])]
        (first, *others), names = zip(*flat), self._graphs.names
        named = [*zip(["weights"] if first[0].ndim == 1 else [], [first]), *zip(names, others, strict=True)]
        return {name: np.array(v).reshape(u.shape[:-1] + np.shape(v[0])) for name, v in dict(named).items()}

    def free_variables(self, u) -> dict[str, np.ndarray]:
        """The story's free variables at u, under their PyMC names, in their own coordinates."""
        found = self.variables(u)
        return {name: found[name] for name in self.names}

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.rows), self.observed.n_components

    @cached_property
    def _read(self):
        """u ↦ the weights, and the named variables."""
        return self._graphs.read.function([[u] for u in self._points()])

    def _pull(self, jacobian: bool):
        """u, r ↦ log p(x_n, z_n = k), log prior; and the gradient of log prior + Σ r log p(x_n, z_n = k)."""
        if jacobian not in self._pulls:
            r = np.random.default_rng(1).dirichlet(np.ones(self._shape[1]), size=self._shape[0])
            self._pulls[jacobian] = self._graphs.pull(jacobian).function([[u, r] for u in self._points()])
        return self._pulls[jacobian]

    def _points(self) -> list[np.ndarray]:
        """Where programs are held against their graphs."""
        rng = np.random.default_rng(0)
        return [self.start + _NOISE * (i > 0) * rng.normal(size=self.start.shape) for i in range(_CHECKS)]


def _summed_out(writer: Writer, log_joint, case_weights) -> tuple[np.ndarray, np.ndarray]:
    """Σ_n w_n log Σ_k exp(log_joint), and w_n r_nk, of cells (N, K)."""
    top = writer.reduce(Code.MAX, log_joint)
    each = writer.elementwise(Code.EXP, writer.elementwise(Code.SUB, log_joint, top[:, None]))
    total = writer.reduce(Code.SUM, each)
    log_prob = writer.elementwise(Code.ADD, writer.elementwise(Code.LOG, total), top)
    r = writer.elementwise(Code.DIV, each, total[:, None])
    if case_weights is not None:
        weights = writer.constant(case_weights)
        log_prob = writer.elementwise(Code.MUL, log_prob, weights)
        r = writer.elementwise(Code.MUL, r, weights[:, None])
    return writer.reduce(Code.SUM, log_prob[None])[0], r


class _Graphs:
    """The graphs of a story, which other data of the same shapes do not change."""

    def __init__(self, model: pm.Model, point: dict[str, np.ndarray]):
        self.names = [v.name for v in (*model.free_RVs, *model.deterministics)]
        mixture, values = observed_rows(model).variable, [model.rvs_to_values[v] for v in model.free_RVs]
        roots = [joint_graph(model, mixture), mixing_graph(mixture), *model.free_RVs, *model.deterministics]
        others = [v for v in model.basic_RVs if v is not mixture] + model.potentials
        densities = [model.logp(vars=others, jacobian=j) for j in (False, True)]
        outputs = [*model.replace_rvs_by_values(roots), *densities]
        outputs, self._u = pm.pytensorf.join_nonshared_inputs(point, outputs, values)
        self._joint, *self._named, self._prior, self._prior_with_jacobian = outputs
        self._pulls = {}

    @cached_property
    def read(self) -> Trace:
        """u ↦ the weights, and the named variables."""
        return Trace([self._u], self._named)

    def joint(self, case_weights):
        """u and log p(u, x)."""
        values = pt.logsumexp(self._joint, axis=1)
        return self._u, self._prior_with_jacobian + (values if case_weights is None else values * case_weights).sum()

    def pull(self, jacobian: bool) -> Trace:
        """u, r ↦ log p(x_n, z_n = k), log prior; and the gradient of log prior + Σ r log p(x_n, z_n = k)."""
        if jacobian not in self._pulls:
            r, prior = pt.matrix("responsibilities"), self._prior_with_jacobian if jacobian else self._prior
            with quietly():
                gradient = pt.grad((r * self._joint).sum() + prior, self._u)
            self._pulls[jacobian] = Trace([self._u, r], [self._joint, prior, gradient])
        return self._pulls[jacobian]
