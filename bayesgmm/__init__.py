"""Gaussian mixtures by maximum likelihood, MAP and full posterior, side by side.

The story: Z_n ~ Categorical(π), X_n | Z_n = k ~ N(μ_k, Σ_k). It is declared as a PyMC model with the labels summed
out; EM gives point estimates; NUTS, or Gibbs, gives the posterior as an ArviZ DataTree.

One rule
    Every algorithm touches the data through one function, `bayesgmm.kernel.e_step`, which returns log p(x_n) and the
    statistics (N_k, x̄_k, S_k). EM maximises Q given them; by Fisher's identity NUTS climbs the gradient of the same Q;
    Gibbs has the labels drawn instead of averaged, and draws the parameters given the same statistics.

A reader's walk
    ``models/finite.py`` (the story as text) → ``fit/em.py`` (the loop) → ``kernel`` (the pass over the rows);
    sampling: ``engines/nuts.py`` → ``engines/ways.py``, the ways to a story's log density: ``engines/density``,
    native, for the stories of the package; ``ppl/surface.py`` → ``ppl/trace.py`` → ``tape``, traced from the PyMC
    graph, for any other. All climb the same gradient, by Fisher's identity, as does the Op of
    ``ppl/marginal.py`` → ``ppl/op.py`` when PyMC itself evaluates a story. ``engines/gibbs.py`` → ``engines/sweeps``
    needs no gradient. What needs JAX is in files called ``jaxed.py``: the Op under JAX, numpyro's NUTS on the graph.
    Components of one's own: ``ppl/mixing.py`` → ``ppl/open_surface.py``; their draws: ``draws/parts.py``.

Rooms, each may import those before it
    ``progress``  a bar on a terminal, for what takes long
    ``kernel``    e_step and Stats: the only room that evaluates a mixture on rows; compiled once, loaded without numba
    ``univariate``  distribution functions of mixtures of one feature, and their inverses
    ``mixture``   Mixture, a frozen value: a fit gives one, every draw is one
    ``families``  how Σ_k may be built: mclust's fourteen, full, tied, diag and spherical among them
    ``priors``    priors as values, one file a prior: formulas, log density, draws, closed-form updates
    ``data``      how data arrive: arrays, frames, files; checks; the shipped data sets
    ``tape``      small graphs as lists of instructions for one compiled loop: a program, and how it is written
    ``ppl``       the PyMC language: distributions, the mixture's Op, declarations, traces
    ``fit``       point estimates: EM, starts, MAP of any story; their standard errors
    ``draws``     what a posterior says: labels, summary, diagnose, membership, uncertain rows, densities with bands,
                  missing cells, sensitivity, predictive checks, partitions and the number of clusters
    ``engines``   posterior draws: NUTS, Gibbs and Laplace; ``engines.density`` has the stories' log densities, and
                  ``engines.sweeps`` draws their parameters given labels: one file a prior
    ``reduction``  fewer dimensions: factors of components, and projections that show components apart
    ``resampling``  bootstrap and jackknife of point estimates
    ``comparison``  MLE beside Bayes
    ``selection``  how many components, of which family: a sweep, bootstrap tests, merging into clusters;
                  and every criterion beside the others
    ``classify``  a mixture for each class: rows and sequences classified, with uncertainty; how right that is
    ``calibration``  simulation-based calibration: do an engine's draws come from the posterior?
    ``testing``   check_story: what is wrong with a story of one's own
    ``plots``     figures; the only room that imports matplotlib
    ``workflow``, ``cli``  the main job and the command line
``bayesgmm.models`` holds the stories: functions that return a `pymc.Model`. The core never imports them.

Examples
--------
>>> import bayesgmm as bg
>>> mle = bg.fit_mle(bg.load_dataset("faithful"), n_components=2, seed=1, progress=False)
>>> round(mle.log_likelihood, 2)
-1130.26
"""

from importlib import import_module

__version__ = "0.1.0"

# Public name -> the module that has it. Each is imported on first use: `import bayesgmm` loads nothing heavy.
_HOMES = {
    "Assessment": "classify",
    "Classifier": "classify",
    "ClassifierDraws": "classify",
    "Comparison": "comparison",
    "ComponentsFit": "fit",
    "Conjugate": "priors",
    "Diagnosis": "draws",
    "FactorFit": "fit",
    "FactorSelection": "selection",
    "Fit": "fit",
    "Hierarchical": "priors",
    "HowMany": "selection",
    "Independent": "priors",
    "InverseWishart": "ppl",
    "LKJ": "priors",
    "LKJCorrelation": "ppl",
    "MarginalGaussianMixture": "ppl",
    "MarginalMixture": "ppl",
    "Merging": "selection",
    "Mixture": "mixture",
    "Partition": "draws",
    "PredictiveCheck": "draws",
    "Projection": "reduction",
    "Reliability": "classify",
    "Selection": "selection",
    "StickBreaking": "ppl",
    "Wishart": "ppl",
    "adjusted_rand_index": "draws",
    "align_factors": "reduction",
    "as_table": "data",
    "assess": "classify",
    "bootstrap": "resampling",
    "bootstrap_lrt": "selection",
    "by_feature": "draws",
    "calibrate": "calibration",
    "calibrate_story": "calibration",
    "compare": "comparison",
    "concentration": "ppl",
    "coords": "ppl",
    "declare": "ppl",
    "density_levels": "draws",
    "diagnose": "draws",
    "e_step": "kernel",
    "extend": "engines",
    "family": "families",
    "fit_classifier": "classify",
    "fit_components": "fit",
    "fit_factors": "fit",
    "fit_map": "fit",
    "fit_mle": "fit",
    "highest_density": "draws",
    "how_many": "selection",
    "identify": "draws",
    "impute": "draws",
    "jackknife": "resampling",
    "load_dataset": "data",
    "membership": "draws",
    "merge_components": "selection",
    "n_clusters": "draws",
    "partition": "draws",
    "partition_distance": "draws",
    "plot_calibration": "plots",
    "plot_comparison": "plots",
    "plot_components": "plots",
    "plot_confusion": "plots",
    "plot_density": "plots",
    "plot_energy": "plots",
    "plot_ess": "plots",
    "plot_families": "plots",
    "plot_forest": "plots",
    "plot_gaussian": "plots",
    "plot_how_many": "plots",
    "plot_membership": "plots",
    "plot_merging": "plots",
    "plot_pairs": "plots",
    "plot_partition": "plots",
    "plot_predictive_check": "plots",
    "plot_prior": "plots",
    "plot_projection": "plots",
    "plot_ranks": "plots",
    "plot_reliability": "plots",
    "plot_selection": "plots",
    "plot_similarity": "plots",
    "plot_trace": "plots",
    "positive": "ppl",
    "predictive_check": "draws",
    "predictive_density": "draws",
    "predictive_quantile": "draws",
    "prior": "priors",
    "project": "reduction",
    "reconstruct": "reduction",
    "relabel": "draws",
    "reliability": "classify",
    "sample": "engines",
    "sample_classifier": "classify",
    "sample_components": "engines",
    "scale_prior": "fit",
    "select": "selection",
    "select_factors": "selection",
    "sensitivity": "draws",
    "similarity": "draws",
    "standard_errors": "fit",
    "summary": "draws",
    "transform": "reduction",
    "uncertain": "draws",
}
_ROOMS = ("classify", "data", "draws", "engines", "families", "fit", "kernel", "mixture", "models", "plots", "ppl",
          "priors", "reduction", "resampling", "selection", "testing")  # fmt: skip

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name):
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name in _ROOMS:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES, *_ROOMS})
