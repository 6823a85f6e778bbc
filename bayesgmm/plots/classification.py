"""Probabilities of classes beside what came true, and which class was taken for which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .style import ALERT, INK, PALE, PALETTE, WASH, inches, legend, look, new_axes

_MARKERS = "os^Dv"
# On the scale of log odds: the nearest to 0 and 1 that is drawn, the width of a tick's label, and what has a tick.
_EDGE = 1e-4
_INCHES = 0.5
_TICKS = (1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4)
_RIGHT, _WRONG = (LinearSegmentedColormap.from_list(name, ["white", colour]) for name, colour in
                  (("right", PALETTE[0]), ("wrong", ALERT)))  # fmt: skip
# The darkest tone, as a share of the colour, under which black digits can be read, and the least share told apart.
_DARKEST, _LEAST = 0.7, 1e-3


@look()
def plot_reliability(found, *, scale="linear", ax=None):
    """Draw how often what was given a probability came true.

    A dot is a bin: its mean probability, and the share of it that came true, with an interval. On the diagonal
    probabilities are calibrated; below it those of the class taken are too sure.

    Parameters
    ----------
    found : Reliability or mapping
        As `bayesgmm.reliability` gives it; several by name, to be compared.
    scale : {"linear", "logit"}
        "logit" sets 0.9, 0.99 and 0.999 as far apart as their odds are, for probabilities near 0 and 1. What is nearer
        than 0.0001 is drawn there, at the edge.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there is no such scale.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> p = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]]
    >>> ax = plot_reliability(bg.reliability(p, [0, 0, 1, 1], bins=2))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('probability of the class taken', 'share that came true')
    >>> plt.close(ax.figure)
    """
    if scale not in ("linear", "logit"):
        raise ValueError(f"scale must be 'linear' or 'logit', not {scale!r}")
    several = isinstance(found, Mapping)
    some, own = dict(found) if several else {"": found}, ax is None
    ax = new_axes((4.4, 4.2 + 0.3 * several))[0, 0] if own else ax
    edge = _EDGE if scale == "logit" else 0.0
    handles = []
    for i, (name, one) in enumerate(some.items()):
        colour, marker = PALETTE[i % len(PALETTE)], _MARKERS[i % len(_MARKERS)]
        _bins(ax, one.table, colour, marker, edge)
        handles.append(Line2D([], [], color=colour, marker=marker, ms=5, lw=1.0, label=name))
    first = next(iter(some.values()))
    what = {"top": "probability of the class taken", "every": "probability of a class"}[first.kind]
    ax.set(xlabel=what, ylabel="share that came true")
    _frame(ax, min(_lowest(one) for one in some.values()), scale)
    if several:
        legend(ax, handles, own=own)
    return ax


def _bins(ax, table, colour: str, marker: str, edge: float) -> None:
    """Dots with intervals, joined by a line."""
    columns = (table[name] for name in ("predicted", "observed", "lower", "upper"))
    said, came, lower, upper = (column.clip(edge, 1 - edge) for column in columns)
    bars = np.clip(np.array([came - lower, upper - came]), 0.0, None)
    ax.errorbar(said, came, yerr=bars, color=colour, marker=marker, ms=5, lw=1.0, mec="white", mew=0.6, elinewidth=0.9,
                zorder=3)  # fmt: skip


def _frame(ax, low: float, scale: str) -> None:
    """The diagonal, and the same limits and ticks on both axes."""
    if scale == "linear":
        pad = 0.02 * (1 - low)
        limits, diagonal = (low - pad, 1 + pad), [0.0, 1.0]
    else:
        ax.set(xscale="logit", yscale="logit")
        low = max(low, _EDGE)
        limits, diagonal = (low / 1.5, 1 - _EDGE / 1.5), [_EDGE, 1 - _EDGE]
        ticks = next((some for n in (1, 2, 4) if _INCHES * len(some := _TICKS[::n]) < _span(ax, low)), _TICKS[::4])
        ticks = [t for t in ticks if t >= low]
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:g}"))
            axis.set_minor_locator(NullLocator())
    ax.plot(diagonal, diagonal, color=PALE, lw=0.8, zorder=1)
    ax.set(xlim=limits, ylim=limits)


def _span(ax, low: float) -> float:
    """The width, in inches, that the whole scale would have where it begins at a lowest probability."""
    part = (np.log(1 / _EDGE) - np.log(low / (1 - low))) / (2 * np.log(1 / _EDGE))
    return inches(ax)[0] / part


def _lowest(one) -> float:
    """Where the axes begin: at 0, or below what there is of the class taken."""
    if one.kind == "every":
        return 0.0
    return max(0.0, 0.1 * np.floor(10 * min(one.table["lower"].min(), one.table["predicted"].min()) - 0.2))


@look()
def plot_confusion(found, *, ax=None):
    """Draw how many of each true class were taken for each class.

    The diagonal, in blue, is right; what is orange is wrong. Tones follow the share of a true class, on a logarithmic
    scale, so that single mistakes show.

    Parameters
    ----------
    found : Assessment or pandas.DataFrame
        As `bayesgmm.assess` gives it, or its ``confusion``.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> ax = plot_confusion(bg.assess([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [0, 1, 1]))
    >>> ax.get_title()
    '2 of 3 right (66.7 %)'
    >>> plt.close(ax.figure)
    """
    counts = getattr(found, "confusion", found)
    values, n, own = counts.to_numpy(), len(counts), ax is None
    ax = new_axes((1.5 + 0.42 * n, 1.3 + 0.42 * n))[0, 0] if own else ax
    ax.imshow(_tones(values), aspect="equal", interpolation="nearest")
    size = 8.5 if n <= 12 else 8.5 * 12 / n
    for (i, j), value in np.ndenumerate(values):
        if value:
            ax.text(j, i, f"{value}", ha="center", va="center", color=INK, fontsize=size)
    names, ticks = [str(c) for c in counts.columns], np.arange(n)
    ax.set(xticks=ticks, yticks=ticks, xlabel="class taken", ylabel="true class")
    is_long = max(map(len, names)) > 4
    ax.set_xticklabels(names, rotation=45 * is_long, ha="right" if is_long else "center", rotation_mode="anchor")
    ax.set_yticklabels(names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.hlines(np.arange(n + 1) - 0.5, -0.5, n - 0.5, color=WASH, lw=0.5)
    ax.vlines(np.arange(n + 1) - 0.5, -0.5, n - 0.5, color=WASH, lw=0.5)
    right, total = int(np.trace(values)), int(values.sum())
    ax.set_title(f"{right} of {total} right ({100 * right / total:.1f} %)")
    return ax


def _tones(values: np.ndarray) -> np.ndarray:
    """Colours (C, C, 4): blue on the diagonal, orange off it."""
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    level = np.where(shares > 0, _DARKEST * (1 - np.log(np.maximum(shares, _LEAST)) / np.log(_LEAST)), 0.0)
    return np.where(np.eye(len(values), dtype=bool)[..., None], _RIGHT(level), _WRONG(level))
