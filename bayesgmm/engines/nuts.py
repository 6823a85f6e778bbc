"""NUTS on a story's PyMC graph, by nutpie: chains start around one mode, in one labelling."""

from __future__ import annotations

import dataclasses
import sys
from weakref import WeakKeyDictionary

import numpy as np

# Chains start this many posterior standard deviations, by the curvature at the mode, away from it.
DISPERSION = 1.5

# What nutpie records that a reader of the draws can use; the rest is its own bookkeeping.
_KEPT = ("depth", "diverging", "energy", "energy_error", "logp", "maxdepth_reached", "mean_tree_accept", "n_steps",
         "step_size", "step_size_bar")  # fmt: skip

# Compiling is most of the wait: a model sampled again is not compiled again.
_compiled: WeakKeyDictionary = WeakKeyDictionary()


def nuts(model, *, draws: int, tune: int, chains: int, seed, progress: bool):
    """Sample a story: a DataTree with the labels as they were sampled. See `bayesgmm.sample`."""
    import nutpie
    from threadpoolctl import threadpool_limits

    seed = np.random.SeedSequence(seed).generate_state(2)
    options = {"draws": draws, "tune": tune, "chains": chains, "seed": int(seed[0]), "save_warmup": False}
    with threadpool_limits(1):  # BLAS threads would fight the chains
        with _bar(progress, chains * (draws + tune)) as report:
            ready, start, scale = _prepared(model)
            ready = dataclasses.replace(ready, initial_point_func=_Starts(start, scale))
            running = nutpie.sample(ready, **options, blocking=False, progress_bar=False, progress_callback=report)
            tree = _wait(running)
    return _dressed(tree, model, int(seed[0]))


@dataclasses.dataclass(frozen=True)
class _Starts:
    """Unconstrained starting points: the mode plus noise shaped by the curvature there."""

    mode: np.ndarray
    scale: np.ndarray

    def __call__(self, seed=None) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal(len(self.mode)).clip(-2, 2)
        return self.mode + DISPERSION * self.scale @ noise


def _prepared(model):
    """(compiled model, mode of the unconstrained density, factor of the inverse curvature there)."""
    if model not in _compiled:
        import nutpie

        mode, scale = _mode(model)
        names = [v.name for v in (*model.free_RVs, *model.deterministics)]
        _compiled[model] = nutpie.compile_pymc_model(model, var_names=names), mode, scale
    return _compiled[model]


def _mode(model):
    """Climb from the best MAP estimate to the nearest mode of the density that NUTS sees."""
    from bayesgmm.fit.mode import ascend, statistics_of
    from bayesgmm.fit.starts import start_statistics
    from bayesgmm.ppl.surface import Surface

    surface = Surface(model)
    try:
        from bayesgmm.fit import fit_map

        begin = statistics_of(surface, fit_map(model, seed=0, progress=False).mixture)
    except ValueError:  # no mode without Jacobian: begin where the fits begin
        k = surface.mixture(surface.start).n_components
        begin = next(start_statistics(surface.x, k, 1, np.random.default_rng(0)))
    mode = ascend(surface, begin, jacobian=True)[0]
    return mode, _inverse_factor(-surface.hessian(mode, jacobian=True))


def _inverse_factor(curvature):
    """A with A Aᵀ = the inverse of a curvature, whose flat or downward directions count as unit curvature."""
    values, vectors = np.linalg.eigh(curvature)
    return vectors / np.sqrt(np.where(values > 1e-3, values, 1.0))


def _wait(running):
    """Wait for the sampler, so that an interrupt stops it and is not lost."""
    try:
        return running.wait()
    except KeyboardInterrupt:
        running.cancel()
        raise


class _bar:
    """A rich progress bar on a terminal, fed by nutpie's callback."""

    def __init__(self, show: bool, total: int):
        self.bar, self.total = None, total
        if show and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, TextColumn

            columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)

    def __enter__(self):
        if self.bar is None:
            return None
        self.bar.start()
        task = self.bar.add_task("compiling the model", total=None, note="")

        def report(chains):
            done, divergent = (sum(getattr(c, name) for c in chains) for name in ("finished_draws", "divergences"))
            note = f"{divergent} divergences"
            self.bar.update(task, description="NUTS", total=self.total, completed=done, note=note)

        return report

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.stop()


def _dressed(tree, model, seed):
    """Add what was observed and how the draws were made."""
    import nutpie
    import xarray as xr

    import bayesgmm
    from bayesgmm.ppl.declaration import declaration
    from bayesgmm.ppl.surface import observed_mixture

    _, x = observed_mixture(model)
    coords = {name: list(model.coords[name]) for name in ("obs", "feature")}
    tree["observed_data"] = xr.DataTree(xr.Dataset({"x": (("obs", "feature"), x)}, coords=coords))
    stats = tree["sample_stats"].to_dataset()
    tree["sample_stats"] = xr.DataTree(stats[[name for name in _KEPT if name in stats]])
    known = declaration(model)
    tree["constant_data"] = xr.DataTree(_constants(known.prior if known else None))
    tree.attrs.update(
        inference_library="nutpie",
        inference_library_version=nutpie.__version__,
        bayesgmm_version=bayesgmm.__version__,
        engine="nuts",
        density="compiled from the PyMC graph",
        prior=str(known.prior) if known else "as the model declares it",
        covariance_type=known.family.alias if known else "as the model declares it",
        seed=seed,
    )
    return tree


def _constants(prior):
    import xarray as xr

    if prior is None:
        return xr.Dataset()
    return xr.Dataset({
        "prior_concentration": ("component", prior.concentration),
        "prior_mean": ("feature", prior.mean),
        "prior_scale": (("feature", "feature_other"), prior.scale),
        "prior_dof": prior.dof,
        "prior_shrinkage": prior.shrinkage,
    })  # fmt: skip
