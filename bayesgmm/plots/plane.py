"""Components in the plane of two features: rows, and the ellipses of a posterior and of the MLE."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from .style import INK, halo, inches

ELLIPSES = 60
MOST_MARKERS = 20_000
_CELLS = 160


def ellipse(mean, covariance, level: float, n_vertices: int = 121) -> np.ndarray:
    """The closed curve (n_vertices, 2) within which N(mean, covariance) has probability `level`.

    Examples
    --------
    >>> ellipse(np.zeros(2), np.eye(2), level=0.9)[0].round(4)
    array([2.146, 0.   ])
    """
    from scipy.special import chdtri

    angle = np.linspace(0.0, 2.0 * np.pi, n_vertices)
    circle = np.sqrt(chdtri(2, 1.0 - level)) * np.column_stack([np.cos(angle), np.sin(angle)])
    return mean + circle @ np.linalg.cholesky(covariance).T


def draw_rows(ax, rows, labels, colors):
    """Rows (N, 2) in the colours of their labels: points, or cells of counts for more than 20 000."""
    if len(rows) > MOST_MARKERS:
        return _draw_counts(ax, rows, labels, colors)
    size = float(np.clip(4500.0 / len(rows), 3.0, 18.0)) * _room(ax) ** 2
    rgb = np.array([to_rgb(c) for c in colors])
    # Shuffled, so that no component hides another by coming last.
    order = np.random.default_rng(0).permutation(len(rows))
    ax.scatter(*rows[order].T, s=size, c=rgb[labels[order]], alpha=0.45, linewidths=0, rasterized=len(rows) > 5000)


def draw_sample(ax, sample, shown, level, colors):
    """A thin ellipse for each of 60 draws, of every component."""
    means = sample.means[:ELLIPSES][..., shown]
    covariances = sample.covariances[:ELLIPSES][..., shown, :][..., shown]
    for k, color in enumerate(colors):
        curves = [ellipse(m, c, level, 61) for m, c in zip(means[:, k], covariances[:, k])]
        ax.add_collection(LineCollection(curves, colors=color, linewidths=0.6, alpha=0.22, gid=f"draws-{k}"))
    ax.autoscale_view()


def draw_point(ax, mixture, shown, level, colors):
    """A bold ellipse for each component, with its number, which tells them apart in print."""
    room = _room(ax)
    for k, (curve, mean) in enumerate(_curves(mixture, shown, level)):
        ax.plot(*curve.T, color=colors[k], lw=2.2 * room, gid=f"point-{k}", path_effects=halo(3.6 * room))
        ax.plot(*mean, "o", color=colors[k], ms=6 * room, mec="white", mew=1.0)
        if len(colors) > 1:
            # By the white edge of a bold figure, above every ellipse.
            ax.annotate(str(k), mean, (4, 3), textcoords="offset points", color=INK, weight="bold", zorder=6,
                        fontsize=8.5 if room == 1.0 else 7.0, path_effects=halo(2.4))  # fmt: skip


def draw_mle(ax, mixture, shown, level):
    """Its ellipses, dashed, and a cross at each mean."""
    room = _room(ax)
    for k, (curve, mean) in enumerate(_curves(mixture, shown, level)):
        ax.plot(*curve.T, color=INK, lw=1.3 * room, ls=(0, (4, 2.5)), gid=f"mle-{k}", zorder=4)
        ax.plot(*mean, "x", color=INK, ms=6.5 * room, mew=1.5 * room, zorder=5, path_effects=halo(3.0))


def _draw_counts(ax, rows, labels, colors):
    """Cells whose colour mixes those of the components in proportion, deeper where there are more points."""
    ends = [(column.min(), column.max()) for column in rows.T]
    counts = [np.histogram2d(*rows[labels == k].T, bins=_CELLS, range=ends)[0].T for k in range(len(colors))]
    total = np.sum(counts, axis=0)
    rgb = np.einsum("kij,kc->ijc", counts, [to_rgb(c) for c in colors]) / np.maximum(total, 1)[..., None]
    depth = np.where(total > 0, 0.15 + 0.6 * np.log1p(total) / np.log1p(total.max()), 0.0)
    extent = [*ends[0], *ends[1]]
    ax.imshow(np.dstack([rgb, depth]), origin="lower", extent=extent, aspect="auto", interpolation="nearest")


def _curves(mixture, shown, level):
    for mean, covariance in zip(mixture.means, mixture.covariances):
        yield ellipse(mean[shown], covariance[np.ix_(shown, shown)], level), mean[shown]


def _room(ax) -> float:
    """How bold marks may be: 1, or less on Axes narrower than three inches."""
    return 1.0 if inches(ax)[0] >= 3.0 else 0.65
