"""`sample_components`: the posterior of a mixture whose number of components is not known."""

from __future__ import annotations

import warnings

import numpy as np

from bayesgmm.data import as_table
from bayesgmm.families import family as family_of
from bayesgmm.fit.wanted import at_least_one

_KEPT = ("all", "filled", "allocations", "numbers")


def sample_components(x, *, process="mfm", prior="hierarchical", n_components=None, concentration=None, weights=None,
                      discount=None, covariance_type="full", draws=2500, tune=5000, chains=4, thin=10, keep="all",
                      seed=None, progress=True):  # fmt: skip
    """Draw partitions, components and their number from the posterior.

    K is the number of components of the mixture, empty ones included; K₊ is that of the clusters, which have rows. With
    γ = α, or α/K,

    ``"mfm"``, a mixture of finite mixtures:   K ~ p(K),  π | K ~ Dirichlet(γ, …, γ)
    ``"sparse"``, too many components on purpose:   K fixed,  π ~ Dirichlet(γ, …, γ), γ so small that most stay empty
    ``"dp"``, a Dirichlet process:   π ~ stick-breaking, V_k ~ Beta(1, α);  K = ∞
    ``"py"``, a Pitman-Yor process:  π ~ stick-breaking, V_k ~ Beta(1 − σ, α + kσ);  K = ∞

    and (μ_k, Σ_k) from a prior of components that does not depend on K.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Complete rows in data units.
    process : {"mfm", "sparse", "dp", "py"}
    prior : {"hierarchical", "independent"} or Prior
        Of the components: `bayesgmm.priors.Hierarchical` and `Independent`, or a `Conjugate` of your own constants.
        What they leave out comes from the ranges R of the features: see `Hierarchical`. "independent" is that one with
        C₀ fixed at its prior mean.
    n_components : int or bayesgmm.priors.Count, optional
        K, or for "mfm" its prior: `Uniform`, `Geometric`, `Poisson`, or `BetaNegativeBinomial`, which is the default
        with (1, 4, 3). "sparse" has 10 if not told otherwise; "dp" and "py" have none.
    concentration : float or bayesgmm.priors.Positive, optional
        α > 0, or its distribution: `Gamma`, `F`, `LogNormal`, …. Left out it is F(6, 3) for "mfm", Gamma(1, 20) for
        "sparse", Gamma(2, 4) for "dp" and "py".
    weights : {"static", "dynamic"}, optional
        γ = α, or γ = α/K. Left out it is "static", but for "mfm" without a concentration, which is then "dynamic", as
        its authors recommend.
    discount : float or bayesgmm.priors.Beta, optional
        σ in [0, 1), or its distribution, for "py"; 0.25 if left out.
    covariance_type : {"full", "diag", "spherical"}
    draws, tune, chains : int
        Draws kept and warm-up sweeps of each chain; chains. A sweep takes some ten microseconds for a hundred rows of
        one feature, and K₊ moves slowly, the more so with many features: look at R̂ and at the effective number of
        draws of ``n_clusters``, and draw for longer, with ``thin``, where they are poor.
    thin : int
        Every so many sweeps after the warm-up one is kept.
    keep : {"all", "filled", "allocations", "numbers"}
        Weights, means and covariances of all components, or of the filled ones alone; or allocations without them; or
        neither, for long runs. Where all would be more than 10⁸ numbers, those of the filled ones are kept.
    seed : int, optional
        The same seed gives the same draws.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    xarray.DataTree
        ``posterior``: ``n_components`` (K, for "mfm" and "sparse"), ``n_clusters`` (K₊), ``concentration`` (α),
        ``discount`` (σ, for "py"), ``rate`` (C₀, for the hierarchical prior), ``allocations`` (chain, draw, obs), a
        row's component from 0, and ``weights``, ``means``, ``covariances`` (chain, draw, component, …): the first K₊
        components are the clusters, and NaN stands where a draw has fewer than others. Labels are in no order, and mean
        nothing from one draw to the next.
        ``sample_stats``: ``log_likelihood``, Σ_n log p(x_n | π, μ, Σ), and for "dp" and "py" ``n_held``, how many of
        its components a draw holds, and ``rest``, the weight that the last of them took of all further ones.
        Attributes say how it was made. If interrupted (Ctrl-C), what has been drawn is kept, as `bayesgmm.sample` does.

    Raises
    ------
    ValueError
        If the data cannot be used, an argument is not known or does not fit the process, or the prior's constants
        would depend on K.
    KeyboardInterrupt
        When interrupted before any chain had finished its warm-up.

    Warns
    -----
    UserWarning
        If interrupted.

    Notes
    -----
    Finite processes are sampled by the telescoping sampler: K and α are drawn given the partition alone. Those without
    end are sampled by an urn with a pool of prior draws, so that the partition is that of the infinite mixture, and no
    truncation stands between: the attribute ``truncation_error`` is 0. Every other sweep also proposes to split a
    cluster, or to merge two, at one go: with several features chains would stay at the number of clusters they began
    with. With ten features and more they may all the same.

    Only the weights of a kept draw are cut off, where 10⁻⁴ or less is left, or after 19 components beside the clusters;
    the attribute ``rest`` says how much that was on average. A prior of K is cut off where 10⁻⁶ is left, or at 500;
    ``n_components_left_out`` says how much.

    References
    ----------
    Richardson & Green (1997); Frühwirth-Schnatter, Malsiner-Walli & Grün (2021); Malsiner-Walli, Frühwirth-Schnatter &
    Grün (2016); Escobar & West (1995); Pitman & Yor (1997); Neal (2000); Favaro & Teh (2013); Jain & Neal (2004).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> x = bg.load_dataset("faithful")
    >>> found = bg.sample_components(x, process="sparse", concentration=0.01, draws=200, seed=1, progress=False)
    >>> found["posterior"]["n_clusters"].median().item()
    3.0
    """
    if keep not in _KEPT:
        raise ValueError(f"keep={keep!r} is not known; use 'all', 'filled', 'allocations' or 'numbers'")
    named = {"draws": draws, "tune": tune, "chains": chains, "thin": thin}
    counts = {name: at_least_one(value, name) for name, value in named.items()}
    table, family = as_table(x, fitting=True), family_of(covariance_type)
    from threadpoolctl import threadpool_limits

    from bayesgmm.engines.unknown.chain import Chain, Problem
    from bayesgmm.engines.unknown.scale import scaled
    from bayesgmm.engines.unknown.spec import spec_of
    from bayesgmm.engines.unknown.tree import tree_of
    from bayesgmm.engines.waiting import bar, cut_short, run_chains

    spec = spec_of(process, n_components, concentration, weights, discount)
    rows, n_chains = np.ascontiguousarray(table.values, dtype=float), counts.pop("chains")
    problem = Problem(rows, scaled(prior, table, family), family, spec, keep=keep, **counts)
    seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    running = [Chain(problem, s) for s in np.random.SeedSequence(seed).spawn(n_chains)]
    sweeps = n_chains * (problem.tune + problem.draws * problem.thin)
    with threadpool_limits(1), bar("Sampling", sweeps, progress) as report:
        whole = run_chains(running, report)
        tree = tree_of(running, problem, table.features)
    if not whole:
        cut_short(tree, [chain.length for chain in running], problem.draws)
        warnings.warn(f"sampling was interrupted: {tree.attrs['kept']} are kept, marked incomplete", stacklevel=2)
    return _described(tree, problem, seed)


def _described(tree, problem, seed):
    """The draws with attributes that say how they were made, and the constants of the prior."""
    import xarray as xr

    import bayesgmm

    spec = problem.spec
    constants = {f"prior_{name}": value for name, value in problem.prior.constants.items() if name != "concentration"}
    tree["constant_data"] = xr.DataTree(xr.Dataset(constants))
    made = {"engine": "telescoping" if spec.is_finite else "urn", "process": spec.process, "seed": seed}
    made |= {"prior": str(problem.prior), "prior_of_partitions": spec.in_words(), "thin": problem.thin}
    made |= {"tune": problem.tune, "covariance_type": problem.family.alias, "truncation_error": 0.0}
    made |= {"bayesgmm_version": bayesgmm.__version__, "inference_library": "bayesgmm"}
    made |= {"inference_library_version": bayesgmm.__version__}
    if spec.is_finite:
        made["n_components_left_out"] = float(max(0.0, 1 - np.exp(spec.log_p).sum()))
    else:
        made["rest"] = float(tree["sample_stats"]["rest"].mean())
    if problem.keep == "all" and spec.is_finite:
        largest = int(tree["posterior"]["n_components"].max())
        made["components"] = "all" if tree["posterior"].sizes["component"] == largest else "filled"
    tree.attrs.update(made)
    return tree
