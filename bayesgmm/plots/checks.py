"""The data beside data that the posterior predicts: feature by feature, and by the level of their density."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayesgmm.draws.check import Levels, Picture, PredictiveCheck, predictive_check

from .style import ALERT, INK, PALE, legend, look, new_axes

MOST_FEATURES = 6
_SMALL = 0.01
_BAND = 0.9
_GRID = 101


@look()
def plot_predictive_check(draws, *, features=None, seed=0, ax=None):
    """Draw the data against data sets that the posterior predicts.

    A panel a feature: the histogram of the data, and the band in which 90 % of the replicated data sets have theirs,
    bin by bin. In the last panel, the HDR levels of the rows: which share of them lies in the densest region of each
    probability, less that probability. It is 0 if the density is right; above 0 on the left, rows gather more closely
    than predicted; below 0 on the right, more of them lie far out. Statistics with a tail probability below 0.01
    (`bayesgmm.predictive_check`) are named in the titles.

    Parameters
    ----------
    draws : DataTree or PredictiveCheck
        Posterior draws that hold their rows, or what `bayesgmm.predictive_check` found.
    features : sequence of str, optional
        At most six. Without it, the six with the smallest tail probabilities.
    seed : int
        For the replicated data sets.
    ax : Axes, optional
        Where to draw the panel of levels, alone; a new figure with all panels without.

    Returns
    -------
    Axes or ndarray of Axes

    Raises
    ------
    ValueError
        If a feature is unknown, there are more than six, or as `bayesgmm.predictive_check` does.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(0)
    >>> one, x = np.ones((2, 50, 1)), rng.standard_normal((40, 1))
    >>> draws = from_arrays(one, 0.2 * rng.standard_normal((2, 50, 1, 1)), np.ones((2, 50, 1, 1, 1)), x=x)
    >>> axes = plot_predictive_check(draws)
    >>> [ax.get_xlabel() for ax in axes]
    ['x0', 'probability of a region of highest density']
    >>> plt.close(axes[0].figure)
    """
    check = draws if isinstance(draws, PredictiveCheck) else predictive_check(draws, seed=seed)
    together = set(check.table["feature"]) - set(check.pictures)
    if ax is not None:
        _draw_levels(ax, check.levels, _surprises(check.table, together))
        legend(ax, _handles(), own=False)
        return ax
    shown = _shown(check, features)
    axes = _panels(len(shown) + 1)
    for panel, name in zip(axes, shown):
        _draw_feature(panel, check.pictures[name], name, _surprises(check.table, [name]))
    _draw_levels(axes[-1], check.levels, _surprises(check.table, together))
    legend(axes[0], _handles(), own=True)
    return axes


def _shown(check: PredictiveCheck, features) -> list[str]:
    names = list(check.pictures)
    if features is None:
        least = check.table.groupby("feature")["p"].min()
        worst = sorted(names, key=lambda name: least[name])[:MOST_FEATURES]
        return [name for name in names if name in worst]
    asked = [features] if isinstance(features, str) else list(features)
    unknown = [name for name in asked if name not in names]
    if unknown or not 1 <= len(asked) <= MOST_FEATURES:
        raise ValueError(f"features must name one to {MOST_FEATURES} of {names}, not {asked}")
    return asked


def _panels(n: int) -> np.ndarray:
    width = n if n <= 3 else min((3, 4), key=lambda w: (-n % w, w))
    rows = -(-n // width)
    axes = new_axes((3.4 * width, 0.5 + 2.7 * rows), rows, width).ravel()
    for gap in axes[n:]:
        gap.remove()
    return axes[:n]


def _surprises(table, features) -> list[str]:
    """Statistics of some features that are in the tails."""
    found = table[table["feature"].isin(features) & (table["p"] < _SMALL)]
    pairs = np.where(found["statistic"] == "correlation", " of " + found["feature"], "")
    return (found["statistic"] + pairs).loc[found["p"].sort_values(kind="stable").index].tolist()


def _draw_feature(ax, picture: Picture, name: str, surprises) -> None:
    low, high = np.quantile(picture.replicated, [(1 - _BAND) / 2, (1 + _BAND) / 2], axis=0)
    ax.stairs(high, picture.edges, baseline=low, fill=True, color=PALE, alpha=0.45, lw=0)
    ax.stairs(picture.observed, picture.edges, color=INK, lw=1.2, baseline=None)
    ax.set(xlabel=name, ylabel=f"density (per unit of {name})", xlim=(picture.edges[0], picture.edges[-1]))
    ax.set_ylim(bottom=0.0)
    _title(ax, surprises)


def _draw_levels(ax, levels: Levels, surprises) -> None:
    z = np.linspace(0.0, 1.0, _GRID)
    observed, replicated = (_below(part, z) - z for part in levels)
    low, high = np.quantile(replicated, [(1 - _BAND) / 2, (1 + _BAND) / 2], axis=0)
    ax.fill_between(z, low, high, color=PALE, alpha=0.45, lw=0)
    ax.axhline(0.0, color=PALE, lw=0.7)
    ax.plot(z, observed.mean(axis=0), color=INK, lw=1.4)
    ax.set(xlabel="probability of a region of highest density", ylabel="share of rows within, less it", xlim=(0, 1))
    _title(ax, surprises)


def _below(levels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Shares (R, G) of levels (R, n) up to each z (G,)."""
    return np.stack([np.searchsorted(np.sort(u), z, side="right") / len(u) for u in levels])


def _title(ax, surprises) -> None:
    if surprises:
        more = f" and {len(surprises) - 2} more" if len(surprises) > 2 else ""
        named = fill(f"{', '.join(surprises[:2])}{more}", 48)
        ax.set_title(f"not as predicted:\n{named}", color=ALERT, fontsize=8.5)


def _handles() -> list:
    data = Line2D([], [], color=INK, lw=1.3, label="data")
    return [data, Patch(color=PALE, alpha=0.45, lw=0, label=f"{100 * _BAND:g} % of replicated data sets")]
