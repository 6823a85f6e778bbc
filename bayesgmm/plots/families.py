"""What the covariance families look like: three components of each, in the plane."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt

from bayesgmm.families import FAMILIES, ROTATION, Family, family

from .plane import ellipse
from .style import INK, PALE, component_colors, look

_CENTRES = np.array([[-1.0, -0.62], [1.05, -0.55], [0.0, 0.8]])
_LEVEL, _SIZE = 0.9, 0.052
# What varies takes these values, and what is equal the first: volumes; the longer axis in the shorter; angles.
_VOLUMES, _RATIOS, _ANGLES = (1.0, 0.45, 1.75), (2.6, 4.6, 1.6), (35.0, 115.0, 155.0)
_PART = {"E": "equal", "V": "varying", "I": "–"}
_WORDS = (
    "A code has three letters, for volume, shape and orientation.\n"
    "E: equal, one for all components.    V: varying, one for each.\n"
    "I: none; spherical, or along the features.\n"
    "A ring in the corner: a fit depends on the units of the features."
)


@look()
def plot_families(covariance_type=None, *, ax=None):
    """Draw what each of the fourteen covariance families lets three components look like.

    Ellipses hold 90 %. A ring in the corner marks families that do not stay themselves when single features are scaled:
    a fit depends on the features' units.

    Parameters
    ----------
    covariance_type : str or Family, optional
        The one to draw; all of them without.
    ax : Axes, optional
        Where to draw one.

    Returns
    -------
    Axes, or ndarray of Axes (14,)

    Raises
    ------
    ValueError
        If there is no such family of several features, or Axes are given for all of them.

    References
    ----------
    Celeux & Govaert (1995), figure 1; Scrucca et al. (2016), figure 2.

    Examples
    --------
    >>> ax = plot_families("VEI")
    >>> ax.get_title()
    'VEI'
    >>> plt.close(ax.figure)
    """
    if covariance_type is not None:
        kind = family(covariance_type, n_features=2)
        return _draw(plt.figure(figsize=(2.6, 2.5), layout="constrained").add_subplot() if ax is None else ax, kind)
    if ax is not None:
        raise ValueError("fourteen families do not fit into one Axes: name one, as plot_families('VEI', ax=ax)")
    figure = plt.figure(figsize=(8.4, 8.6), layout="constrained")
    figure.get_layout_engine().set(hspace=0.1, h_pad=0.1, wspace=0.04)
    grid = figure.add_gridspec(4, 4)
    places = [(0, 0), (0, 1), *((row, column) for row in (1, 2, 3) for column in range(4))]
    pairs = zip(places, FAMILIES, strict=True)
    axes = np.array([_draw(figure.add_subplot(grid[place]), kind) for place, kind in pairs])
    words = figure.add_subplot(grid[0, 2:])
    words.axis("off")
    words.text(0.04, 0.5, _WORDS, va="center", color=INK, fontsize=8, linespacing=1.7, transform=words.transAxes)
    return axes


def example(kind: Family) -> np.ndarray:
    """Covariances (3, 2, 2) of a family, whose parts vary as much as it lets them.

    Examples
    --------
    >>> np.linalg.det(example(family("EVV"))).round(6).tolist()
    [0.002704, 0.002704, 0.002704]
    """
    volume, shape, axes = kind.letters
    sizes = _SIZE * np.array(_VOLUMES if volume == "V" else (1.0,) * 3)
    ratios = {"V": _RATIOS, "E": (2.6,) * 3, "I": (1.0,) * 3}[shape]
    angles = np.radians({"V": _ANGLES, "E": (35.0,) * 3, "I": (0.0,) * 3}[axes])
    turn = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    values = sizes[:, None] * np.array([(r**0.5, r**-0.5) for r in ratios])
    return (turn * values[:, None, :]) @ turn.mT


def _draw(ax, kind: Family):
    for mean, covariance, color in zip(_CENTRES, example(kind), component_colors(3), strict=True):
        curve = ellipse(mean, covariance, _LEVEL)
        ax.fill(*curve.T, color=color, alpha=0.22, lw=0)
        ax.plot(*curve.T, color=color, lw=1.6)
        ax.plot(*mean, "o", color=color, ms=2.5)
    ax.set(xlim=(-2.05, 2.05), ylim=(-1.65, 1.75), aspect="equal", xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(True)
    for spine in ax.spines.values():
        spine.set(color=PALE, lw=0.5)
    ax.set_title(kind.code if kind.alias == kind.code else f"{kind.code}  ({kind.alias})", color=INK, weight="bold")
    ax.set_xlabel(_caption(kind), fontsize=7.5, color=INK, linespacing=1.3)
    if kind.units == ROTATION:
        ax.plot(0.93, 0.07, "o", ms=5, mfc="none", mec=INK, mew=0.9, transform=ax.transAxes)
    return ax


def _caption(kind: Family) -> str:
    volume, shape, axes = kind.letters
    if kind.is_round:
        return f"spherical\nvolume {_PART[volume]}"
    oriented = "along the features" if kind.is_diagonal else f"orientation {_PART[axes]}"
    return f"volume {_PART[volume]}, shape {_PART[shape]}\n{oriented}"
