"""Where the components lie: data, ellipses of the posterior and of the MLE. For one feature, their densities."""

from __future__ import annotations

from matplotlib.lines import Line2D

from bayesgmm.mixture import Mixture

from .density import N_DRAWS as DENSITY_DRAWS
from .density import draw_density
from .names import positions
from .plane import ELLIPSES, draw_mle, draw_point, draw_rows, draw_sample
from .reading import Subject, best_features, mixture_of, subject
from .style import INK, component_colors, doubt, legend, look, new_axes


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


def _shown(mixture: Mixture, features) -> list[int]:
    if features is None:
        return best_features(mixture, 2)
    return positions(mixture.features, features, 2)


def _draw_plane(ax, what: Subject, mle: Mixture | None, shown: list[int], level: float) -> list[Line2D]:
    colors = component_colors(what.point.n_components)
    if what.rows is not None:
        draw_rows(ax, what.rows[:, shown], what.labels, colors)
    if what.sample is not None:
        draw_sample(ax, what.sample, shown, level, colors)
    draw_point(ax, what.point, shown, level, colors)
    if mle is not None:
        draw_mle(ax, mle, shown, level)
    _name_axes(ax, what.point, shown, level)
    return _plane_handles(what, mle, colors)


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
