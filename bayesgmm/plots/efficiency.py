"""How much the draws are worth: ArviZ's own plots of effective sample sizes and of the energy, with plain titles."""

from __future__ import annotations

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .diagnostics import VARIABLES, chosen, finished, panels
from .style import CHAINS, INK, PALE, look

KINDS = ("evolution", "local", "quantile")
_BULK, _TAIL = CHAINS[0], CHAINS[2]


@look()
def plot_ess(draws, var_names=VARIABLES, *, kind="evolution", **options):
    """Effective sample sizes of the mixture's parameters, by `arviz.plot_ess_evolution` or `arviz.plot_ess`.

    Parameters
    ----------
    draws : DataTree
        Posterior draws with matched labels.
    var_names : str or sequence of str
        As for `plot_ranks`.
    kind : {"evolution", "local", "quantile"}
        As draws become more, which should be straight lines, of the bulk and of the tails; of probabilities of small
        intervals; or of quantiles. The dashed line is at 400 effective draws.
    **options
        Passed on to ArviZ's function.

    Returns
    -------
    arviz.PlotCollection

    Raises
    ------
    ValueError
        As for `plot_ranks`, or if `kind` is unknown.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.random.default_rng(1).standard_normal((4, 100, 1, 1))
    >>> draws = from_arrays(np.ones((4, 100, 1)), means, np.ones((4, 100, 1, 1, 1)))
    >>> figure = plot_ess(draws)
    >>> figure.get_target("means", {"component": 0, "feature": "x0"}).get_title()
    'mean of x0, component 0'
    >>> plt.close(figure.viz["figure"].item())
    """
    import arviz as az

    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, not {kind!r}")
    posterior, n_panels = chosen(draws, var_names)
    settings, visuals = panels(n_panels, (2.6, 1.7), options)
    visuals = {"ylabel": False, "min_ess": {"color": PALE, "linestyle": (0, (4, 2.5)), "width": 0.9}, **visuals}
    if kind == "evolution":
        visuals = {f"ess_{part}{line}": {"color": color} for part, color in (("bulk", _BULK), ("tail", _TAIL))
                   for line in ("", "_line")} | visuals  # fmt: skip
        collection = az.plot_ess_evolution(posterior, visuals=visuals, **settings)
        names, x_name = (("bulk", _BULK), ("tail", _TAIL)), "draws of all chains together"
    else:
        collection = az.plot_ess(posterior, kind=kind, visuals={"ess": {"color": _BULK}} | visuals, **settings)
        names = ((f"of {'small intervals' if kind == 'local' else 'quantiles'}", _BULK),)
        x_name = "quantile"
    handles = [Line2D([], [], color=color, marker="o", ms=4, label=name) for name, color in names]
    figure = collection.viz["figure"].item()
    for ax in figure.axes:
        for marks in ax.collections:
            marks.set_sizes([9.0])
        ax.set_ylim(bottom=0.0)
    figure.supylabel("effective sample size", fontsize=9.0, color=INK)
    return finished(collection, draws, posterior["posterior"], x_name, handles)


@look()
def plot_energy(draws, **options):
    """The energy of the chains and how far it moves between draws, by `arviz.plot_energy`; of NUTS alone.

    Where the transitions are much narrower than the marginal, chains move through the posterior slowly. BFMI, on the
    right, says so by chain: below 0.3 is a warning.

    Parameters
    ----------
    draws : DataTree
        Posterior draws whose ``sample_stats`` have the ``energy``.
    **options
        Passed on to `arviz.plot_energy`.

    Returns
    -------
    arviz.PlotCollection

    Raises
    ------
    ValueError
        If the sampler kept no energy, as Gibbs has none.

    References
    ----------
    Betancourt (2016).

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.random.default_rng(1).standard_normal((4, 100, 1, 1))
    >>> energy = {"energy": np.random.default_rng(2).standard_normal((4, 100))}
    >>> draws = from_arrays(np.ones((4, 100, 1)), means, np.ones((4, 100, 1, 1, 1)), sample_stats=energy)
    >>> figure = plot_energy(draws)
    >>> type(figure).__name__
    'PlotCollection'
    >>> plt.close(figure.viz["figure"].item())
    """
    import arviz as az

    if "sample_stats" not in getattr(draws, "children", ()) or "energy" not in draws["sample_stats"]:
        raise ValueError("these draws hold no energy (sample_stats): only NUTS, engine='nuts', has one")
    size = {"figsize": (7.4, 3.2), "figsize_units": "inches"}
    settings = {"kind": "kde", "figure_kwargs": size, "backend": "matplotlib", **options}
    visuals = {"title": False, "ylabel": False, "legend": False, "bfmi_points": {"color": INK}} | settings.pop(
        "visuals", {}
    )
    stats = draws["sample_stats"].to_dataset()
    collection = az.plot_energy(type(draws).from_dict({"sample_stats": stats}), visuals=visuals, **settings)
    figure = collection.viz["figure"].item()
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    if len(figure.axes) == 2:
        _name_bfmi(figure.axes[0], stats.sizes["chain"])
    energy = figure.axes[-1]
    energy.set(xlabel="energy, less its mean", yticks=[], ylim=(0.0, None))
    energy.spines["left"].set_visible(False)
    shades = [Patch(color=energy.get_lines()[i].get_color(), alpha=0.6, lw=0, label=name)
              for i, name in enumerate(("of the draws", "of the moves between them"))]  # fmt: skip
    figure.legend(handles=shades, loc="outside upper center", ncols=2)
    return collection


def _name_bfmi(ax, n_chains: int):
    ax.set(xlabel="BFMI", ylabel="chain", yticks=range(n_chains), ylim=(-0.5, n_chains - 0.5))
    ax.set_xlim(left=0.0)
    for marks in ax.collections:
        marks.set_sizes([22.0])
