"""Every row's probabilities at once: as stacked bars, and as a heat map with their uncertainty."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from .style import INK, WASH, inches

#: Rows that have a bar each; of more, the bars touch, as one picture.
MOST_BARS = 40
_GAP = 0.25


def in_order(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (N,) by their most probable component and its falling probability; and how many each component has (K,)."""
    labels = p.argmax(axis=1)
    return np.lexsort([-p.max(axis=1), labels]), np.bincount(labels, minlength=p.shape[1])


def draw_bars(ax, p: np.ndarray, colors) -> list:
    """A bar a row, P (N, K) stacked: its own component at the bottom."""
    order, counts = in_order(p)
    p = p[order]
    own = p.argmax(axis=1)
    stack = np.argsort(np.where(np.arange(p.shape[1]) == own[:, None], -1, np.arange(p.shape[1])), axis=1)
    heights = np.take_along_axis(p, stack, axis=1)
    tops = np.cumsum(heights, axis=1)
    if len(p) <= MOST_BARS:
        for layer in range(p.shape[1]):
            ax.bar(np.arange(len(p)), heights[:, layer], 0.92, bottom=tops[:, layer] - heights[:, layer],
                   color=[colors[k] for k in stack[:, layer]], linewidth=0)  # fmt: skip
    else:
        ax.imshow(_raster(tops, stack, colors), origin="lower", extent=[-0.5, len(p) - 0.5, 0.0, 1.0], aspect="auto",
                  interpolation="nearest")  # fmt: skip
    ax.set(ylim=(0.0, 1.0), yticks=[0, 0.25, 0.5, 0.75, 1], ylabel="P(component | x)")
    _name_rows(ax, counts)
    return [Patch(color=c, lw=0, label=f"component {k}") for k, c in enumerate(colors)]


def _raster(tops: np.ndarray, stack: np.ndarray, colors, height: int = 200) -> np.ndarray:
    """The bars as a picture (height, N, 3)."""
    middle = (np.arange(height) + 0.5) / height
    layer = (middle[:, None, None] > tops).sum(axis=2).clip(max=tops.shape[1] - 1)
    rgb = np.array([to_rgb(c) for c in colors])
    return rgb[np.take_along_axis(stack.T, layer, axis=0)]


def draw_heatmap(ax, p: np.ndarray, width: np.ndarray | None, colors, ci_prob: float) -> list:
    """A line a component, deeper the more probable; under them, how wide the interval of the row's own one is."""
    order, counts = in_order(p)
    k = p.shape[1]
    rgb = np.array([to_rgb(c) for c in colors])[:, None]
    _lines(ax, np.dstack([np.broadcast_to(rgb, (k, len(p), 3)), p[order].T]), -0.5, k - 0.5)
    names = [f"component {c}" for c in range(k)]
    places = list(range(k))
    if width is not None:
        own = np.take_along_axis(width, p.argmax(axis=1)[:, None], axis=1)[order].T
        low = k - 0.5 + _GAP
        _lines(ax, np.dstack([np.broadcast_to(to_rgb(INK), (1, len(p), 3)), own]), low, low + 1.0)
        names.append(f"{100 * ci_prob:g} % interval")
        places.append(low + 0.5)
    ax.set_ylim(places[-1] + 0.5, -0.5)
    ax.set_yticks(places, names)
    ax.tick_params(axis="y", length=0, labelsize=8.5)
    _name_rows(ax, counts)
    return [Patch(fc=(*to_rgb(INK), tone), ec=WASH, lw=0.5, label=f"{tone:g}") for tone in (0.0, 0.25, 0.5, 1.0)]


def _lines(ax, picture: np.ndarray, low: float, high: float):
    ax.imshow(picture, extent=[-0.5, picture.shape[1] - 0.5, high, low], aspect="auto", interpolation="nearest")


def _name_rows(ax, counts: np.ndarray):
    """White lines between the groups, and under each its component and its size, where there is room for it."""
    ends = np.cumsum(counts)
    n = ends[-1]
    for end in ends[:-1]:
        if 0 < end < n:
            ax.axvline(end - 0.5, color="white", lw=1.5)
    shown = [k for k in range(len(counts)) if counts[k] * inches(ax)[0] >= 0.33 * n]
    ax.set_xticks([ends[k] - 0.5 * counts[k] - 0.5 for k in shown], [f"{k}\n({counts[k]})" for k in shown])
    ax.tick_params(axis="x", length=0, labelsize=8.5)
    label = "points, by most probable component (how many) and its probability"
    ax.set(xlim=(-0.5, n - 0.5), xlabel=label if inches(ax)[0] > 4.0 else "points by component")
