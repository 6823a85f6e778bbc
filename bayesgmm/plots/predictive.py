"""The density of a new point: with its band for one feature, as regions of highest density for two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayesgmm.draws.densities import predictive_density, predictive_quantile
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.draws.regions import highest_density
from bayesgmm.mixture import Mixture

from .names import positions
from .plane import MOST_MARKERS
from .reading import best_features, mixture_of, rows_in, rows_of, thinned
from .style import INK, PALE, WASH, density_label, legend, look, new_axes

#: Probabilities of the regions in the plane, and how many draws' outermost one is drawn.
REGIONS = (0.5, 0.8, 0.95)
N_CONTOURS = 20
_SHADES = ("#7C93AD", "#B4C3D3", "#DFE6EE")
_DARK = "#33475B"
_ENDS = (0.0005, 0.9995)
# How much wider the plane is than what is expected there, so that no region is cut off.
_MARGIN = 0.07
# Draws that the density in the plane is averaged over, and points of a grid.
_AVERAGED, _POINTS, _CELLS, _BINS = 250, 400, 120, 90


@dataclass(frozen=True)
class _Asked:
    """Of what the density is drawn, of which features, given what; and the rows beside it."""

    subject: object
    names: list[str]
    given: dict | None
    rows: np.ndarray | None
    point: Mixture
    sample: MixtureDraws | None
    band: str


@look()
def plot_density(draws, x=None, *, features=None, given=None, ci_prob=0.9, ax=None):
    """Draw the density that a posterior, a bootstrap or a fit predicts for a new point, and how sure it is of it.

    One feature: the density with its pointwise band, over histogram and rug of the data. Two: the regions of highest
    density that hold 50, 80 and 95 %, the data, and the border of the 95 % region under each of 20 draws (or
    replicates of a bootstrap), thin. A fit alone has neither band nor thin borders.

    Parameters
    ----------
    draws : DataTree, Bootstrap, Fit or Mixture
        As for `bayesgmm.predictive_density`, which is drawn.
    x : array_like or frame (N, D), optional
        The data. Without it, draws take the rows that they keep, unless values of features are given, which the rows
        do not share.
    features : str, int, or a pair of them, optional
        Which one or two. Without it, the two (of those not given) that separate the components best.
    given : dict, optional
        Values of other features to condition on: ``{"waiting": 80.0}``.
    ci_prob : float
        Probability of the band of one feature.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If more than two features are asked for, or as `bayesgmm.predictive_density` does.

    References
    ----------
    Hyndman (1996) for the regions.

    Examples
    --------
    >>> from matplotlib import pyplot as plt
    >>> m = Mixture([0.5, 0.5], [[0.0, 0.0], [4.0, 1.0]], [np.eye(2), np.eye(2)], features=("length", "width"))
    >>> ax = plot_density(m, m.sample(100, seed=1)[0], features="length")
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('length', 'density (per unit of length)')
    >>> plt.close(ax.figure)
    """
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must be strictly between 0 and 1, not {ci_prob}")
    asked = _asked(draws, x, features, given)
    # The first evaluation checks what was asked before a figure is made.
    axes = [_axis(asked, name) for name in asked.names]
    own, ax = ax is None, new_axes((6.4, 4.2 if len(axes) == 1 else 5.0))[0, 0] if ax is None else ax
    handles = _draw_line(ax, asked, axes[0], ci_prob) if len(axes) == 1 else _draw_plane(ax, asked, axes)
    _name_axes(ax, asked)
    legend(ax, handles, own=own)
    return ax


def _asked(draws, x, features, given) -> _Asked:
    if hasattr(draws, "children"):
        mixtures = read(draws)
        point, sample, band = mixtures.mean(), mixtures, "credible"
        known = None if given is not None and x is None else rows_in(draws, x, mixtures)
    else:
        point, sample, band = mixture_of(draws), getattr(draws, "draws", None), "bootstrap"
        known = None if x is None else rows_of(x, point.features)
    names = _names(point, features, given)
    rows = None if known is None else known[:, [point.features.index(name) for name in names]]
    return _Asked(draws, names, given, rows, point, sample, band)


def _names(point: Mixture, features, given) -> list[str]:
    if features is None:
        place = [f if f in point.features else point.features[f] for f in given or ()]
        rest = point.marginal([f for f in point.features if f not in place] or list(point.features))
        return [rest.features[j] for j in best_features(rest, 2)]
    return [point.features[j] for j in positions(point.features, features, 2)]


def _axis(asked: _Asked, name: str) -> np.ndarray:
    """From where to where a feature is drawn, finer where a component is too narrow for an even grid."""
    size = _POINTS if len(asked.names) == 1 else _CELLS
    ends = predictive_quantile(_few(asked), _ENDS, features=name, given=asked.given)["value"].values
    if asked.rows is not None:
        values = asked.rows[:, asked.names.index(name)]
        ends = [min(ends[0], values.min()), max(ends[1], values.max())]
    margin = _MARGIN * (ends[1] - ends[0]) if len(asked.names) == 2 else 0.0
    even = np.linspace(ends[0] - margin, ends[1] + margin, size)
    point = asked.point if asked.given is None else asked.point.condition(asked.given)
    line = point.marginal([name])
    sds = np.sqrt(line.covariances[:, 0, 0])
    narrow = sds < 3.0 * (even[1] - even[0])
    fine = line.means[narrow, 0, None] + sds[narrow, None] * np.linspace(-4.0, 4.0, 25)
    return np.unique(np.concatenate([even, fine[(fine > even[0]) & (fine < even[-1])]]))


def _few(asked: _Asked):
    """The subject without its band: a fit, or the posterior with a few of its draws, from every chain."""
    if not hasattr(asked.subject, "children"):
        return asked.point
    posterior = asked.subject["posterior"]
    step = max(1, posterior.sizes["chain"] * posterior.sizes["draw"] // _AVERAGED)
    return type(asked.subject).from_dict({"posterior": posterior.to_dataset().isel(draw=slice(None, None, step))})


def _draw_line(ax, asked: _Asked, axis: np.ndarray, ci_prob: float) -> list:
    found = predictive_density(asked.subject, axis, features=asked.names, given=asked.given, ci_prob=ci_prob)
    handles = [] if asked.rows is None else draw_histogram(ax, asked.rows[:, 0])
    if "lower" in found:
        named = f"{100 * ci_prob:g} % {asked.band} band"
        handles.append(ax.fill_between(axis, found["lower"], found["upper"], color=_SHADES[0], alpha=0.55, lw=0,
                                       label=named, gid="band"))  # fmt: skip
    named = "predictive density" if asked.band == "credible" else "density"
    handles += ax.plot(axis, found["density"], color=_DARK, lw=1.6, label=named, gid="density")
    ax.set_ylim(bottom=0.0)
    return handles


def draw_histogram(ax, values: np.ndarray, colors=None) -> list:
    """A pale histogram of values (N,) and a rug of at most 1000 of them; colours of the ticks (N, 3), if any."""
    bins = np.histogram_bin_edges(values, "fd")
    bins = np.linspace(values.min(), values.max(), np.clip(len(bins), 21, 81))
    ax.hist(values, bins=bins, density=True, color=WASH, edgecolor="white", linewidth=0.4)
    ticks = np.random.default_rng(0).permutation(len(values))[:1000]
    tones = INK if colors is None else colors[ticks]
    ax.vlines(values[ticks], 0.0, 0.03, colors=tones, lw=0.7, alpha=0.6, transform=ax.get_xaxis_transform(), gid="rug")
    return [Patch(color=WASH, label="data")]


def _draw_plane(ax, asked: _Asked, axes: list[np.ndarray]) -> list:
    grid = np.stack(np.meshgrid(*axes), axis=-1)
    heights = _heights(_few(asked), grid, asked)
    handles = _draw_regions(ax, axes, *heights, crowded=asked.rows is not None and len(asked.rows) > MOST_MARKERS)
    if asked.rows is not None:
        handles += _draw_rows(ax, asked.rows)
    if asked.sample is not None:
        few = thinned(asked.sample, N_CONTOURS)
        each = [_heights(few.mixture(m), grid, asked, REGIONS[-1:]) for m in range(len(few))]
        for height, (threshold,) in each:
            _outline(ax, axes, height, threshold, color=_DARK, lw=0.5, alpha=0.6).set_gid("draw")
        kind = "draws" if asked.band == "credible" else "replicates"
        handles.append(Line2D([], [], color=_DARK, lw=0.6, label=f"95 %, {len(few)} {kind}"))
    _outline(ax, axes, heights[0], heights[1][-1], color=INK, lw=1.3).set_gid("outermost")
    return handles


def _draw_regions(ax, axes, height, thresholds, *, crowded: bool) -> list:
    """Filled; or, over cells of counts, which have shades of their own, as lines."""
    if not crowded:
        ax.contourf(*axes, height, levels=[*thresholds[::-1], np.inf], colors=_SHADES[::-1], zorder=0)
        return [Patch(color=s, label=f"{100 * p:g} % region") for s, p in zip(_SHADES, REGIONS)]
    styles = [{"color": INK, "lw": 1.3, "ls": ls} for ls in ((0, (1, 1.2)), (0, (4, 1.5)), "-")]
    for threshold, style in zip(thresholds, styles):
        _outline(ax, axes, height, threshold, **style)
    return [Line2D([], [], label=f"{100 * p:g} % region", **style) for p, style in zip(REGIONS, styles)]


def _outline(ax, axes, height, threshold, *, color, lw, ls="-", alpha=1.0):
    return ax.contour(*axes, height, levels=[threshold], colors=color, linewidths=lw, linestyles=[ls], alpha=alpha,
                      zorder=2)  # fmt: skip


def _heights(subject, grid: np.ndarray, asked: _Asked, prob=REGIONS) -> tuple[np.ndarray, np.ndarray]:
    """log p on a grid, and the heights at which the regions begin."""
    how = {"features": asked.names, "given": asked.given}
    rows = grid.reshape(-1, 2)
    found = predictive_density(subject, rows, kind="log_density", **how)["log_density"].values
    return found.reshape(grid.shape[:2]), highest_density(subject, prob, **how)["log_density"].to_numpy()


def _draw_rows(ax, rows: np.ndarray) -> list:
    if len(rows) > MOST_MARKERS:
        counts, *edges = np.histogram2d(*rows.T, bins=_BINS)
        depth = np.where(counts > 0, 0.06 + 0.5 * np.log1p(counts) / np.log1p(counts.max()), 0.0).T
        tone = np.broadcast_to(to_rgb(INK), (*depth.shape, 3))
        extent = [edges[0][0], edges[0][-1], edges[1][0], edges[1][-1]]
        ax.imshow(np.dstack([tone, depth]), origin="lower", extent=extent, aspect="auto", interpolation="nearest",
                  zorder=1)  # fmt: skip
        return [Patch(color=PALE, label="data, counts")]
    size = float(np.clip(2500.0 / len(rows), 2.0, 9.0))
    ax.scatter(*rows.T, s=size, c=INK, alpha=0.55, linewidths=0, zorder=1, rasterized=len(rows) > 5000)
    return [Line2D([], [], ls="", marker="o", ms=3.5, mew=0, color=INK, alpha=0.7, label="data")]


def _name_axes(ax, asked: _Asked):
    names, given = asked.names, asked.given or {}
    ax.set(xlabel=names[0], ylabel=names[1] if len(names) == 2 else density_label(ax, names[0]))
    known = ", ".join(f"{f if isinstance(f, str) else asked.point.features[f]} = {v:g}" for f, v in given.items())
    title = f"given {known}" if known else ""
    if asked.point.n_features > len(names) + len(given):
        rest = f"{' and '.join(names)}, {len(names)} of {asked.point.n_features} features"
        title = f"{rest}, {title}" if title else rest
    ax.set_title(title)
