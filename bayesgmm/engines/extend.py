"""`extend`: groups of a posterior that were not wanted at first. What `sample` adds by itself is made here too."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.invariants import case_weights, observed_rows
from bayesgmm.draws.mixtures import DIMS, MixtureDraws, group_of, read
from bayesgmm.draws.parts import is_open
from bayesgmm.draws.replicate import replicates
from bayesgmm.engines.parts import hush, with_parts

# In this order, for the predictions of a prior need its draws.
GROUPS = ("log_likelihood", "posterior_predictive", "log_prior", "prior", "prior_predictive", "log_joint")
_SAMPLE = ("chain", "draw")


def extend(draws, model=None, groups=("log_likelihood", "posterior_predictive"), *, n_prior: int = 1000, seed=None):
    """Add groups to a posterior, as ArviZ and PyMC name them.

    ========================  ====================================================================================
    "log_likelihood"          log p(x_n | draw) (chain, draw, obs), times the case weights; `sample` leaves it out of
                              very large posteriors
    "posterior_predictive"    a replicated data set of each draw, x (chain, draw, obs, feature)
    "log_prior"               the log prior density of each draw, variable by variable
    "prior"                   draws from the prior (chain: 1, draw)
    "prior_predictive"        a data set of each of these, x (chain, draw, obs, feature); it brings "prior" with it
    "log_joint"               log p(x_n, z_n = k | draw) (chain, draw, obs, component) of a story with components of
                              its own, which labels and memberships are read from; of some rows where it is too large
    ========================  ====================================================================================

    Where all that a story observes is its mixture, nothing is compiled for the first two, and no model is needed; nor
    for the prior of a story that declares it and has no variables but the mixture's. Anything else goes through PyMC.

    Parameters
    ----------
    draws : xarray.DataTree
    model : pymc.Model, optional
        The story that they were drawn from. The last three need it.
    groups : str or sequence of str
        Those that are there already stay as they are.
    n_prior : int
        Draws from the prior.
    seed : int, optional
        The same seed gives the same groups, whichever others are asked for.

    Returns
    -------
    xarray.DataTree
        A new tree; memory is that of the new groups, draws × N × D numbers for predictions.

    Raises
    ------
    ValueError
        If a group is unknown, or needs a model or rows that are not there, or the model has other components or
        features.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> draws = from_arrays(np.ones((2, 50, 1)), np.zeros((2, 50, 1, 2)), np.ones((2, 50, 1, 1, 1)) * np.eye(2),
    ...                     x=np.zeros((3, 2)))
    >>> dict(extend(draws, groups="posterior_predictive", seed=1).posterior_predictive["x"].sizes)
    {'chain': 2, 'draw': 50, 'obs': 3, 'feature': 2}
    """
    import xarray as xr

    asked = [groups] if isinstance(groups, str) else list(groups)
    unknown = [name for name in asked if name not in GROUPS]
    if unknown:
        raise ValueError(f"no group {unknown[0]!r} can be added; there are {', '.join(map(repr, GROUPS))}")
    if is_open(draws) or (model is not None and _is_open(model)):
        return _open_extended(draws, model, asked, n_prior, seed)
    _require_model(read(draws), model, asked)
    if "prior_predictive" in asked:
        asked.append("prior")
    new, seeds = draws.copy(), dict(zip(GROUPS, np.random.SeedSequence(seed).spawn(len(GROUPS)), strict=True))
    for name in GROUPS:
        if name in asked and name not in draws.children:
            new[name] = xr.DataTree(_made(name, new, model, seeds[name], n_prior))
    return new


def _is_open(model) -> bool:
    from bayesgmm.ppl.parts import is_open

    return is_open(model)


def _open_extended(draws, model, asked, n_prior: int, seed):
    """The groups of a story with components of its own, which only the model can tell."""
    import xarray as xr

    wanted = [name for name in asked if name not in draws.children]
    if model is None and wanted:
        raise ValueError(f"the group {wanted[0]!r} of a story with components of its own needs the model: "
                         f"extend(draws, model, {wanted[0]!r})")  # fmt: skip
    new, seeds = draws.copy(), dict(zip(GROUPS, np.random.SeedSequence(seed).spawn(len(GROUPS)), strict=True))
    rows = [name for name in ("log_joint", "log_likelihood") if name in wanted]
    if rows:
        new = with_parts(new, model, groups=rows)
    if "prior_predictive" in wanted and "prior" not in new.children:
        wanted.append("prior")
    for name in GROUPS:
        if name in wanted and name not in rows:
            new[name] = xr.DataTree(_by_pymc(name, new, model, seeds[name], n_prior))
    return new


def _made(name: str, tree, model, seed, n_prior: int):
    """A group as a Dataset."""
    if name == "log_likelihood":
        return log_likelihood(tree) if _is_plain(model) else _by_pymc(name, tree, model, seed)
    if name == "posterior_predictive":
        return _predicted(tree, "posterior", model, seed) if _is_plain(model) else _by_pymc(name, tree, model, seed)
    if name == "log_prior":
        known = log_prior(tree, model)
        return _by_pymc(name, tree, model, seed) if known is None else known
    if name == "prior":
        whole = {v.name for v in model.free_RVs} == set(DIMS)
        known = mixture_prior(model, n_prior, seed) if whole else None
        return _by_pymc(name, tree, model, seed, n_prior) if known is None else known
    own = _is_plain(model) and set(DIMS) <= set(tree["prior"].data_vars)
    return _predicted(tree, "prior", model, seed) if own else _by_pymc(name, tree, model, seed)


def log_likelihood(tree):
    """The group ``log_likelihood`` of draws that hold their rows: x (chain, draw, obs), times the case weights."""
    import xarray as xr

    mixtures, posterior = read(tree), tree["posterior"]
    rows, obs = _rows(tree, mixtures), tree["observed_data"]
    values = mixtures.log_prob(rows)
    counts = case_weights(tree, len(rows))
    if counts is not None:
        values *= counts
    values = values.reshape(posterior.sizes["chain"], posterior.sizes["draw"], len(rows))
    coords = {**{dim: posterior[dim] for dim in _SAMPLE}, "obs": _labels(obs, "obs", len(rows))}
    return xr.Dataset({"x": ((*_SAMPLE, "obs"), values)}, coords)


def log_prior(tree, model):
    """The group ``log_prior`` of a story that declares its prior, or None of one that does not."""
    import xarray as xr

    from bayesgmm.ppl.declaration import declaration

    known, posterior = declaration(model), tree["posterior"]
    if known is None:
        return None
    drawn = [posterior[name].values for name in DIMS]
    hyper = known.prior.hyper({name: v.values for name, v in posterior.data_vars.items()}, known.family)
    parts = known.prior.log_parts(drawn[0], drawn[1], drawn[2], known.family, **hyper)
    return xr.Dataset({n: (_SAMPLE, v) for n, v in parts.items()}, {dim: posterior[dim] for dim in _SAMPLE})


def _predicted(tree, group: str, model, seed):
    """x (chain, draw, obs, feature): as many rows as were observed, from each mixture of a group."""
    import xarray as xr

    mixtures, parameters = read({"posterior": tree[group]}), tree[group]
    rows = group_of(tree, "observed_data")
    if rows is not None and "obs" in rows.sizes:
        n, obs = rows.sizes["obs"], _labels(rows, "obs", rows.sizes["obs"])
    elif model is not None:
        from bayesgmm.ppl.observed import observed_mixture

        n = len(observed_mixture(model).x)
        obs = np.arange(n)
    else:
        raise ValueError("how many rows to predict is not known: the draws have no observed_data; give the model")
    x = np.concatenate(list(replicates(mixtures, n, np.random.default_rng(seed))))
    lead = parameters.sizes["chain"], parameters.sizes["draw"]
    coords = {**{dim: _labels(parameters, dim, size) for dim, size in zip(_SAMPLE, lead)}, "obs": obs,
              "feature": list(mixtures.features)}  # fmt: skip
    return xr.Dataset({"x": ((*_SAMPLE, "obs", "feature"), x.reshape(*lead, *x.shape[1:]))}, coords)


def mixture_prior(model, n: int, seed):
    """Draws of π, μ and Σ from the prior of a story that declares it, or None of one that does not."""
    import xarray as xr

    from bayesgmm.ppl.declaration import declaration
    from bayesgmm.ppl.observed import observed_mixture

    known = declaration(model)
    if known is None:
        return None
    drawn = known.prior.draw(n, observed_mixture(model).n_components, known.family, seed)
    features = list(model.coords["feature"])
    coords = {"chain": [0], "draw": np.arange(n), "component": np.arange(drawn[0].shape[1]),
              "feature": features, "feature_other": features}  # fmt: skip
    return xr.Dataset({name: ((*_SAMPLE, *DIMS[name]), a[None]) for name, a in zip(DIMS, drawn)}, coords)


def _by_pymc(name: str, tree, model, seed, n_prior: int = 0):
    """A group of a story that PyMC has to evaluate."""
    import pymc as pm
    from pymc.stats import compute_log_prior
    from pytensor.compile.mode import Mode

    seed = int(seed.generate_state(1)[0])
    # A few thousand calls do not earn back a minute of compilation.
    how = {"model": model, "compile_kwargs": {"mode": Mode(linker="py", optimizer="fast_compile")}}
    hush()
    if name == "log_likelihood":
        bare = tree.drop_nodes("log_likelihood", errors="ignore")
        return pm.compute_log_likelihood(bare, **how, progressbar=False, extend_inferencedata=False)
    if name == "log_prior":
        return compute_log_prior(tree, **how, progressbar=False, extend_inferencedata=False)
    if name == "prior":
        return pm.sample_prior_predictive(n_prior, **how, random_seed=seed)["prior"].to_dataset()
    parameters = tree["prior" if name == "prior_predictive" else "posterior"].to_dataset()
    found = pm.sample_posterior_predictive(parameters, **how, random_seed=seed, progressbar=False)
    return found["posterior_predictive"].to_dataset()


def _is_plain(model) -> bool:
    """Whether the mixture is all that a story observes; without a model it is taken to be."""
    if model is None:
        return True
    from bayesgmm.ppl.observed import observed_mixture

    observed_mixture(model)
    return len(model.observed_RVs) == 1


def _require_model(mixtures: MixtureDraws, model, asked) -> None:
    needs = [name for name in asked if name in ("log_prior", "prior", "prior_predictive")]
    if model is None and needs:
        raise ValueError(f"the group {needs[0]!r} needs the model: extend(draws, model, {needs[0]!r})")
    if model is None:
        return
    from bayesgmm.ppl.observed import observed_mixture

    observed = observed_mixture(model)
    have, want = (mixtures.n_components, len(mixtures.features)), (observed.n_components, observed.x.shape[1])
    if have != want:
        raise ValueError(f"the draws have {have[0]} components of {have[1]} features, but the model {want[0]} of "
                         f"{want[1]}: give the model that they were drawn from")  # fmt: skip


def _rows(tree, mixtures: MixtureDraws) -> np.ndarray:
    rows = observed_rows(tree, mixtures.features)
    if rows is None:
        raise ValueError("the group 'log_likelihood' needs rows, a variable (obs, feature) in observed_data")
    return rows


def _labels(group, dim: str, size: int):
    return group[dim].values if dim in group.coords else np.arange(size)
