"""How the chains ran: ArviZ's own rank and trace plots of the mixture's parameters, with plain titles."""

from __future__ import annotations

from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bayesgmm.draws.mixtures import named, posterior_of, read
from bayesgmm.draws.parts import is_open

from .names import plain_name, titled
from .reading import best_features, varies
from .style import ALERT, CHAINS, INK, WASH, doubt, look

#: ArviZ's own limit on the panels of one figure is 40.
MOST_PANELS = 40
#: What is shown of Gaussians; of a story with components of its own, all variables.
VARIABLES = ("weights", "means")


@look()
def plot_ranks(draws, var_names=VARIABLES, **options):
    """Rank plots of the chains by `arviz.plot_rank`: flat lines when all chains explore the same posterior.

    A line is one chain's cumulative share of the pooled ranks, less that of a uniform distribution. p is of ArviZ's
    test that the chains agree, autocorrelation allowed for; the points that speak most against it are marked.

    Parameters
    ----------
    draws : DataTree
        Posterior draws of several chains, with matched labels.
    var_names : str or sequence of str
        Which variables; of a story with components of its own, all of them without. Where they have more than 40
        elements, only the features that separate the components best are shown.
    **options
        Passed on to `arviz.plot_rank`.

    Returns
    -------
    arviz.PlotCollection

    Raises
    ------
    ValueError
        If a variable is not in the posterior, none of them varies, or there is one chain only.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(1)
    >>> means = np.array([[1.0], [5.0]]) + rng.standard_normal((4, 50, 2, 1))
    >>> draws = from_arrays(rng.dirichlet([9, 9], (4, 50)), means, np.ones((4, 50, 2, 1, 1)))
    >>> figure = plot_ranks(draws, var_names="means")
    >>> figure.get_target("means", {"component": 0, "feature": "x0"}).get_title()
    'mean of x0, component 0'
    >>> plt.close(figure.viz["figure"].item())
    """
    import arviz as az

    posterior, n_panels = chosen(draws, var_names)
    if posterior["posterior"].sizes["chain"] < 2:
        raise ValueError("rank plots compare chains, and these draws have only one; plot_trace shows it")
    settings, visuals = panels(n_panels, (2.5, 1.75), options)
    collection = az.plot_rank(posterior, visuals={"ecdf_lines": {"width": 1.1, "alpha": 0.9}} | visuals, **settings)
    _plain_p_values(collection)
    return finished(collection, draws, posterior["posterior"], "rank among all draws, as a share")


@look()
def plot_trace(draws, var_names=VARIABLES, **options):
    """Draws against iterations, chain by chain, by `arviz.plot_trace`; divergent ones are ticked below.

    Parameters
    ----------
    draws : DataTree
        Posterior draws with matched labels.
    var_names : str or sequence of str
        As for `plot_ranks`.
    **options
        Passed on to `arviz.plot_trace`.

    Returns
    -------
    arviz.PlotCollection

    Raises
    ------
    ValueError
        As for `plot_ranks`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.random.default_rng(1).standard_normal((4, 50, 1, 1))
    >>> draws = from_arrays(np.ones((4, 50, 1)), means, np.ones((4, 50, 1, 1, 1)))
    >>> figure = plot_trace(draws)
    >>> type(figure).__name__
    'PlotCollection'
    >>> plt.close(figure.viz["figure"].item())
    """
    import arviz as az

    posterior, n_panels = chosen(draws, var_names)
    settings, visuals = panels(n_panels, (2.7, 1.55), options)
    visuals = {"trace": {"width": 0.5, "alpha": 0.75}, "divergence": {"color": ALERT}} | visuals
    collection = az.plot_trace(posterior, visuals=visuals, **settings)
    return finished(collection, draws, posterior["posterior"], "draw")


def chosen(draws, var_names):
    """The posterior's chosen variables that vary, as a DataTree with the sampler's statistics, and their panels."""
    import xarray as xr

    names, own = [var_names] if isinstance(var_names, str) else list(var_names), is_open(draws)
    posterior = posterior_of(draws) if own else named(posterior_of(draws))
    if own and var_names is VARIABLES:
        names = [name for name, v in posterior.data_vars.items() if "obs" not in v.dims]
    unknown = [name for name in names if name not in posterior]
    if unknown:
        raise ValueError(f"the posterior has no variable {unknown[0]!r}; it holds {', '.join(map(str, posterior))}")
    posterior = _within_limit(draws, posterior[[name for name in names if varies(posterior[name].values)]])
    posterior = posterior.map(_once)
    if not posterior.data_vars:
        raise ValueError(f"none of {', '.join(names)} varies over the draws, so there is nothing to plot")
    groups = {"posterior": posterior}
    if "sample_stats" in draws.children:
        groups["sample_stats"] = draws["sample_stats"].to_dataset()
    return xr.DataTree.from_dict(groups), _n_panels(posterior)


def _once(variable):
    """A symmetric matrix's elements that differ and vary, each once, along a dim of their names; others as they are."""
    import xarray as xr

    if not {"feature", "feature_other"} <= set(variable.dims):
        return variable
    features = variable["feature"].values
    pairs = [(f, g) for i, f in enumerate(features) for g in features[i:]]
    parts = {plain_name("covariances", f, g): variable.sel(feature=f, feature_other=g, drop=True) for f, g in pairs}
    parts = {name: part for name, part in parts.items() if varies(part.values)}
    return xr.concat(list(parts.values()), xr.IndexVariable("element", list(parts))).transpose("chain", "draw", ...)


def _n_panels(posterior) -> int:
    return sum(variable[0, 0].size for variable in posterior.data_vars.values())


def _within_limit(draws, posterior):
    """Fewer features, and then fewer components, until the panels are no more than 40."""
    n_features, keep = posterior.sizes.get("feature", 0), posterior
    while _n_panels(keep) > MOST_PANELS and n_features > 1 and not is_open(draws):
        n_features -= 1
        features = best_features(read(draws).mean(), n_features)
        keep = posterior.isel({d: features for d in ("feature", "feature_other") if d in posterior.dims})
    if _n_panels(keep) > MOST_PANELS and "component" in keep.dims:
        each = _n_panels(keep.isel(component=[0]))
        keep = keep.isel(component=slice(max(1, MOST_PANELS // each)))
    return keep


def _columns(n_panels: int) -> int:
    """Three to six columns, more for many panels: whichever leaves the fewest gaps."""
    widths = (3, 4, 5) if n_panels <= 12 else (5, 4, 6)
    return min(widths, key=lambda w: -n_panels % w)


def panels(n_panels: int, size: tuple[float, float], options: dict) -> tuple[dict, dict]:
    """The settings of ArviZ's plots with a panel of such a size (inches) an element, and their visuals."""
    width = min(n_panels, _columns(n_panels))
    figsize = (size[0] * width + 0.6, size[1] * -(-n_panels // width) + 0.7)
    settings = {"col_wrap": width, "figure_kwargs": {"figsize": figsize, "figsize_units": "inches"},
                "labeller": _labeller(), "backend": "matplotlib", **options}  # fmt: skip
    return settings, {"title": {"size": 8.5, "color": INK}, "xlabel": False} | settings.pop("visuals", {})


def _labeller():
    from arviz import labels

    class Plain(labels.BaseLabeller):
        """Titles such as "mean of waiting, component 0"."""

        def make_label_vert(self, var_name, sel, isel):
            further = [str(value) for dim, value in sel.items() if dim not in ("component", "element")]
            name = sel["element"] if "element" in sel else plain_name(var_name, ", ".join(further) or None)
            return titled(name, sel.get("component"))

        make_label_flat = make_label_vert

    return Plain()


def finished(collection, draws, posterior, x_name: str, handles=None):
    """Room for the titles, one name for the horizontal axes, and a legend, of the chains without any other."""
    figure = collection.viz["figure"].item()
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    for ax in figure.axes:
        ax.tick_params(axis="both", labelsize=8.0)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    figure.supxlabel(x_name, fontsize=9.0, color=INK)
    if handles is None:
        chains = posterior["chain"].values
        handles = [Line2D([], [], color=CHAINS[i % len(CHAINS)], label=f"chain {c}") for i, c in enumerate(chains)]
    heading = figure.legend(handles=handles, loc="outside upper center", ncols=min(8, len(handles)))
    if "component" in posterior.dims:
        doubt(figure.axes[0], draws, own=True, heading=heading)
    return collection


def _plain_p_values(collection):
    """A level line, and ArviZ's p values small enough to keep clear of the curves."""
    for ax in collection.viz["figure"].item().axes:
        ax.axhline(0.0, color=WASH, lw=0.8, zorder=0)
        for marks in ax.collections:
            marks.set(sizes=[7.0], color=ALERT)
        for text in ax.texts:
            text.set(text=text.get_text().split("(")[0].replace("=", " = "), fontsize=7.5, color="#666666")
