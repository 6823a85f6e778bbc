"""One Gaussian of two features: its density as a surface, and its contours."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from bayesgmm.mixture import Mixture

from .plane import ellipse
from .style import INK, PALETTE, halo, inches, look, new_axes

KINDS = ("surface", "contours")
LEVELS = (0.5, 0.8, 0.95)
_SIDE, _REACH = 81, 3.2
_ARROW = dict(arrowstyle="-|>", color="white", lw=1.2, shrinkA=0.0, shrinkB=0.0, mutation_scale=8.0)


@look()
def plot_gaussian(mean=(0, 0), covariance=((2, 0), (0, 1)), *, kind=None, features=None, ax=None):
    """Draw the density of N(μ, Σ) in two features: as a surface over the plane, and by its contours.

    The contours are the ellipses that hold 50, 80 and 95 %, of Mahalanobis radius √χ²₂; the arrows are Σ's principal
    axes, √λ long, the sds along them.

    Parameters
    ----------
    mean : array_like (2,)
    covariance : array_like (2, 2)
    kind : {"surface", "contours"}, optional
        Without it, both side by side in a new figure; in Axes that are given, whichever they are made for.
    features : pair of str, optional
        Names of the axes; x0 and x1 without.
    ax : Axes, optional
        Where to draw; for a surface, with ``projection="3d"``.

    Returns
    -------
    Axes, or ndarray of Axes (2,)
        The surface, then the contours, where both are drawn.

    Raises
    ------
    ValueError
        If the covariance is no positive definite (2, 2) matrix, `kind` is unknown, or Axes do not suit it.

    Examples
    --------
    >>> axes = plot_gaussian()
    >>> axes[0].get_zlabel()
    'density p(x)'
    >>> plt.close(axes[0].figure)
    >>> ax = plot_gaussian([1, 2], [[2, 1], [1, 1]], kind="contours", features=("height", "weight"))
    >>> ax.get_xlabel()
    'height'
    >>> plt.close(ax.figure)
    """
    names = ("x0", "x1") if features is None else tuple(map(str, features))
    means = np.atleast_2d(np.asarray(mean, dtype=float))
    covariances = np.asarray(covariance, dtype=float)
    if means.shape != (1, 2) or covariances.shape != (2, 2) or len(names) != 2:
        raise ValueError("one Gaussian of two features is drawn: give a mean of 2 numbers, a covariance of 2 × 2 "
                         "and two names, if any")  # fmt: skip
    mixture = Mixture([1.0], means, covariances[None], features=names)
    kind = _kind(kind, ax)
    if kind is None:
        figure = plt.figure(figsize=(9.8, 4.2), layout="constrained")
        figure.get_layout_engine().set(wspace=0.14)
        axes = np.array([figure.add_subplot(1, 2, 1, projection="3d"), figure.add_subplot(1, 2, 2)])
        return np.array([_draw_surface(axes[0], mixture), _draw_contours(axes[1], mixture)])
    if kind == "surface":
        return _draw_surface(plt.figure(figsize=(5.2, 4.4)).add_subplot(projection="3d") if ax is None else ax, mixture)
    return _draw_contours(new_axes((5.2, 4.2))[0, 0] if ax is None else ax, mixture)


def _kind(kind, ax) -> str | None:
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be 'surface' or 'contours', not {kind!r}; leave it out for both")
    made_for = None if ax is None else "surface" if ax.name == "3d" else "contours"
    if kind is not None and made_for not in (None, kind):
        raise ValueError(f"these Axes are made for {made_for}: a surface needs projection='3d', contours plain ones")
    return kind or made_for


def _shades() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("density", ["white", "#A9C9E3", PALETTE[0], "#00324F"])


def _grid(mixture: Mixture):
    """Two axes (n,), n, and p over them (n, n)."""
    mean, sds = mixture.means[0], np.sqrt(np.diagonal(mixture.covariances[0]))
    axes = [m + s * np.linspace(-_REACH, _REACH, _SIDE) for m, s in zip(mean, sds)]
    points = np.stack(np.meshgrid(*axes), axis=-1)
    return axes, mixture.prob(points.reshape(-1, 2)).reshape(_SIDE, _SIDE)


def _draw_surface(ax, mixture: Mixture):
    axes, density = _grid(mixture)
    ax.plot_surface(*np.meshgrid(*axes), density, cmap=_shades(), vmin=-0.15 * density.max(), rcount=61, ccount=61,
                    linewidth=0.25, edgecolor=(1.0, 1.0, 1.0, 0.3))  # fmt: skip
    for level in LEVELS:
        ax.plot(*ellipse(mixture.means[0], mixture.covariances[0], level).T, 0.0, color=INK, lw=0.7)
    ax.set(xlabel=mixture.features[0], ylabel=mixture.features[1])
    ax.set_zlabel("density p(x)", labelpad=6)
    ax.set_zlim(0.0, 1.05 * density.max())
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_locator(MaxNLocator(4))
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis._axinfo["grid"].update(color="#DDDDDD", linewidth=0.5)
    ax.tick_params(labelsize=8.0, pad=0)
    # Layouts take no account of the labels in three dimensions: neighbours need room.
    ax.set_box_aspect(None, zoom=0.84 if inches(ax)[0] > 3.2 else 0.7)
    ax.view_init(28, -58)
    return ax


def _draw_contours(ax, mixture: Mixture):
    axes, density = _grid(mixture)
    mean, covariance = mixture.means[0], mixture.covariances[0]
    filled = ax.contourf(*axes, density, levels=np.linspace(0.02, 1.0, 13) * density.max(), cmap=_shades(), vmin=0.0,
                         zorder=0)  # fmt: skip
    for level in LEVELS:
        curve = ellipse(mean, covariance, level)
        ax.plot(*curve.T, color=INK, lw=1.0, gid=f"level-{level:g}", path_effects=halo(2.0))
        top = curve[curve[:, 1].argmax()]
        ax.annotate(f"{100 * level:g} %", top, (0, 5), textcoords="offset points", ha="center", va="center",
                    fontsize=7.5, path_effects=halo(2.6), zorder=5)  # fmt: skip
    values, vectors = np.linalg.eigh(covariance)
    for value, vector in zip(values, vectors.T):
        ax.annotate("", mean + np.sqrt(value) * vector, mean, arrowprops=_ARROW)
    ax.set(xlabel=mixture.features[0], ylabel=mixture.features[1])
    sds = np.sqrt(np.diagonal(covariance))
    # Right angles are seen as such, unless the units are so different that nothing else would be.
    ax.set_aspect("equal" if sds.max() < 4.0 * sds.min() else "auto")
    ax.set(xlim=axes[0][[0, -1]], ylim=axes[1][[0, -1]])
    bar = ax.figure.colorbar(filled, ax=ax, shrink=0.75, pad=0.02)
    bar.set_label("density p(x)")
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(5))
    return ax
