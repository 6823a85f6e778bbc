"""Ranks of simulated truths: their empirical distribution functions, and the band in which they are expected."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.uniformity import band

from .style import ALERT, INK, PALE, PALETTE, WASH, legend, look, new_axes


@look()
def plot_calibration(calibration, *, level=0.999, ax=None):
    """Draw how far the ranks of a calibration stray from uniform: their ECDF less the diagonal, within its band.

    A line is one quantity. Above the diagonal on the left and below it on the right, draws are too narrow; the other
    way round, too wide; above throughout, too high; below, too low. Quantities that leave the band are coloured and
    named.

    Parameters
    ----------
    calibration : Calibration
        As `bayesgmm.calibrate` gives it.
    level : float
        Of the simultaneous band of each quantity.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    References
    ----------
    Säilynoja, Bürkner & Vehtari (2022).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> prior = bg.Conjugate(mean=[0.0], shrinkage=1.0, dof=5, scale=[[3.0]])
    >>> def ignorant(x, seed):
    ...     return bg.draws.from_arrays(*(a[None] for a in prior.draw(100, 2, seed=seed)))
    >>> found = bg.calibrate(prior, 20, 2, sampler=ignorant, replications=50, seed=1, progress=False)
    >>> ax = plot_calibration(found)
    >>> ax.get_ylabel()
    'ECDF of the rank, less uniform'
    >>> plt.close(ax.figure)
    """
    own, n = ax is None, len(calibration.pit)
    ax = new_axes((5.2, 3.6))[0, 0] if own else ax
    z, outside = np.arange(n + 1) / n, calibration.outside(level)
    lower, upper = (np.concatenate([[0], part, [n]]) / n - z for part in band(n, level))
    ax.fill_between(z, lower, upper, color=WASH, lw=0, zorder=0)
    colours = dict(zip(outside, [ALERT, *(c for c in PALETTE if c != ALERT)] * len(outside)))
    for name, values in calibration.pit.items():
        height = np.searchsorted(np.sort(values.to_numpy()), z, side="right") / n - z
        wrong = name in colours
        ax.plot(z, height, color=colours.get(name, PALE), lw=1.4 if wrong else 0.7, zorder=2 if wrong else 1,
                label=name if wrong else "_")  # fmt: skip
    ax.set(xlabel="rank of the truth, as a share of the draws", ylabel="ECDF of the rank, less uniform", xlim=(0, 1))
    told = f"{len(outside)} of {len(calibration.pit.columns)} quantities outside"
    ax.set_title(f"{n} data sets: {told} the {100 * level:g} % band", color=INK)
    if outside:
        legend(ax, [line for line in ax.get_lines() if line.get_label() in colours], own=own)
    return ax
