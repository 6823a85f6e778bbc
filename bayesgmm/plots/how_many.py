"""How many components: every criterion's answer in a row of one figure."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bayesgmm.selection.answers import CLUSTERS, GAUSSIANS

from .style import INK, PALE, PALETTE, WASH, inches, legend, look, new_axes

_COLOURS = {GAUSSIANS: PALETTE[0], CLUSTERS: PALETTE[1]}
_QUANTITIES = {"K": "n_components", "K₊": "n_clusters"}
# Heights of a row with bars and of one without; where labels leave bars less than so much of a row, there are none.
_TALL, _LOW, _LEAST = 1.9, 1.0, 0.45
# Bars of a probability below are not to be seen, and the axis does not reach out for them.
_SEEN = 0.005


@look()
def plot_how_many(found, *, ax=None):
    """Draw what every criterion says of the number of components or clusters, a row each.

    A dot is the number that a criterion gives, a line the range that it leaves; bars are the posteriors of K and K₊,
    all to one scale, the highest of each with its probability. Blue counts Gaussians, orange clusters. An open dot
    says that chains do not agree (R-hat above 1.05).

    Parameters
    ----------
    found : HowMany
        As `bayesgmm.how_many` gives it.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> x = bg.load_dataset("faithful").iloc[::4]
    >>> found = bg.how_many(x, [1, 2], processes=[], loo=False, seed=1, progress=False)
    >>> ax = plot_how_many(found)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['BIC', 'ICL', 'BIC, merged']
    >>> plt.close(ax.figure)
    """
    bars = _bars(found)
    heights = np.array([_TALL if name in bars else _LOW for name in found.table.index])
    own, bases = ax is None, -np.cumsum(heights)
    ax = new_axes((6.4, 1.3 + 0.3 * heights.sum()))[0, 0] if own else ax
    highest = max((p.max() for p in bars.values()), default=1.0)
    unit = 72 * inches(ax)[1] / heights.sum()
    size = float(np.clip(0.6 * unit, 4.5, 8.5))
    room = 1.0 - 1.5 * size / (unit * _TALL)
    full = (room if room >= _LEAST else 0.85) * _TALL / highest
    for (name, row), base, height in zip(found.table.iterrows(), bases, heights):
        ax.axhline(base, color=WASH, lw=0.6, zorder=0)
        if name in bars:
            _draw_bars(ax, bars[name], row, base, full, size if room >= _LEAST else None)
        else:
            _draw_dot(ax, row, base + height / 2, size)
    _finish(ax, found, bars, bases + heights / 2, size, own=own)
    return ax


def _bars(found) -> dict:
    """Probabilities by value, of each row of a posterior."""
    made = {}
    for process, numbers in found.numbers.items():
        for letter, quantity in _QUANTITIES.items():
            if f"{letter}, {process}" in found.table.index:
                made[f"{letter}, {process}"] = numbers.loc[quantity]["probability"]
    return made


def _draw_bars(ax, p, row, base: float, scale: float, size) -> None:
    rough = row["r_hat"] > 1.05
    colour = _COLOURS[row["counts"]]
    ax.bar(p.index, scale * p, bottom=base, width=0.72, color="white" if rough else colour, ec=colour, lw=0.9,
           zorder=2)  # fmt: skip
    if size is None:
        return
    ax.annotate(f"{row['probability']:.2f}", (row["number"], base + scale * row["probability"]), (0, 1.5),
                textcoords="offset points", ha="center", va="bottom", fontsize=size, color=INK, zorder=4)  # fmt: skip


def _draw_dot(ax, row, height: float, size: float) -> None:
    colour, rough = _COLOURS[row["counts"]], row["r_hat"] > 1.05
    if row[["lower"]].notna().all() and row["lower"] < row["upper"]:
        ax.plot([row["lower"], row["upper"]], [height, height], color=colour, lw=2.4, alpha=0.45, zorder=2,
                solid_capstyle="round")  # fmt: skip
    ax.plot(row["number"], height, "o", ms=0.75 * size, mfc="white" if rough else colour, mec=colour, mew=1.3, zorder=3)


def _finish(ax, found, bars, middles, size: float, *, own: bool) -> None:
    ax.set_yticks(middles, list(found.table.index), fontsize=size)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-sum(_TALL if name in bars else _LOW for name in found.table.index), 0.15)
    ends = [found.table[c].dropna().astype(int) for c in ("number", "lower", "upper")]
    ends += [p.index[p >= _SEEN].to_series() for p in bars.values()]
    low, high = min(int(e.min()) for e in ends if len(e)), max(int(e.max()) for e in ends if len(e))
    low, high = max(1, low - 1), high + 1
    ax.set_xlim(low - 0.5, high + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12, min_n_ticks=1))
    for value in range(low, high + 1):
        ax.axvline(value, color=PALE, lw=0.4, ls=(0, (1, 4)), zorder=0)
    ax.set_xlabel("number")
    ax.spines["left"].set_visible(False)
    _explain(ax, found, bars, own=own)


def _explain(ax, found, bars, *, own: bool) -> None:
    counted = [what for what in _COLOURS if what in set(found.table["counts"])]
    handles = [Line2D([], [], marker="o", ms=6, lw=2.4, color=_COLOURS[what], label=f"counts {what}")
               for what in counted]  # fmt: skip
    if (found.table["r_hat"] > 1.05).any():
        handles.append(Patch(fc="white", ec=INK, label="open: chains do not agree"))
    legend(ax, handles, own=own)
