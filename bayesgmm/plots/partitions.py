"""Partitions: which rows are together, and the estimate between the bounds of its credible ball."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.lines import Line2D

from bayesgmm.draws.clusterings import as_partition
from bayesgmm.draws.partition import Partition
from bayesgmm.draws.partition import partition as estimate
from bayesgmm.draws.similarity import similarity

from .style import INK, PALE, component_colors, halo, inches, legend, look, new_axes

#: Cells along a side; more rows are averaged, as many together as it takes.
MOST_CELLS = 800
_TONES = LinearSegmentedColormap.from_list("similarity", ["#FFFFFF", "#CBD8E6", "#7F9DBB", "#3B5B7C", "#14263A"])
# The strip beside the map, as a part of its side.
_STRIP = 0.03
# Labels of clusters need so much of the side of a map, in inches.
_ROOM = 0.16


@look()
def plot_similarity(draws_or_similarity, partition=None, *, memory: float = 1.0, seed=None, ax=None):
    """Draw how probable it is that two rows belong to one cluster, for all pairs.

    Rows stand by cluster, the largest first, and within clusters and between them in the order of a hierarchical
    clustering, so that what is together lies together. The strip at the left has the colours of the clusters; lines
    mark where they end. Of more than 800 rows, neighbours are averaged, and the figure says so.

    Parameters
    ----------
    draws_or_similarity : DataTree, labels (M, N) or similarities (N, N)
        As `bayesgmm.similarity` takes draws; or what it gave.
    partition : Partition or array_like (N,), optional
        Clusters by which the rows are ordered. Without, the one that minimises the bound of the expected variation of
        information (`bayesgmm.partition` with ``loss="vi_bound"``), of draws; of similarities alone, none.
    memory : float
        Gigabytes that the similarities may take.
    seed : int, optional
        For that estimate.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the similarities are not N × N, or `partition` has other rows; or as `bayesgmm.similarity` does.

    References
    ----------
    The order of the leaves is that of Bar-Joseph, Gifford & Jaakkola (2001), up to 800 rows.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> draws = np.tile([0, 0, 0, 1, 1, 2], (20, 1))
    >>> ax = plot_similarity(draws, [0, 0, 0, 1, 1, 2])
    >>> ax.get_title()
    '6 rows in 3 clusters'
    >>> plt.close(ax.figure)
    """
    p, labels = _read(draws_or_similarity, partition, memory, seed)
    order, counts = _in_order(p, labels)
    own, ax = ax is None, new_axes((5.6, 5.0))[0, 0] if ax is None else ax
    each = -(-len(p) // MOST_CELLS)
    n = len(p)
    shown = ax.imshow(_averaged(p, order, each), cmap=_TONES, vmin=0.0, vmax=1.0, extent=[0, n, n, 0],
                      interpolation="nearest")  # fmt: skip
    _draw_strip(ax, counts, n)
    _draw_borders(ax, counts, n)
    clusters = f" in {len(counts)} clusters" if len(counts) > 1 else ""
    averaged = f", {each} by {each} averaged" if each > 1 else ""
    ax.set_title(f"{n} rows{clusters}{averaged}")
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.75, pad=0.03, ticks=[0, 0.25, 0.5, 0.75, 1])
    if own or inches(ax)[1] > 3.0:
        bar.set_label("probability of one cluster", fontsize=8.5)
    else:
        bar.set_ticks([0, 0.5, 1], labels=["0", "½", "1"])
    bar.outline.set_linewidth(0.5)
    return ax


class _Panel(NamedTuple):
    name: str
    labels: np.ndarray
    distance: float | None


@look()
def plot_partition(partition: Partition, x, *, level: float = 0.95, features=None, ball: bool = True, ax=None):
    """Draw a partition of points in the plane beside the bounds of its credible ball.

    Points have the colour and the number of their cluster; in the bounds, that of the cluster of the estimate that
    they share most rows with. In the panel of the estimate a point is larger, and edged, the less sure its place: the
    lower the mean probability that it is with another point of its cluster (`Partition.uncertainty`).

    Parameters
    ----------
    partition : Partition
        As `bayesgmm.partition` gives it.
    x : array_like or frame (N, D)
        The rows, in the same order.
    level : float
        Posterior probability of the ball.
    features : pair of int or str, optional
        Which two to show, by position or name; the first two without. One feature is drawn against the probability
        that a point is with its cluster.
    ball : bool
        Without, the estimate alone.
    ax : Axes, optional
        Where to draw the estimate alone.

    Returns
    -------
    Axes or ndarray of Axes
        The panels: estimate, horizontal, upper and lower bound.

    Raises
    ------
    ValueError
        If `x` has other rows than the partition, or no such feature.

    References
    ----------
    Wade & Ghahramani (2018).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> found = bg.partition([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 2]], seed=0)
    >>> axes = plot_partition(found, [[0.0, 0.0], [0.0, 1.0], [5.0, 5.0], [6.0, 5.0]])
    >>> [panel.get_title().split(":")[0] for panel in axes.ravel()]
    ['estimate', 'horizontal bound', 'upper bound', 'lower bound']
    >>> plt.close(axes[0, 0].figure)
    """
    points, names = _points(partition, x, features)
    own, panels = ax is None, [_Panel("estimate", partition.labels, None)]
    if ball and own:
        found = partition.credible_ball(level)
        panels += [_Panel(f"{name} bound", b.labels, b.distance) for name, b in found.bounds.items()]
    colors = component_colors(max(int(panel.labels.max()) + 1 for panel in panels))
    axes = _panels(len(panels)) if own else np.array([[ax]])
    doubt = 1.0 - partition.uncertainty["together"].values
    for place, (panel, one) in enumerate(zip(panels, axes.ravel())):
        _draw_points(one, points, panel.labels, colors, doubt if place == 0 else None)
        _draw_numbers(one, points, panel.labels)
        one.set_title(_title(panel))
        one.set(xlabel=names[0], ylabel=names[1])
        if own:
            one.label_outer()
    legend(axes[-1, 0], _sizes(), own=own, n_columns=4)
    return axes if len(panels) > 1 else axes[0, 0]


def _read(given, partition, memory: float, seed) -> tuple[np.ndarray, np.ndarray]:
    """Similarities, and labels to order them by."""
    known = hasattr(given, "dims") and not hasattr(given, "children")
    values = None if hasattr(given, "children") else np.asarray(given)
    known = known or (values is not None and values.dtype.kind == "f")
    p = np.asarray(values, dtype=float) if known else similarity(given, memory=memory).values
    if p.ndim != 2 or p.shape[0] != p.shape[1]:
        raise ValueError(f"similarities must be N × N, not of the shape {p.shape}")
    if partition is None:
        return p, np.zeros(len(p), int) if known else estimate(given, loss="vi_bound", memory=memory, seed=seed).labels
    labels = np.asarray(getattr(partition, "labels", as_partition(partition, "partition")))
    if len(labels) != len(p):
        raise ValueError(f"partition must have {len(p)} rows, as the similarities do, not {len(labels)}")
    return p, labels


def _in_order(p: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The rows in order; and each cluster in turn with its size."""
    groups = [np.flatnonzero(labels == k) for k in range(labels.max() + 1)]
    between = np.array([[p[np.ix_(a, b)].mean() for b in groups] for a in groups])
    turn = _leaves(between)
    order = [groups[k][_leaves(p[np.ix_(groups[k], groups[k])])] for k in turn]
    return np.concatenate(order), [(int(k), len(groups[k])) for k in turn]


def _leaves(p: np.ndarray) -> np.ndarray:
    """The order of a hierarchical clustering by average linkage."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(p) < 3:
        return np.arange(len(p))
    apart = 1.0 - 0.5 * (p + p.T)
    np.fill_diagonal(apart, 0.0)
    condensed = squareform(apart, checks=False)
    tree = linkage(condensed, "average")
    return leaves_list(optimal_leaf_ordering(tree, condensed) if len(p) <= MOST_CELLS else tree)


def _averaged(p: np.ndarray, order: np.ndarray, each: int) -> np.ndarray:
    """The rows in order, so many together, the last of them maybe fewer."""
    if each == 1:
        return p[np.ix_(order, order)]
    starts = np.arange(0, len(p), each)
    sizes = np.diff(np.append(starts, len(p)))
    lines = np.add.reduceat(p[order], starts, axis=0)
    return np.add.reduceat(lines[:, order], starts, axis=1) / np.outer(sizes, sizes)


def _draw_strip(ax, counts, n: int):
    """The clusters' colours at the left, and their numbers where there is room."""
    colors = component_colors(max(k for k, _ in counts) + 1)
    rgb = np.repeat([to_rgb(colors[k]) for k, _ in counts], [size for _, size in counts], axis=0)[:, None]
    wide = _STRIP * n
    ax.imshow(rgb, extent=[-1.3 * wide, -0.3 * wide, n, 0], aspect="auto", interpolation="nearest")
    ax.set(xlim=(-1.3 * wide, n), ylim=(n, 0), aspect="equal")
    ends = np.cumsum([size for _, size in counts])
    side = min(inches(ax))
    shown = [i for i, (_, size) in enumerate(counts) if size * side >= _ROOM * n]
    ax.set_yticks([ends[i] - 0.5 * counts[i][1] for i in shown], [str(counts[i][0]) for i in shown])
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("cluster")
    ax.spines[:].set_visible(False)


def _draw_borders(ax, counts, n: int):
    for end in np.cumsum([size for _, size in counts])[:-1]:
        ax.plot([0, n], [end, end], [end, end], [0, n], color=PALE, lw=0.6)


def _points(partition: Partition, x, features) -> tuple[np.ndarray, tuple[str, str]]:
    """The plane (N, 2), and what its axes are called."""
    from bayesgmm.data import as_table

    table = as_table(x)
    if table.n_obs != len(partition.labels):
        raise ValueError(f"x must have the {len(partition.labels)} rows of the partition, not {table.n_obs}")
    names = list(table.features)
    if len(names) == 1:
        values = np.column_stack([table.values[:, 0], partition.uncertainty["together"].values])
        return values, (names[0], "probability to be with its cluster")
    chosen = [0, 1] if features is None else [names.index(f) if f in names else f for f in features]
    if len(chosen) != 2 or any(not isinstance(f, int) or not 0 <= f < len(names) for f in chosen):
        raise ValueError(f"features must be two of {', '.join(names)}, not {features!r}")
    return table.values[:, chosen], (names[chosen[0]], names[chosen[1]])


def _panels(n: int) -> np.ndarray:
    if n == 1:
        return new_axes((5.6, 4.6))
    return new_axes((8.0, 6.8), 2, 2, sharex=True, sharey=True)


def _draw_points(ax, points, labels, colors, doubt):
    rgb, base = np.array([to_rgb(c) for c in colors])[labels], float(np.clip(2500.0 / len(points), 3.0, 14.0))
    doubt = np.zeros(len(points)) if doubt is None else doubt
    order = np.argsort(doubt, kind="stable")
    edges = np.where((doubt > 0.25)[order, None], to_rgb(INK), rgb[order])
    ax.scatter(*points[order].T, s=base + 60.0 * doubt[order], c=rgb[order], alpha=0.75, edgecolors=edges,
               linewidths=0.8 * (doubt[order] > 0.25), rasterized=len(points) > 5000)  # fmt: skip


def _draw_numbers(ax, points, labels):
    """The number of each cluster that is not tiny, at its middle."""
    for k in range(labels.max() + 1):
        rows = np.flatnonzero(labels == k)
        if len(rows) >= max(2, 0.02 * len(labels)):
            ax.annotate(str(k), np.median(points[rows], axis=0), color=INK, weight="bold", ha="center", va="center",
                        fontsize=9.0, path_effects=halo(2.6), zorder=6)  # fmt: skip


def _title(panel: _Panel) -> str:
    n = len(np.unique(panel.labels))
    clusters = "1 cluster" if n == 1 else f"{n} clusters"
    return f"{panel.name}: {clusters}" + ("" if panel.distance is None else f", {panel.distance:.3g} away")


def _sizes() -> list:
    """What the size of a point in the panel of the estimate says."""
    dots = dict(ls="", marker="o", color=PALE)
    return [Line2D([], [], ms=np.sqrt(8.0 + 60.0 * doubt), mec=INK if doubt > 0.25 else PALE,
                   label=f"with its cluster: {1.0 - doubt:g}", **dots) for doubt in (0.0, 0.5, 1.0)]  # fmt: skip
