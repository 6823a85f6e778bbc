"""Who belongs where, and how sure the posterior is of it."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayesgmm.draws.affinity import as_draws
from bayesgmm.draws.membership import points, shares
from bayesgmm.draws.mixtures import MixtureDraws, from_arrays
from bayesgmm.draws.parts import PartDraws, read_any

from .reading import mixture_of, rows_in
from .shares import draw_bars, draw_heatmap
from .style import INK, component_colors, doubt, legend, look, new_axes

KINDS = ("intervals", "bars", "heatmap")
#: Points evaluated and drawn; of more, a fixed random choice.
MOST_POINTS = 2000
_BARS = 120
_SURE = 0.005


@look()
def plot_membership(draws, x=None, *, kind="intervals", component=None, scatter=False, ci_prob=0.95, ax=None):
    """Draw the probability that each point belongs to a component, with its uncertainty.

    Points stand in the order of P(Z = k | x); a bar (a ribbon, for more than 120 points) is the equal-tailed interval
    of the responsibility over the posterior. Points whose whole interval lies within 0.005 of 0 or of 1 are counted
    below the axis, not drawn, so that the uncertain ones have room. Where labels are uncertain (`bayesgmm.diagnose`),
    the figure says so.

    Of other kinds, ``"bars"`` stacks the probabilities of each point, sorted by most probable component and its
    probability. ``"heatmap"`` has a line a component, deeper the more probable, and the width of the interval of each
    point's own component under them. Both show every component in one panel.

    Parameters
    ----------
    draws : DataTree, Fit or Mixture
        Posterior draws with matched labels; or a point estimate, which has no intervals.
    x : array_like or frame (N, D), optional
        New points; without it, the rows that the draws were made from. Of more than 2000, a fixed random choice of
        2000 is drawn, and the figure says so.
    kind : {"intervals", "bars", "heatmap"}
    component : int, optional
        Of intervals, the component in question. Without it: the second of two; of more, a panel for each in a new
        figure, the last one in an `ax` that is given.
    scatter : bool
        Beside it, the points in the plane (for one feature: their probability against the feature) in the colour of
        their most probable component, larger the more uncertain they are (by entropy). One or two features only.
    ci_prob : float
        Probability of the interval.
    ax : Axes, optional
        Where to draw the first panel; a new figure without.

    Returns
    -------
    Axes or ndarray of Axes
        An array where there are several panels.

    Raises
    ------
    ValueError
        If there is no such component or kind, the draws hold no rows and `x` is not given, or `scatter` is asked of
        three features or more or together with `ax`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.array([[-1.0], [1.0]]) + 0.2 * np.random.default_rng(1).standard_normal((2, 50, 2, 1))
    >>> draws = from_arrays(np.full((2, 50, 2), 0.5), means, np.ones((2, 50, 2, 1, 1)), x=[[-0.5], [0.1], [0.7]])
    >>> ax = plot_membership(draws)
    >>> ax.get_ylabel()
    'P(component 1 | x)'
    >>> plt.close(ax.figure)
    """
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must be strictly between 0 and 1, not {ci_prob}")
    fitted = not hasattr(draws, "children")
    mixtures = as_draws(mixture_of(draws)) if fitted else read_any(draws)
    _require(mixtures, kind, component, scatter, ax)
    rows, n_obs = _rows(draws, x, mixtures)
    new = x is not None and not fitted
    found = _found(draws, rows, mixtures, new=new, ci_prob=ci_prob)
    if kind != "intervals":
        own, ax = ax is None, _draw_all(ax, kind, found, (len(rows), n_obs), None if fitted else ci_prob)
        if not fitted:
            doubt(ax, draws, own=own)
        return ax
    shown = _shown(mixtures.n_components, component, single=ax is not None)
    own, axes = ax is None, _new_axes(len(shown), scatter) if ax is None else np.array([ax])
    colors = component_colors(mixtures.n_components)
    for panel, k in zip(axes, shown):
        _draw_order(panel, found, k, colors[k], (len(rows), n_obs))
    if scatter:
        _draw_scatter(axes[-1], found, rows, mixtures.features, colors, shown[-1])
    named = range(mixtures.n_components) if scatter else ()
    legend(axes[0], _handles(shown, colors, None if fitted else ci_prob, named), own=own, n_columns=4)
    if not fitted:
        doubt(axes[0], draws, own=own)
    return axes if len(axes) > 1 else axes[0]


def _require(mixtures: MixtureDraws, kind, component, scatter: bool, ax):
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, not {kind!r}")
    if kind != "intervals" and (component is not None or scatter):
        raise ValueError(f"kind={kind!r} shows every component in one panel: leave component and scatter out")
    if component is not None and component not in range(mixtures.n_components):
        raise ValueError(f"component must be one of 0 … {mixtures.n_components - 1}, not {component}")
    if scatter and isinstance(mixtures, PartDraws):
        raise ValueError("scatter=True shows the points of Gaussians: leave it out for components of one's own")
    if scatter and len(mixtures.features) > 2:
        raise ValueError(f"scatter=True is for one or two features, and these draws have {len(mixtures.features)}")
    if scatter and ax is not None:
        raise ValueError("scatter=True needs a figure of its own: leave ax out, or scatter")


def _rows(draws, x, mixtures: MixtureDraws) -> tuple[np.ndarray, int]:
    """The rows to draw, and how many there were."""
    known = hasattr(draws, "children") or x is not None
    if isinstance(mixtures, PartDraws):
        rows = points(draws, mixtures, x)[0]
    else:
        rows = rows_in(draws, x, mixtures) if known else None
    if rows is None:
        raise ValueError("these draws hold no rows (observed_data), as a fit never does; give points as x")
    keep = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_POINTS])
    return rows[keep], len(rows)


def _found(draws, rows, mixtures: MixtureDraws, *, new: bool, ci_prob: float):
    """`bayesgmm.draws.membership` of these rows, as new points or as rows of the data."""
    if isinstance(mixtures, PartDraws):
        return shares(draws, ci_prob=ci_prob).isel(obs=rows)
    if new:
        return shares(draws, rows, ci_prob=ci_prob)
    arrays = (a[None] for a in (mixtures.weights, mixtures.means, mixtures.covariances))
    return shares(from_arrays(*arrays, x=rows, features=mixtures.features), ci_prob=ci_prob)


def _draw_all(ax, kind: str, found, counts: tuple[int, int], ci_prob: float | None):
    """One panel of bars, or of a heat map, for every component."""
    p = found["probability"].values
    own, colors = ax is None, component_colors(p.shape[1])
    height = 3.4 if kind == "bars" else 1.5 + 0.32 * (p.shape[1] + 1)
    ax = new_axes((7.2, height))[0, 0] if own else ax
    if kind == "bars":
        handles = draw_bars(ax, p, colors)
    else:
        width = None if ci_prob is None else (found["upper"] - found["lower"]).values
        handles = draw_heatmap(ax, p, width, colors, ci_prob)
    if counts[0] < counts[1]:
        ax.set_title(_of_all(counts))
    # Under the bars of a small figure the components' numbers say enough.
    if own or kind == "heatmap":
        told = legend(ax, handles, own=own, n_columns=4, below=58.0)
        if kind == "heatmap":
            told.set_title("probability" if ci_prob is None else "probability, or width of the interval", {"size": 8.0})
    return ax


def _of_all(counts: tuple[int, int]) -> str:
    return f"{counts[0]:,} of {counts[1]:,} points".replace(",", "\u2009")


def _shown(n_components: int, component, *, single: bool) -> list[int]:
    if component is not None:
        return [int(component)]
    return [n_components - 1] if single or n_components <= 2 else list(range(n_components))


def _new_axes(n_orders: int, scatter: bool) -> np.ndarray:
    n = n_orders + scatter
    width = n if n <= 3 else min((3, 4), key=lambda w: (-n % w, w))
    n_rows = -(-n // width)
    one = 6.4 if n == 1 else 4.6 if n == 2 else 3.5
    axes = new_axes((one * width, 0.7 + (3.4 if n <= 2 else 2.6) * n_rows), n_rows, width).ravel()
    for gap in axes[n:]:
        gap.remove()
    return axes[:n]


def _draw_order(ax, found, k: int, color: str, counts: tuple[int, int]):
    p, lower, upper = (found[name].values[:, k] for name in ("probability", "lower", "upper"))
    order = np.argsort(p, kind="stable")
    order = order[_uncertain(lower, upper)[order]]
    below, above = int((upper < _SURE).sum()), int((lower > 1 - _SURE).sum())
    if not len(order):
        order, below, above = np.argsort(p, kind="stable"), 0, 0
    _draw_intervals(ax, p[order], lower[order], upper[order], color)
    ax.set(ylim=(-0.03, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1], ylabel=f"P(component {k} | x)")
    ax.axhline(0.5, color="#BBBBBB", lw=0.7, zorder=0)
    ax.set_xlabel(_counted(len(order), below, above), fontsize=8.5)
    if counts[0] < counts[1]:
        ax.set_title(_of_all(counts))


def _uncertain(lower, upper) -> np.ndarray:
    return (upper >= _SURE) & (lower <= 1 - _SURE)


def _draw_intervals(ax, p, lower, upper, color: str):
    place = np.arange(len(p))
    if len(p) <= _BARS:
        ax.vlines(place, lower, upper, color=color, alpha=0.4, lw=float(np.clip(260 / len(p), 2.0, 6.0)))
        ax.plot(place, p, "o", color=color, ms=float(np.clip(300 / len(p), 2.8, 6.0)), mec="white", mew=0.5)
        ax.set_xlim(-0.8, len(p) - 0.2)
    else:
        ax.vlines(place, lower, upper, color=color, alpha=0.3, lw=max(0.5, 330 / len(p)), rasterized=True)
        ax.plot(place, p, color=color, lw=1.8)
        ax.set_xlim(-0.5, len(p) - 0.5)
    ax.set_xticks([])


def _counted(drawn: int, below: int, above: int) -> str:
    points = "1 point" if drawn == 1 else f"{drawn} points in order of P"
    sure = [f"{n} surely {where}" for n, where in ((below, "out"), (above, "in")) if n]
    return points + (f"\n(not drawn: {', '.join(sure)})" if sure else "")


def _draw_scatter(ax, found, rows, features, colors, k: int):
    p, labels = found["probability"].values, found["probability"].values.argmax(axis=1)
    doubt = found["entropy"].values / np.log(max(2, p.shape[1]))
    rgb, order = np.array([to_rgb(c) for c in colors]), np.argsort(doubt)
    y = p[:, k] if len(features) == 1 else rows[:, 1]
    base = float(np.clip(2500.0 / len(rows), 3.0, 14.0))
    if len(features) == 1:
        bounds = found["lower"].values[:, k], found["upper"].values[:, k]
        ax.vlines(rows[:, 0], *bounds, colors=rgb[labels], alpha=0.3, lw=1.0)
    edges = np.where((doubt > 0.1)[order, None], to_rgb(INK), rgb[labels[order]])
    ax.scatter(rows[order, 0], y[order], s=base + 90.0 * doubt[order], c=rgb[labels[order]], alpha=0.75,
               edgecolors=edges, linewidths=0.8 * (doubt[order] > 0.1))  # fmt: skip
    ax.set(xlabel=features[0], ylabel=features[1] if len(features) == 2 else f"P(component {k} | x)")
    ax.set_title("larger: less certain")


def _handles(shown, colors, ci_prob: float | None, named) -> list:
    color = colors[shown[0]] if len(shown) == 1 else "#777777"
    handles = [Line2D([], [], color=color, marker="o", ms=4, lw=1.6, label="probability")]
    if ci_prob is not None:
        handles.append(Patch(color=color, alpha=0.35, lw=0, label=f"{100 * ci_prob:g} % interval"))
    dots = dict(ls="", marker="o", ms=5)
    return handles + [Line2D([], [], color=colors[k], label=f"component {k}", **dots) for k in named]
