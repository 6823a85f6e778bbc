"""`check_story`: what is wrong with a story, in a sentence each. For users' own tests, and for ours.

The contract that EM, relabelling and every summary rest on is short, and most of it can be tried out: the model is
evaluated at a few points, its components are exchanged, its rows are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

# Points at which a story is tried: PyMC's own start, and noise about it.
_POINTS, _NOISE = 3, 0.3
# Relative difference from which numbers are not the same, and gradients are not those of the density.
_SAME, _SLOPE = 1e-8, 1e-4
# Numbers of one variable that are moved, one at a time.
_MOST_NUMBERS = 12


class BrokenStory(AssertionError):
    """A story that does not keep the contract; it says why, a sentence a fault."""


def check_story(story, *args, **kwargs) -> None:
    """Check that a story keeps the contract: what is wrong with it, in a sentence each.

    Parameters
    ----------
    story : pymc.Model, or callable
        A model; or a function that tells it, called as ``story(*args, **kwargs)``. That rows do not depend on each
        other is tried with the function alone: it is told again of fewer rows (every argument that has a row for each
        row is cut).

    Raises
    ------
    BrokenStory
        An AssertionError, so that ``def test_it(): check_story(my_story, x)`` is a test for pytest.

    Notes
    -----
    Of a story: one observed mixture whose log density is one value a row, that of the sum over its components; a
    coordinate ``component``, and the dim of that name on every variable of the components, so that exchanging them
    exchanges the columns of log p(x_n, z_n = k); weights that sum to one; no ``initval=``, no ordering constraint and
    no discrete variable; a gradient that is the density's; rows that do not depend on each other.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from bayesgmm.models import poisson_mixture
    >>> check_story(poisson_mixture, [0, 1, 1, 2, 0, 30, 28, 33], 2)
    >>> import pymc as pm
    >>> with pm.Model(coords={"component": [0, 1], "obs": range(3)}) as model:
    ...     rates = pm.Gamma("rates", 1.0, 0.1, shape=2)
    ...     x = bg.MarginalMixture("x", [0.5, 0.5], pm.Poisson.dist(mu=rates), observed=[1, 2, 9], dims="obs")
    >>> check_story(model)
    Traceback (most recent call last):
    bayesgmm.testing.BrokenStory: rates differs between the components but has not the dim 'component', ...
    """
    found = faults(story, *args, **kwargs)
    if found:
        raise BrokenStory("\n".join(found))


def faults(story, *args, **kwargs) -> list[str]:
    """What `check_story` would say, a sentence a fault."""
    import pymc as pm

    from bayesgmm.ppl.observed import StoryError

    try:
        model = story if isinstance(story, pm.Model) else story(*args, **kwargs)
        found = list(_told(model))
        if found:
            return found
        trial = _Trial(model)
        found = list(_evaluated(trial))
        if not found and not isinstance(story, pm.Model):
            found = list(_rows_apart(trial, story, args, kwargs))
    except (StoryError, ValueError) as error:
        return [str(error)]
    return found


# ---- what the model says of itself


def _told(model) -> Iterator[str]:
    from pymc.distributions.transforms import Ordered

    from bayesgmm.ppl.marginal import MarginalGaussianMixtureRV
    from bayesgmm.ppl.mixing import MarginalMixtureRV

    kinds = MarginalGaussianMixtureRV, MarginalMixtureRV
    mixtures = [v for v in model.observed_RVs if isinstance(v.owner.op, kinds)]
    if len(mixtures) != 1:
        others = ", ".join(f"{v.name} ({type(v.owner.op).__name__})" for v in model.observed_RVs) or "nothing"
        yield (f"the model observes {len(mixtures)} mixtures, but a story exactly one, a MarginalMixture or a "
               f"MarginalGaussianMixture; it observes {others}")  # fmt: skip
        return
    x, dims = mixtures[0], model.named_vars_to_dims.get(mixtures[0].name)
    if model.coords.get("component") is None:
        yield "the model has no coordinate 'component': coords={'component': range(K), 'obs': range(N)}"
    if x.name != "x":
        yield f"the observed mixture is called {x.name!r}, where every summary looks for 'x'"
    if not dims or dims[0] != "obs" or len(dims) != x.ndim:
        wanted = "('obs',)" if x.ndim == 1 else "('obs', 'feature')"
        yield f"the observed mixture has the dims {dims or 'of nobody'}: give it dims={wanted}"
    for v in model.free_RVs:
        if model.rvs_to_initial_values.get(v) is not None:
            yield f"{v.name} has an initval, with which PyMC cannot rebuild the model: leave it out"
        if v.type.dtype[:5] != "float":
            yield f"{v.name} is discrete, and has no gradient: sum it out, or observe it"
        if isinstance(model.rvs_to_transforms.get(v), Ordered):
            yield f"{v.name} is ordered: leave the constraint out, labels are matched after sampling"


# ---- what it does


class _Trial:
    """A story at a few points."""

    _run = None

    def __init__(self, model):
        from bayesgmm.ppl.observed import observed_mixture
        from bayesgmm.ppl.parts import is_open, observed_rows

        self.model, self.is_open = model, is_open(model)
        self.observed = observed_rows(model) if self.is_open else observed_mixture(model)
        self.weights, self.n_components = self.observed.case_weights, len(model.coords["component"])

    @cached_property
    def surface(self):
        from bayesgmm.ppl.open_surface import surface_of

        return surface_of(self.model)

    @cached_property
    def points(self) -> list[np.ndarray]:
        rng, start = np.random.default_rng(0), self.surface.start
        return [start + _NOISE * rng.normal(size=start.shape) for _ in range(_POINTS)]

    def values(self, u) -> dict[str, np.ndarray]:
        """The free variables, in their own coordinates."""
        return self.surface.free_variables(u)

    def parts(self, values: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The weights and log p(x_n, z_n = k) (N, K), given the free variables."""
        if self._run is None:
            self._run = self._function(values)
        with np.errstate(all="ignore"):
            return self._run(*values.values())

    def _function(self, values):
        from bayesgmm.ppl.parts import parts
        from bayesgmm.ppl.surface import parameters

        if self.is_open:
            return parts(self.model, values).run
        run = parameters(self.model)[0]
        return lambda *free: _of_gaussians(self.observed.rows, *run(*free))

    @cached_property
    def sizes(self) -> list[int]:
        """How many numbers of u each free variable has."""
        from bayesgmm.ppl.trace import quietly

        with quietly():
            return [np.size(v) for v in self.model.initial_point().values()]

    def own(self, name: str) -> list[int]:
        """The axes of a variable that count components."""
        dims = self.model.named_vars_to_dims.get(name) or ()
        return [i for i, d in enumerate(dims) if d in ("component", "component_other")]


def _of_gaussians(rows, weights, means, factors):
    from bayesgmm.kernel import log_probs

    each = log_probs(rows, np.zeros((len(means), 1)), means[:, None], np.ascontiguousarray(factors[:, None]))
    return weights, np.log(weights) + each.T


def _evaluated(trial: _Trial) -> Iterator[str]:
    """Faults that show when the model is evaluated; of those that lead to others, only the first."""
    for check in (_shapes, _mixing, _sum_of_parts, _dims, _exchangeable, _gradient):
        found = list(check(trial))
        yield from found
        if found:
            return


def _shapes(trial) -> Iterator[str]:
    weights, log_joint = trial.parts(trial.values(trial.points[0]))
    n, k = len(trial.observed.x), trial.n_components
    if log_joint.shape != (n, k):
        yield (f"log p(x_n | θ_k) must have a row for each of the {n} rows and a column for each of the {k} "
               f"components, but has the shape {log_joint.shape}")  # fmt: skip
    elif weights.shape not in ((k,), (n, k)):
        yield f"the weights must have the shape ({k},), or ({n}, {k}) by row, not {weights.shape}"
    elif not np.isfinite(np.logaddexp.reduce(log_joint, axis=1)).all():
        row = int(np.argmin(np.isfinite(np.logaddexp.reduce(log_joint, axis=1))))
        yield f"log p of row {row} is not finite near the start of the model: no component can have made the row"


def _mixing(trial) -> Iterator[str]:
    for u in trial.points:
        weights = trial.parts(trial.values(u))[0]
        if not (weights >= 0).all() or not np.allclose(weights.sum(axis=-1), 1.0, rtol=0, atol=1e-8):
            total = weights.sum(axis=-1)
            worst = float(np.ravel(total)[np.abs(np.ravel(total) - 1.0).argmax()])
            yield f"the weights must be at least 0 and sum to one over the components, but sum to {worst:.4g}"
            return


def _sum_of_parts(trial) -> Iterator[str]:
    """The log density that PyMC sees is one value a row, that of the sum over components."""
    import pymc as pm
    import pytensor

    from bayesgmm.ppl.trace import quietly

    model = trial.model
    with quietly():
        outputs = model.logp(vars=[trial.observed.variable], sum=False)
        values = [model.rvs_to_values[v] for v in model.free_RVs]
        (log_prob,), joined = pm.pytensorf.join_nonshared_inputs(model.initial_point(), outputs, values)
        run = pytensor.function([joined], log_prob, on_unused_input="ignore")
    for u in trial.points:
        got, wanted = run(u), np.logaddexp.reduce(trial.parts(trial.values(u))[1], axis=1)
        wanted = wanted if trial.weights is None else wanted * trial.weights
        if got.shape != wanted.shape:
            yield f"the log density must be one value a row, {wanted.shape}, but has the shape {got.shape}"
            return
        if not np.allclose(got, wanted, rtol=_SAME, atol=_SAME):
            row = int(np.abs(got - wanted).argmax())
            yield (f"the log density of row {row} is {got[row]:.6g}, but that of the sum over its components is "
                   f"{wanted[row]:.6g}")  # fmt: skip
            return


def _dims(trial) -> Iterator[str]:
    """Variables without the dim ``component`` that some components know and others do not."""
    first, k, lone = 0, trial.n_components, []
    for name, size in zip(trial.surface.names, trial.sizes, strict=True):
        if not trial.own(name):
            columns = [_told_by(trial, first + i) for i in range(min(size, _MOST_NUMBERS))]
            some = [c for c in columns if 0 < c.sum() < k]
            if some and size >= k > 1:
                yield (f"{name} differs between the components but has not the dim 'component', so that it is not "
                       f"permuted with them: dims='component', or with further dims")  # fmt: skip
            elif some:
                lone.append(f"{name} (of component {', '.join(map(str, np.flatnonzero(some[0])))})")
        first += size
    if lone:
        yield (f"{', '.join(lone)} belongs to some components alone: declare one variable of all components, with the "
               "dim 'component'")  # fmt: skip


def _told_by(trial, i: int) -> np.ndarray:
    """Which components' densities (K,) change with number i of u."""
    u = trial.points[0]
    moved = u + 0.1 * np.eye(len(u))[i]
    densities = []
    for point in (u, moved):
        weights, log_joint = trial.parts(trial.values(point))
        densities.append(log_joint - np.log(weights))
    return ~np.isclose(*densities, rtol=_SAME, atol=_SAME).all(axis=0)


def _exchangeable(trial) -> Iterator[str]:
    """Exchanging components everywhere exchanges the columns of log p(x_n, z_n = k)."""
    k = trial.n_components
    for order in {tuple(np.roll(np.arange(k), 1)), (1, 0, *range(2, k))} if k > 1 else ():
        for u in trial.points[:2]:
            values = trial.values(u)
            moved = {name: _permuted(v, trial.own(name), order) for name, v in values.items()}
            there, here = trial.parts(moved)[1], trial.parts(values)[1][:, list(order)]
            if not np.allclose(there, here, rtol=_SAME, atol=_SAME):
                wrong = np.flatnonzero(~np.isclose(there, here, rtol=_SAME, atol=_SAME).all(axis=0))
                yield ("permuting the components in every variable with the dim 'component' does not permute "
                       f"log p(x, z = k): component {wrong[0]} is treated otherwise than the others, so that labels "
                       "cannot be matched")  # fmt: skip
                return


def _permuted(values, axes, order):
    for axis in axes:
        values = np.take(values, order, axis=axis)
    return values


def _gradient(trial) -> Iterator[str]:
    density = trial.surface.to_climb(jacobian=True)
    names = np.repeat(trial.surface.names, trial.sizes)
    for u in trial.points[:2]:
        value, gradient = density(u)
        gradient = np.array(gradient)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            bad = names[np.argmin(np.isfinite(gradient))] if np.isfinite(value) else "the value itself"
            yield f"the log posterior density or its gradient is not finite near the start of the model: {bad}"
            return
        steps = 1e-5 * np.maximum(1.0, np.abs(u))
        slopes = [(density(u + h * e)[0] - density(u - h * e)[0]) / (2 * h) for h, e in zip(steps, np.eye(len(u)))]
        off = np.abs(slopes - gradient)
        if off.max() > _SLOPE * max(1.0, np.abs(gradient).max()):
            i = int(off.argmax())
            yield (f"the gradient by {names[i]} is {gradient[i]:.4g}, but the density rises by {slopes[i]:.4g}: an "
                   "operation has no gradient, or a wrong one")  # fmt: skip
            return


def _rows_apart(trial, story, args, kwargs) -> Iterator[str]:
    """log p of a row is the same when others are left out."""
    n = len(trial.observed.x)
    dims = trial.model.named_vars_to_dims
    if n < 4 or any("obs" in (dims.get(name) or ()) for name in trial.surface.names):
        return
    kept = np.sort(np.random.default_rng(0).permutation(n)[: max(2, 3 * n // 4)])
    fewer = _Trial(story(*(_cut(a, n, kept) for a in args), **{name: _cut(a, n, kept) for name, a in kwargs.items()}))
    values = trial.values(trial.points[0])
    before, after = trial.parts(values)[1][kept], fewer.parts(values)[1]
    if not np.allclose(after, before, rtol=_SAME, atol=_SAME):
        row = int(kept[np.abs(after - before).max(axis=1).argmax()])
        yield (f"log p of row {row} changes when other rows are left out: given the parameters, rows must not depend "
               "on each other (scale the prior by the data, not the likelihood)")  # fmt: skip


def _cut(value, n: int, kept):
    """Some of the rows of an argument that has one for each row; any other as it is."""
    if not hasattr(value, "__len__") or isinstance(value, str | dict) or len(value) != n:
        return value
    if hasattr(value, "iloc"):
        return value.iloc[kept]
    return np.asarray(value)[kept]
