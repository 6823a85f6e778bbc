"""`sample`: posterior draws of a story, labels matched."""

from __future__ import annotations

import warnings

from bayesgmm.engines.parts import MOST_LOG_LIKELIHOOD
from bayesgmm.fit.wanted import at_least_one

# Draws from the prior beside those from the posterior, fewer where one is large.
_PRIOR_DRAWS, _MOST_PRIOR = 1000, 2_000_000
ENGINES = ("auto", "nuts", "gibbs", "laplace")
NUTS_SAMPLERS = ("nutpie", "numpyro")
_AUTO = "nuts: it takes every story, and where components overlap its draws depend far less on each other than gibbs's"


def sample(model, *, engine="auto", draws=1000, tune=1000, chains=4, seed=None, progress=True, permute_labels=False,
           nuts_sampler=None):  # fmt: skip
    """Draw from the posterior of a story.

    Every chain starts in the same labelling, around the mode with the most mass; labels are matched after, and no draw
    is dropped. Where there are several modes that matter, chains see them laid over each other, so that they need not
    cross from one to another, and ``sample_stats/mode`` says which of them each draw is from, counted by their masses.

    Parameters
    ----------
    model : pymc.Model
        A story: one observed `MarginalGaussianMixture`, or `MarginalMixture`, whose components are its own.
    engine : {"auto", "nuts", "gibbs", "laplace"}
        "nuts", the No-U-Turn sampler of nutpie, takes every story. Nothing is
        compiled for it: the log density of a story that declares its prior is native, and that of any other, or of
        one edited since, is traced from its PyMC graph. Only a graph with an operation for which there is no
        instruction is compiled. The attribute ``density`` says which.
        "gibbs", data augmentation, draws labels given parameters and parameters given labels. It takes stories that
        declare a prior with closed forms, complete rows, and case weights that are whole numbers. A sweep costs less
        than a step of NUTS, but draws depend on each other for long where components overlap: it is the quicker one
        where they stand apart.
        "laplace" draws from normal approximations at the modes, weighs the draws by the posterior, and resamples:
        independent draws, in two evaluations each, without warm-up. The attribute ``pareto_k`` judges it: up to 0.7
        it may be trusted, as it may be where there are many rows and components stand apart.
        "auto" is "nuts". The attribute ``engine_reason`` says what was taken and why.
    draws, tune, chains : int
        Draws kept and warm-up draws of each chain; chains. Draws of "laplace" are independent, and need no warm-up.
    seed : int, optional
        The same seed gives the same draws.
    progress : bool
        Show a bar on a terminal.
    permute_labels : bool
        For "gibbs": end every sweep with a random order of the components, accepted by its density, which is always
        the case where the concentration is the same for all: then chains visit all K! labellings of the posterior
        alike. Labels are matched afterwards all the same.
    nuts_sampler : {"nutpie", "numpyro"}, optional
        For "nuts": whose No-U-Turn sampler; nutpie's unless told otherwise. numpyro's is a second opinion: it sees the
        PyMC graph itself, under JAX, which compiles it first, for some seconds, and starts around the same mode. It
        comes with ``pip install 'bayesgmm[jax]'``. The attribute ``inference_library`` says whose draws they are.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` (weights, means, covariances, and the free variables), ``sample_stats`` (with the
        ``permutation`` that matched the labels), ``observed_data``, ``constant_data`` (the prior's constants),
        ``log_likelihood`` (chain, draw, obs) while draws × N is at most 2·10⁷, and ``log_prior``, variable by
        variable, where the story declares its prior: `arviz.psense_summary` needs the two. `bayesgmm.extend` adds
        them to other draws, and predictions. Attributes say how it was made.
        ``sample_stats`` holds the log posterior density on the unconstrained scale, Jacobian included: ``logp`` by
        NUTS, ``lp`` by Gibbs.

        If interrupted (Ctrl-C), sampling stops, and what has been drawn is kept: as many chains and draws of each as
        give most. The attributes are then ``incomplete`` (1), and ``kept``, which says how many.

    Warns
    -----
    UserWarning
        If interrupted, or if Laplace's approximation is poor.

    Raises
    ------
    ValueError
        If the model is no story, the engine cannot take it, or an argument is out of range.
    ImportError
        If numpyro is asked for and not installed.
    KeyboardInterrupt
        When interrupted before any chain had finished its warm-up.

    References
    ----------
    Hoffman & Gelman (2014); numpyro: Phan, Pradhan & Jankowiak (2019); data augmentation: Diebolt & Robert (1994);
    random orders of labels: Frühwirth-Schnatter (2001); Laplace's approximation, weighed: Vehtari et al. (2024); label
    matching after sampling: Papastamoulis (2016).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from bayesgmm.models import finite_mixture
    >>> model = finite_mixture(bg.load_dataset("faithful"), 2)
    >>> draws = bg.sample(model, draws=500, tune=500, seed=1, progress=False)
    >>> bg.diagnose(draws).verdict
    'sound'
    """
    if engine not in ENGINES:
        raise ValueError(f"engine {engine!r} is not known; use {', '.join(map(repr, ENGINES[:-1]))} or {ENGINES[-1]!r}")
    if nuts_sampler is not None and nuts_sampler not in NUTS_SAMPLERS:
        raise ValueError(f"nuts_sampler {nuts_sampler!r} is not known; use 'nutpie' or 'numpyro'")
    if nuts_sampler is not None and engine not in ("auto", "nuts"):
        raise ValueError(f"nuts_sampler says whose NUTS is to be run; engine={engine!r} has none: leave it out")
    counts = {name: at_least_one(value, name) for name, value in (("draws", draws), ("tune", tune), ("chains", chains))}
    from bayesgmm.draws import relabel

    options = {"seed": seed, "progress": progress, **counts}
    if engine == "gibbs":
        from bayesgmm.engines.gibbs import gibbs

        tree = gibbs(model, permute_labels=permute_labels, **options)
    else:
        if permute_labels:
            raise ValueError("permute_labels is a move of engine='gibbs'; the others have none")
        if engine == "laplace":
            del options["tune"]
            from bayesgmm.engines.laplace import laplace as draw
        else:
            from bayesgmm.engines.nuts import nuts as draw

            options["nuts_sampler"] = nuts_sampler or "nutpie"

        tree = draw(model, **options)
    if "incomplete" in tree.attrs:
        warnings.warn(f"sampling was interrupted: {tree.attrs['kept']} are kept, marked incomplete", stacklevel=2)
    tree.attrs["engine_reason"] = _AUTO if engine == "auto" else f"{engine}: asked for"
    return relabel(_extended(tree, model, seed))


def _extended(tree, model, seed):
    """The draws with ``log_likelihood``, if it is not too large; ``log_prior`` and ``prior``, where it is declared."""
    import xarray as xr

    from bayesgmm.draws.parts import is_open
    from bayesgmm.engines.extend import log_likelihood, log_prior, mixture_prior

    if is_open(tree):
        return tree
    sizes = {**tree["posterior"].sizes, **tree["observed_data"].sizes}
    if sizes["chain"] * sizes["draw"] * sizes["obs"] <= MOST_LOG_LIKELIHOOD:
        tree["log_likelihood"] = xr.DataTree(log_likelihood(tree))
    n = min(_PRIOR_DRAWS, _MOST_PRIOR // tree["posterior"]["covariances"][0, 0].size)
    made = {"log_prior": log_prior(tree, model), "prior": mixture_prior(model, n, seed) if n > 0 else None}
    for name, group in made.items():
        if group is not None:
            tree[name] = xr.DataTree(group)
    return tree
