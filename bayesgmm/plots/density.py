"""The components of one feature: histogram, rug, densities and their credible band."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.mixture import Mixture

from .reading import Subject
from .style import INK, PALE, WASH, component_colors, density_label, halo

N_DRAWS = 200
_MOST_TICKS = 1000
_TOTAL = "#999999"


def draw_density(ax, what: Subject, mle: Mixture | None, shown: list[int], level: float) -> list:
    """Draw the feature `shown` on `ax`; the legend's handles come back."""
    colors, point = component_colors(what.point.n_components), what.point.marginal(shown)
    handles = [] if what.rows is None else _draw_rows(ax, what.rows[:, shown[0]], what.labels, colors)
    grid = _grid(point, what.rows, shown)
    if what.sample is not None:
        handles += _draw_band(ax, grid, what.sample, shown, level)
    handles += _draw_point(ax, grid, point, what.name, colors)
    if mle is not None:
        handles += ax.plot(grid, mle.marginal(shown).prob(grid), color=INK, lw=1.4, ls=(0, (4, 2.5)), label="MLE")
    _name_axes(ax, what.point, shown, what.rows)
    return handles


def _grid(mixture: Mixture, rows, shown) -> np.ndarray:
    sd = np.sqrt(mixture.covariances[:, 0, 0])
    ends = [(mixture.means[:, 0] - 3.2 * sd).min(), (mixture.means[:, 0] + 3.2 * sd).max()]
    if rows is not None:
        ends = [min(ends[0], rows[:, shown[0]].min()), max(ends[1], rows[:, shown[0]].max())]
    return np.linspace(*ends, 400)


def _draw_rows(ax, values, labels, colors) -> list:
    bins = np.histogram_bin_edges(values, "fd")
    bins = np.linspace(bins[0], bins[-1], np.clip(len(bins), 21, 81))
    ax.hist(values, bins=bins, density=True, color=WASH, edgecolor="white", linewidth=0.4)
    ticks = np.random.default_rng(0).permutation(len(values))[:_MOST_TICKS]
    rgb = np.array([to_rgb(c) for c in colors])[labels[ticks]]
    ax.vlines(values[ticks], 0.0, 0.03, colors=rgb, lw=0.7, alpha=0.6, transform=ax.get_xaxis_transform())
    return [Patch(color=WASH, label="data")]


def _draw_band(ax, grid, sample: MixtureDraws, shown, level) -> list:
    densities = np.exp(sample.marginal(shown).log_prob(grid[:, None]))
    low, high = np.quantile(densities, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [ax.fill_between(grid, low, high, color=PALE, alpha=0.45, lw=0, label=f"{100 * level:g} % band")]


def _draw_point(ax, grid, mixture: Mixture, name, colors) -> list:
    total = mixture.prob(grid)
    parts = total[:, None] * mixture.responsibilities(grid)
    handles = [] if len(colors) == 1 else ax.plot(grid, total, color=_TOTAL, lw=3.2, label=name)
    for k, (color, weight) in enumerate(zip(colors, mixture.weights)):
        if len(colors) > 1:
            top = parts[:, k].argmax()
            ax.annotate(str(k), (grid[top], parts[top, k]), (0, 1.5), textcoords="offset points", ha="center",
                        weight="bold", fontsize=8.0, color=INK, path_effects=halo(2.4), zorder=6)  # fmt: skip
        handles += ax.plot(grid, parts[:, k], color=color, lw=1.6, label=f"component {k} (weight {weight:.2f})")
    return handles


def _name_axes(ax, mixture: Mixture, shown, rows):
    name = mixture.features[shown[0]]
    ax.set(xlabel=name, ylabel=density_label(ax, name))
    ax.set_ylim(bottom=0.0)
    ax.set_title("each component's share of the density" if mixture.n_features == 1 else f"{name} alone")
