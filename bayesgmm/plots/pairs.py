"""Every pair of features, and each feature alone: data and components of a mixture in three dimensions or more."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from bayesgmm.draws.densities import predictive_density
from bayesgmm.mixture import Mixture

from .names import positions
from .plane import ELLIPSES, draw_mle, draw_point, draw_rows, draw_sample
from .predictive import draw_histogram
from .reading import Subject, best_features, mixture_of, subject
from .style import INK, PALE, WASH, component_colors, doubt, look, new_axes

MOST_FEATURES = 6
_REACH, _POINTS = 3.2, 240


@look()
def plot_pairs(fit_or_draws, x=None, *, features=None, mle=None, level=0.9, axes=None):
    """Draw every pair of features below the diagonal, and each feature alone on it.

    Below: points in the colour of their most probable component (cells of counts, for more than 20 000), a thin
    ellipse for each of 60 posterior draws, a bold one at the posterior mean, the MLE's dashed. On the diagonal:
    histogram, predictive density with its pointwise credible band, and each component's share of the density at the
    posterior mean. Where labels are uncertain (`bayesgmm.diagnose`), the figure says so.

    Parameters
    ----------
    fit_or_draws : DataTree, Fit or Mixture
        Posterior draws, or a point estimate.
    x : array_like or frame (N, D), optional
        The data; for draws, their own ``observed_data`` without it.
    features : sequence of str or int, optional
        Which features, in this order. Without it all of them, or the six that separate the components best.
    mle : Fit or Mixture, optional
        A point estimate to draw beside it.
    level : float
        Probability that an ellipse contains of its component, and content of the bands.
    axes : array of Axes (d, d), optional
        Where to draw; a new figure without.

    Returns
    -------
    ndarray (d, d)
        Axes on the diagonal and below; None above.

    Raises
    ------
    ValueError
        If `level` is not between 0 and 1, a feature is unknown or named twice, there are more than six, or `axes` are
        too few.
    TypeError
        If `fit_or_draws` or `mle` is something else.

    Examples
    --------
    >>> from matplotlib import pyplot as plt
    >>> m = Mixture([0.5, 0.5], [[0.0, 0, 0], [4.0, 1, 2]], [np.eye(3), np.eye(3)], features=("a", "b", "c"))
    >>> axes = plot_pairs(m, m.sample(50, seed=1)[0])
    >>> axes.shape, axes[2, 0].get_xlabel(), axes[2, 0].get_ylabel(), axes[0, 1] is None
    ((3, 3), 'a', 'c', True)
    >>> plt.close(axes[0, 0].figure)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is the probability an ellipse contains, strictly between 0 and 1, not {level}")
    what, mle = subject(fit_or_draws, x, ELLIPSES), None if mle is None else mixture_of(mle)
    shown = _shown(what.point, features)
    own, axes = axes is None, _new_axes(len(shown)) if axes is None else _given_axes(axes, len(shown))
    colors = component_colors(what.point.n_components)
    for i, row in enumerate(shown):
        for j, column in enumerate(shown[:i]):
            _draw_pair(axes[i, j], what, mle, [column, row], level, colors)
        _draw_alone(axes[i, i], fit_or_draws, what, mle, row, level, colors)
    _share_limits(axes)
    _name_axes(axes, [what.point.features[j] for j in shown], own=own)
    if own:
        _explain(axes, what, mle, level, colors, len(shown))
    if what.sample is not None:
        doubt(axes[0, 0], fit_or_draws, own=own)
    return axes


def _shown(mixture: Mixture, features) -> list[int]:
    if features is None:
        return best_features(mixture, min(MOST_FEATURES, mixture.n_features))
    return positions(mixture.features, features, MOST_FEATURES)


def _new_axes(n: int) -> np.ndarray:
    side = {1: 4.4, 2: 3.1, 3: 2.4, 4: 2.1}.get(n, 1.75)
    axes = new_axes((side * n + 0.4, side * n + (1.0 if n < 3 else 0.3)), n, n)
    axes[0, 0].figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04)
    for above in axes[np.triu_indices(n, 1)]:
        above.remove()
    return _lower(axes)


def _given_axes(axes, n: int) -> np.ndarray:
    axes = np.atleast_2d(np.asarray(axes, dtype=object))
    if axes.shape != (n, n):
        raise ValueError(f"axes must be an array of {n} × {n} Axes for {n} features, not of shape {axes.shape}")
    for above in axes[np.triu_indices(n, 1)]:
        above.set_axis_off()
    return _lower(axes)


def _lower(axes: np.ndarray) -> np.ndarray:
    kept = np.array(axes, dtype=object)
    kept[np.triu_indices(len(kept), 1)] = None
    return kept


def _draw_pair(ax, what: Subject, mle, shown: list[int], level, colors):
    if what.rows is not None:
        draw_rows(ax, what.rows[:, shown], what.labels, colors)
    if what.sample is not None:
        draw_sample(ax, what.sample, shown, level, colors)
    draw_point(ax, what.point, shown, level, colors)
    if mle is not None:
        draw_mle(ax, mle, shown, level)


def _draw_alone(ax, fit_or_draws, what: Subject, mle, j: int, level, colors):
    line = what.point.marginal([j])
    if what.rows is not None:
        draw_histogram(ax, what.rows[:, j], np.array([to_rgb(c) for c in colors])[what.labels])
    axis = _axis(line, None if what.rows is None else what.rows[:, j])
    found = predictive_density(fit_or_draws, axis, features=j, ci_prob=level)
    if "lower" in found:
        ax.fill_between(axis, found["lower"], found["upper"], color=PALE, alpha=0.5, lw=0, gid="band")
    ax.plot(axis, found["density"], color=INK, lw=1.3, gid="density")
    if len(colors) > 1:
        parts = line.prob(axis)[:, None] * line.responsibilities(axis)
        for part, color in zip(parts.T, colors):
            ax.plot(axis, part, color=color, lw=1.2)
    if mle is not None:
        ax.plot(axis, mle.marginal([j]).prob(axis), color=INK, lw=1.1, ls=(0, (4, 2.5)))
    ax.set_ylim(bottom=0.0)


def _axis(line: Mixture, values) -> np.ndarray:
    """An even grid, and points of each component's own."""
    sds = np.sqrt(line.covariances[:, 0, 0])
    own = line.means + sds[:, None] * np.linspace(-_REACH, _REACH, 25)
    ends = [own.min(), own.max()] if values is None else [min(own.min(), values.min()), max(own.max(), values.max())]
    return np.unique(np.concatenate([np.linspace(*ends, _POINTS), own.ravel()]))


def _share_limits(axes: np.ndarray):
    """Each feature reaches as far in every panel."""
    n = len(axes)
    for j in range(n):
        columns, rows = [axes[i, j] for i in range(j, n)], [axes[j, i] for i in range(j)]
        limits = np.array([ax.get_xlim() for ax in columns] + [ax.get_ylim() for ax in rows])
        ends = limits[:, 0].min(), limits[:, 1].max()
        for ax in columns:
            ax.set_xlim(*ends)
        for ax in rows:
            ax.set_ylim(*ends)


def _name_axes(axes: np.ndarray, names: list[str], *, own: bool):
    n = len(names)
    for (i, j), ax in np.ndenumerate(axes):
        if ax is None:
            continue
        few = MaxNLocator(3 if n > 2 else 5, min_n_ticks=2)
        ax.xaxis.set_major_locator(few)
        ax.tick_params(labelsize=8.0 if n > 2 else 8.5)
        if i == n - 1:
            ax.set_xlabel(names[j])
        else:
            ax.tick_params(labelbottom=False)
        if i == j:
            ax.set_yticks([])
            ax.spines["left"].set_visible(False)
        else:
            ax.yaxis.set_major_locator(MaxNLocator(3 if n > 2 else 5, min_n_ticks=2))
            ax.tick_params(labelleft=j == 0)
        if j == 0 and i > 0:
            ax.set_ylabel(names[i])
    if own:
        axes[0, 0].figure.align_labels()


def _explain(axes, what: Subject, mle, level: float, colors, n: int):
    """The legend, in the empty upper triangle where there is one that is large enough."""
    figure = axes[0, 0].figure
    handles = [Line2D([], [], color=c, lw=2.2, marker="o", ms=5, mec="white", label=f"component {k} (weight {w:.2f})")
               for k, (c, w) in enumerate(zip(colors, what.point.weights))]  # fmt: skip
    bold = Line2D([], [], color="#666666", lw=2.2, label=f"{what.name}: holds {100 * level:g} %")
    handles += [bold] if n > 1 else []
    handles += [Line2D([], [], color=INK, lw=1.3, label="density")]
    if what.sample is not None:
        handles += [Line2D([], [], color="#666666", lw=0.6, label="posterior draws")] if n > 1 else []
        handles += [Patch(color=PALE, alpha=0.5, lw=0, label=f"{100 * level:g} % band, pointwise")]
    if mle is not None:
        handles += [Line2D([], [], color=INK, lw=1.3, ls=(0, (3, 2)), marker="x", ms=6, label="MLE")]
    if what.rows is not None:
        handles += [Patch(color=WASH, label="data")]
    left = what.point.n_features - n
    title = f"{n} of {what.point.n_features} features" if left else None
    if n < 3:
        figure.legend(handles=handles, loc="outside lower center", ncols=3, title=title)
    else:
        # As high as the first panel, which leaves room for a title above it.
        place = blended_transform_factory(figure.transFigure, axes[0, 0].transAxes)
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.99, 1.0), bbox_transform=place, title=title)
