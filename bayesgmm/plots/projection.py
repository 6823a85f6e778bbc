"""Components where they differ most: rows and ellipses in the plane of two directions."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D

from bayesgmm.reduction import Projection, project

from .plane import draw_point, draw_rows
from .style import component_colors, inches, legend, look, new_axes


@look()
def plot_projection(fit_or_draws, x=None, *, directions=(1, 2), level=0.9, balance=0.5, ax=None):
    """Draw rows and components in the plane that shows the components apart.

    Parameters
    ----------
    fit_or_draws : Fit, Mixture, DataTree or Projection
        What `bayesgmm.project` takes, or what it gave.
    x : array, frame or file (N, D), optional
        Rows, in the colour of their most probable component; of draws or fits none are drawn without it.
    directions : pair of int
        Which two, counted from 1.
    level : float
        Probability that an ellipse contains, of its component in this plane.
    balance : float
        As for `bayesgmm.project`.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes
        Each axis is named by the features that it is correlated with most.

    Raises
    ------
    ValueError
        If there are not two directions, or an argument is out of range.

    Examples
    --------
    >>> from bayesgmm import Mixture
    >>> from matplotlib import pyplot as plt
    >>> means = [[0.0, 0.0, 0.0], [4.0, 1.0, 0.0], [0.0, 4.0, 0.0]]
    >>> m = Mixture(np.full(3, 1 / 3), means, np.tile(np.eye(3), (3, 1, 1)), features=("length", "width", "depth"))
    >>> ax = plot_projection(m, m.sample(100, seed=1)[0])
    >>> ax.get_xlabel().splitlines()[0]
    'direction 1: 57 % of the differences'
    >>> plt.close(ax.figure)
    """
    if not 0 < level < 1:
        raise ValueError(f"level is the probability an ellipse contains, strictly between 0 and 1, not {level}")
    seen = fit_or_draws if isinstance(fit_or_draws, Projection) else project(fit_or_draws, x, balance=balance)
    shown = _shown(seen, directions)
    scores = seen.scores if x is None or seen is not fit_or_draws else seen(x)
    own, ax = ax is None, new_axes((6.4, 5.2))[0, 0] if ax is None else ax
    colors = component_colors(seen.mixture.n_components)
    if scores is not None:
        draw_rows(ax, scores[:, shown], seen.mixture.predict(scores), colors)
    draw_point(ax, seen.mixture, shown, level, colors)
    _name_axes(ax, seen, shown, level)
    handles = [Line2D([], [], color=c, lw=2.2, marker="o", ms=5, mec="white", label=f"component {k} (weight {w:.2f})")
               for k, (c, w) in enumerate(zip(colors, seen.mixture.weights))]  # fmt: skip
    if own:
        legend(ax, handles, own=own)
    return ax


def _name_axes(ax, seen: Projection, shown, level: float) -> None:
    is_small = min(inches(ax)) < 3.5
    of, most, size = ("", 1, 8.0) if is_small else (" of the differences", 3, 9.5)
    labels = [f"direction {p + 1}: {100 * seen.strength[p]:.0f} %{of}\n{seen.named(p, most)}" for p in shown]
    ax.set_xlabel(labels[0], fontsize=size)
    ax.set_ylabel(labels[1], fontsize=size)
    between = "\n" if is_small else "; "
    ax.set_title(f"2 of {len(seen.strength)} directions{between}each ellipse holds {100 * level:g} % of its component",
                 fontsize=size)  # fmt: skip


def _shown(seen: Projection, directions) -> list[int]:
    asked, n = [int(p) - 1 for p in np.atleast_1d(directions)], len(seen.strength)
    if n < 2:
        raise ValueError("one direction alone tells the components apart: draw its scores as a histogram, or look at "
                         "plot_components")  # fmt: skip
    if len(asked) != 2 or asked[0] == asked[1] or not all(0 <= p < n for p in asked):
        raise ValueError(f"directions must be two of 1 … {n}, not {directions!r}")
    return asked
