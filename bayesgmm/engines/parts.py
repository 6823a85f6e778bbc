"""What draws of a story with components of its own keep of its rows: log p(x_n, z_n = k), which labels rest on."""

from __future__ import annotations

import logging

import numpy as np

from bayesgmm.draws.mixtures import posterior_of
from bayesgmm.draws.responsibilities import HELD, some_rows

# Draws × rows up to which the pointwise log-likelihood is kept beside the draws.
MOST_LOG_LIKELIHOOD = 20_000_000
_SAMPLE = ("chain", "draw")


def with_parts(tree, model, *, groups=("log_joint", "log_likelihood"), most_log_likelihood=np.inf):
    """Draws with the group ``log_joint``, x (chain, draw, obs, component), and ``log_likelihood``, of the rows.

    Both in one pass over the draws. Where draws × rows × K exceeds 3.2·10⁷, ``log_joint`` is of as many rows as fit,
    taken at random with a fixed seed; ``log_likelihood`` is always of all rows, and left out where it is too large.
    """
    import xarray as xr

    from bayesgmm.ppl.parts import observed_rows, parts

    posterior, observed = posterior_of(tree), observed_rows(model)
    names, lead = [v.name for v in model.free_RVs], (posterior.sizes["chain"], posterior.sizes["draw"])
    _require(posterior, names)
    values = [posterior[name].transpose(*_SAMPLE, ...).values for name in names]
    points = [v.reshape(-1, *v.shape[2:]) for v in values]
    m, n, k = len(points[0]), len(observed.x), observed.n_components
    rows = some_rows(n, m, k, most=HELD)
    run = parts(model, dict(zip(names, (p[0] for p in points)))).run
    joint = np.empty((m, len(rows), k)) if "log_joint" in groups else None
    totals = np.empty((m, n)) if "log_likelihood" in groups and m * n <= most_log_likelihood else None
    for i, point in enumerate(zip(*points)):
        log_joint = run(*point)[1]
        if joint is not None:
            joint[i] = log_joint[rows]
        if totals is not None:
            totals[i] = np.logaddexp.reduce(log_joint, axis=1)
    labels = _labels(model, n)
    coords = {**{dim: posterior[dim] for dim in _SAMPLE}, "obs": labels}
    if totals is not None:
        totals = totals if observed.case_weights is None else totals * observed.case_weights
        tree["log_likelihood"] = xr.DataTree(xr.Dataset({"x": ((*_SAMPLE, "obs"), totals.reshape(*lead, n))}, coords))
    if joint is not None:
        coords |= {"obs": labels[rows], "component": list(model.coords["component"])}
        group = xr.Dataset({"x": ((*_SAMPLE, "obs", "component"), joint.reshape(*lead, len(rows), k))}, coords)
        if observed.case_weights is not None:
            group["case_weights"] = ("obs", observed.case_weights[rows])
        tree["log_joint"] = xr.DataTree(group.assign_attrs(rows=n))
    return tree


def simulated(model, n: int, seed):
    """n draws from the prior of a story, as the posterior of a tree of one chain; and the rows (n, N, …) of each."""
    import pymc as pm
    import xarray as xr
    from pytensor.compile.mode import Mode

    how = {"compile_kwargs": {"mode": Mode(linker="py", optimizer="fast_compile")}, "random_seed": seed}
    hush()
    tree = pm.sample_prior_predictive(n, model=model, **how)
    rows = tree["prior_predictive"]["x"].values[0]
    return xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()}), rows


def hush() -> None:
    """PyMC announces every variable that it draws; nobody asked."""
    logging.getLogger("pymc.sampling.forward").setLevel(logging.WARNING)


def _require(posterior, names) -> None:
    missing = [name for name in names if name not in posterior]
    if missing:
        raise ValueError(
            f"the draws have no variable {missing[0]!r}, which the model has: give the model that they were drawn from"
        )


def _labels(model, n: int) -> np.ndarray:
    known = model.coords.get("obs")
    return np.array(known) if known is not None and len(known) == n else np.arange(n)
