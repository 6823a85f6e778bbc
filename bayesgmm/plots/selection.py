"""Criteria of every number of components and family, and the entropies of merged components."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bayesgmm.selection.words import CRITERIA, name_of

from .style import INK, PALE, PALETTE, halo, inches, legend, look, new_axes

# Families that differ in orientation alone have one colour, those within it different markers.
_GROUPS = {
    "spherical": (PALETTE[4], ("EII", "VII")),
    "diagonal": (PALETTE[2], ("EEI", "VEI", "EVI", "VVI")),
    "one orientation": (PALETTE[0], ("EEE", "VEE", "EVE", "VVE")),
    "orientations vary": (PALETTE[3], ("EEV", "VEV", "EVV", "VVV")),
    "equal variance": (PALETTE[0], ("E",)),
    "variance varies": (PALETTE[1], ("V",)),
}
_MARKERS = "os^D"
_GROUP_OF = {code: (group, colour, marker) for group, (colour, codes) in _GROUPS.items()
             for code, marker in zip(codes, _MARKERS)}  # fmt: skip
# Differences up to here are drawn to scale, larger ones by their logarithm.
_TO_SCALE = 10.0
_TICKS = (0, 2, 6, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000)


@look()
def plot_selection(selection, *, criterion=None, ax=None):
    """Draw how far every number of components, in every family, is above the best by a criterion.

    A line is a family. It has a gap where a fit collapsed or could not be tried; a hollow marker is one that has a
    component with hardly any rows, and is not chosen. Differences up to 10 are drawn to
    scale, larger ones by their logarithm, so that both the best and the worst can be read; of BIC, below 2 is hardly
    worth a mention, and above 10 very strong evidence (Kass & Raftery 1995). The best has a ring.

    Parameters
    ----------
    selection : Selection
        As `bayesgmm.select` gives it.
    criterion : {"bic", "icl", "aic"}, optional
        The selection's own without.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> found = bg.select(bg.load_dataset("faithful"), [1, 2, 3], covariance_types="tied", seed=0, progress=False)
    >>> ax = plot_selection(found)
    >>> ax.get_xlabel(), ax.get_title()
    ('components', 'best by BIC: EEE with 3 components')
    >>> plt.close(ax.figure)
    """
    criterion = selection.criterion if criterion is None else criterion
    best, table, own = selection.ranked(criterion).iloc[0], selection.table, ax is None
    ax = new_axes((6.8, 4.6))[0, 0] if own else ax
    codes = [code for code in _GROUP_OF if code in set(table["covariance_type"])]
    rows = {code: table[table["covariance_type"] == code].set_index("n_components").sort_index() for code in codes}
    above = {code: some[criterion] - best[criterion] for code, some in rows.items()}
    _scale(ax, above, table["n_components"])
    for code, values in above.items():
        _, colour, marker = _GROUP_OF[code]
        few = rows[code]["degenerate"]
        look = {"color": colour, "marker": marker, "ms": 4.0}
        ax.plot(values.index, values.mask(few), lw=1.0, mec="white", mew=0.5, zorder=3, **look)
        if (few & values.notna()).any():
            ax.plot(values[few].index, values[few], lw=0, mfc="white", mew=0.8, zorder=2, **look)
    ax.plot(best["n_components"], 0.0, "o", ms=12, mfc="none", mec=INK, mew=1.4, zorder=4, clip_on=False)
    ax.set(xlabel="components", ylabel=f"{CRITERIA[criterion]} above the best")
    ax.set_title(f"best by {CRITERIA[criterion]}: {name_of(best)}")
    _name_lines(ax, above)
    groups = dict.fromkeys(_GROUP_OF[code][:2] for code in codes)
    if len(groups) < len(codes):
        handles = [Line2D([], [], color=colour, lw=2.2, label=group) for group, colour in groups]
        legend(ax, handles, own=own, n_columns=4)
    return ax


def _scale(ax, above: dict, numbers) -> None:
    values = np.concatenate([some.dropna() for some in above.values()])
    top, bottom = max(1.15 * values.max(), _TO_SCALE), min(1.15 * values.min(), -0.5)
    # One decade is drawn as high as what is drawn to scale.
    ax.set_yscale("symlog", linthresh=_TO_SCALE, linscale=1.0)
    ax.yaxis.set_major_locator(FixedLocator(_ticks(top, inches(ax)[1])))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", " ")))
    ax.set_ylim(bottom, top)
    ax.set_xlim(numbers.min() - 0.3, numbers.max() + 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    for value in (2, 6, 10):
        ax.axhline(value, color=PALE, lw=0.5, ls=(0, (1, 3)), zorder=0)


def _ticks(top: float, height: float) -> list[int]:
    """Round numbers, decades alone where there is no room for more."""
    ticks = [t for t in _TICKS if t <= top]
    return ticks if len(ticks) < 4.5 * height else [t for t in ticks if t in (0, 2, 6) or str(t).strip("0") == "1"]


def _name_lines(ax, above: dict) -> None:
    """Every line's name beside its last point, none over another."""
    last = {code: values.dropna() for code, values in above.items()}  # a hollow marker has a name as well
    last = {code: (values.index[-1], values.iloc[-1]) for code, values in last.items() if len(values)}
    to_axes = ax.transScale + ax.transLimits
    ends = {code: to_axes.transform(place) for code, place in last.items()}
    codes = sorted(ends, key=lambda code: ends[code][1])
    height = inches(ax)[1]
    size = float(np.clip(72 * height / (1.25 * len(codes)), 5.0, 8.0))
    heights = apart(np.array([ends[code][1] for code in codes]), 1.2 * size / (72 * height))
    for code, at in zip(codes, heights):
        colour = _GROUP_OF[code][1]
        start = ends[code]
        ax.plot([start[0], 1.0, 1.02], [start[1], at, at], color=colour, lw=0.5, alpha=0.7, transform=ax.transAxes,
                clip_on=False, zorder=1)  # fmt: skip
        ax.text(1.03, at, code, color=colour, fontsize=size, va="center", ha="left", transform=ax.transAxes)


def apart(heights: np.ndarray, gap: float) -> np.ndarray:
    """Heights as near to the given ones (sorted) as can be, in squares, no two of them closer than a gap.

    Examples
    --------
    >>> apart(np.array([0.0, 0.0, 1.0]), 0.2)
    array([-0.1,  0.1,  1. ])
    """
    blocks = []
    for height in heights - gap * np.arange(len(heights)):
        blocks.append([height, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [[(n * a + m * b) / (n + m), n + m]]
    return np.concatenate([np.full(n, value) for value, n in blocks]) + gap * np.arange(len(heights))


@look()
def plot_merging(merging, *, ax=None):
    """Draw the entropy of the rows' memberships against the number of clusters, components merged one after another.

    Merging components that overlap makes it fall steeply, merging clusters that lie apart hardly. The numbers say
    by how much, in nats a row of the two that are merged; a ring marks the number of clusters that is suggested.

    Parameters
    ----------
    merging : Merging
        As `bayesgmm.merge_components` gives it.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    References
    ----------
    Baudry, Raftery, Celeux, Lo & Gottardo (2010), figure 3.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.selection.merging import merged
    >>> ax = plot_merging(merged(np.random.default_rng(0).dirichlet(np.ones(4), 50)))
    >>> ax.get_xlabel()
    'clusters'
    >>> plt.close(ax.figure)
    """
    own, n, suggested = ax is None, len(merging), merging.n_clusters
    ax = new_axes((5.2, 3.6))[0, 0] if own else ax
    numbers, falls, highest = np.arange(1, n + 1), merging.table["fall_per_row"], max(merging.entropies.max(), 1e-9)
    ax.plot(numbers, merging.entropies, color=PALETTE[0], marker="o", ms=5, mec="white", zorder=3)
    ax.plot(suggested, merging.entropies[suggested - 1], "o", ms=12, mfc="none", mec=INK, mew=1.4, zorder=4)
    for k in numbers[:-1]:
        middle = k + 0.5, merging.entropies[k - 1 : k + 1].mean()
        ax.annotate(f"{falls.loc[k]:.2f}", middle, (-4, 4), textcoords="offset points", ha="right", va="bottom",
                    fontsize=8.0, color=INK, path_effects=halo(), zorder=5)  # fmt: skip
    ax.set(xlabel="clusters", ylabel="entropy (nats)", xlim=(0.3, n + 0.3), ylim=(-0.05 * highest, 1.08 * highest))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    clusters = f"{suggested} cluster{'' if suggested == 1 else 's'}"
    ax.set_title(f"{clusters} suggested of {n} components\nbeside the line: fall of the entropy, a row merged")
    return ax
