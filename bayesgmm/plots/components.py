"""Where the components lie: data, ellipses of the posterior and of the MLE. For one feature, their densities."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from bayesgmm.mixture import Mixture

from .density import N_DRAWS as DENSITY_DRAWS
from .density import draw_density
from .reading import Subject, best_features, mixture_of, shares, subject
from .style import INK, component_colors, doubt, halo, legend, look, new_axes

ELLIPSES = 60
MOST_MARKERS = 20_000
_CELLS = 160


@look()
def plot_components(fit_or_draws, x=None, *, mle=None, features=None, level=0.9, ax=None):
    """Draw the data with the components of a posterior, and those of the MLE beside them.

    For two features: points in the colour of their most probable component (cells of counts instead, for more than
    20 000), a thin ellipse for each of 60 posterior draws, a bold one at the posterior mean, the MLE's dashed.
    More features: the pair in `features`. One feature: histogram, rug, and densities with a credible band. Where labels
    are uncertain (`bayesgmm.diagnose`), the figure says so.

    Parameters
    ----------
    fit_or_draws : DataTree, Fit or Mixture
        Posterior draws as `bayesgmm.sample` returns them, or a point estimate.
    x : array_like or frame (N, D), optional
        The data; for draws, their own ``observed_data`` without it. Without either, no points are drawn.
    mle : Fit or Mixture, optional
        A point estimate to draw beside it.
    features : pair of str or int, optional
        Which two features to show, of three or more (or one of them). Without it, the pair whose components overlap
        least, by Bhattacharyya's bound.
    level : float
        Probability that an ellipse contains, of its component in these two features; for one feature, the content
        of the pointwise credible band. An ellipse's Mahalanobis radius is √χ²₂(level).
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1, the features are unknown or not one or two, or the data do not fit them.
    TypeError
        If `fit_or_draws` or `mle` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> m = Mixture([0.5, 0.5], [[0.0, 0.0], [4.0, 1.0]], [np.eye(2), np.eye(2)], features=("length", "width"))
    >>> ax = plot_components(m, m.sample(100, seed=1)[0])
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('length', 'width')
    >>> plt.close(ax.figure)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is the probability an ellipse contains, strictly between 0 and 1, not {level}")
    n_draws = max(ELLIPSES, DENSITY_DRAWS)
    what, mle = subject(fit_or_draws, x, n_draws), None if mle is None else mixture_of(mle)
    shown = _shown(what.point, features)
    own, ax = ax is None, new_axes((6.4, 5.0))[0, 0] if ax is None else ax
    handles = (draw_density if len(shown) == 1 else _draw_plane)(ax, what, mle, shown, level)
    legend(ax, handles, own=own)
    if what.sample is not None:
        doubt(ax, fit_or_draws, own=own)
    return ax


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


def _shown(mixture: Mixture, features) -> list[int]:
    if features is None:
        return best_features(mixture, 2)
    names = [features] if isinstance(features, str | int) else list(features)
    unknown = [f for f in names if f not in mixture.features and f not in range(mixture.n_features)]
    if unknown or len(names) not in (1, 2) or len(set(names)) < len(names):
        raise ValueError(f"features must name one or two of {list(mixture.features)}, not {names}")
    return [mixture.features.index(f) if f in mixture.features else int(f) for f in names]


def _draw_plane(ax, what: Subject, mle: Mixture | None, shown: list[int], level: float) -> list[Line2D]:
    colors = component_colors(what.point.n_components)
    if what.rows is not None:
        _draw_rows(ax, what.rows[:, shown], shares(what).argmax(axis=1), colors)
    if what.sample is not None:
        _draw_sample(ax, what.sample, shown, level, colors)
    _draw_point(ax, what.point, shown, level, colors)
    if mle is not None:
        _draw_mle(ax, mle, shown, level)
    _name_axes(ax, what.point, shown, level)
    return _plane_handles(what, mle, colors)


def _draw_rows(ax, rows, labels, colors):
    if len(rows) > MOST_MARKERS:
        return _draw_counts(ax, rows, labels, colors)
    size = float(np.clip(4500.0 / len(rows), 3.0, 18.0))
    rgb = np.array([to_rgb(c) for c in colors])
    # Shuffled, so that no component hides another by coming last.
    order = np.random.default_rng(0).permutation(len(rows))
    ax.scatter(*rows[order].T, s=size, c=rgb[labels[order]], alpha=0.45, linewidths=0, rasterized=len(rows) > 5000)


def _draw_counts(ax, rows, labels, colors):
    """Cells whose colour mixes those of the components in proportion, deeper where there are more points."""
    ends = [(column.min(), column.max()) for column in rows.T]
    counts = [np.histogram2d(*rows[labels == k].T, bins=_CELLS, range=ends)[0].T for k in range(len(colors))]
    total = np.sum(counts, axis=0)
    rgb = np.einsum("kij,kc->ijc", counts, [to_rgb(c) for c in colors]) / np.maximum(total, 1)[..., None]
    depth = np.where(total > 0, 0.15 + 0.6 * np.log1p(total) / np.log1p(total.max()), 0.0)
    extent = [*ends[0], *ends[1]]
    ax.imshow(np.dstack([rgb, depth]), origin="lower", extent=extent, aspect="auto", interpolation="nearest")


def _draw_sample(ax, sample, shown, level, colors):
    means = sample.means[:ELLIPSES][..., shown]
    covariances = sample.covariances[:ELLIPSES][..., shown, :][..., shown]
    for k, color in enumerate(colors):
        curves = [ellipse(m, c, level, 61) for m, c in zip(means[:, k], covariances[:, k])]
        ax.add_collection(LineCollection(curves, colors=color, linewidths=0.6, alpha=0.22, gid=f"draws-{k}"))
    ax.autoscale_view()


def _draw_point(ax, mixture, shown, level, colors):
    for k, (curve, mean) in enumerate(_curves(mixture, shown, level)):
        ax.plot(*curve.T, color=colors[k], lw=2.2, gid=f"point-{k}", path_effects=halo(3.6))
        ax.plot(*mean, "o", color=colors[k], ms=6, mec="white", mew=1.0)


def _draw_mle(ax, mixture, shown, level):
    for k, (curve, mean) in enumerate(_curves(mixture, shown, level)):
        ax.plot(*curve.T, color=INK, lw=1.3, ls=(0, (4, 2.5)), gid=f"mle-{k}", zorder=4)
        ax.plot(*mean, "x", color=INK, ms=6.5, mew=1.5, zorder=5, path_effects=halo(3.0))


def _curves(mixture, shown, level):
    for mean, covariance in zip(mixture.means, mixture.covariances):
        yield ellipse(mean[shown], covariance[np.ix_(shown, shown)], level), mean[shown]


def _name_axes(ax, mixture, shown, level):
    names = [mixture.features[j] for j in shown]
    ax.set(xlabel=names[0], ylabel=names[1])
    pair = f"{names[0]} and {names[1]}, 2 of {mixture.n_features} features\n" if mixture.n_features > 2 else ""
    ax.set_title(f"{pair}each ellipse holds {100 * level:g} % of its component")


def _plane_handles(what: Subject, mle: Mixture | None, colors) -> list[Line2D]:
    weights = what.point.weights
    handles = [Line2D([], [], color=c, lw=2.2, marker="o", ms=5, mec="white", label=f"component {k} (weight {w:.2f})")
               for k, (c, w) in enumerate(zip(colors, weights))]  # fmt: skip
    handles.append(Line2D([], [], color="#666666", lw=2.2, label=what.name))
    if what.sample is not None:
        handles.append(Line2D([], [], color="#666666", lw=0.6, label="posterior draws"))
    if mle is not None:
        handles.append(Line2D([], [], color=INK, lw=1.3, ls=(0, (3, 2)), marker="x", ms=6, label="MLE"))
    return handles
