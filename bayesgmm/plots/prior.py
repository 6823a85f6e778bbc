"""What a prior expects of the data, in data units: densities drawn from it, and the data themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayesgmm.data import as_table
from bayesgmm.families import Family, Full
from bayesgmm.fit import scale_prior
from bayesgmm.mixture import Mixture
from bayesgmm.priors import Prior

from .names import positions
from .style import INK, PALE, WASH, halo, legend, look, new_axes

# Data sets whose densities are shown one by one, and single components that the prior predictive is averaged over.
_SETS, _COMPONENTS, _SETS_IN_THE_PLANE = 40, 2000, 6
_INSIDE = (0.5, 0.9)
_GRID, _FINE, _SMOOTH = 120, 500, 0.04


class _Expected(NamedTuple):
    """A prior with its constants, the family and K it is asked about, and the data."""

    prior: Prior
    family: Family
    n_components: int
    rows: np.ndarray | None
    features: tuple[str, ...]


@look()
def plot_prior(prior_or_model, x=None, *, n_components=2, features=None, seed=0, ax=None):
    """Draw what a prior expects of the data before it has seen them, and the data beside it.

    One feature: the densities of 40 data sets drawn from the prior, thin, and their average over all data sets, the
    prior predictive density, bold, over the histogram of the data. Two: the regions that hold 50 % and 90 % of the
    prior predictive, the components of six data sets drawn from the prior, each in a shade of its own, and the data.

    Parameters
    ----------
    prior_or_model : Prior, str or pymc.Model
        A prior, by value or name; or a story that declares one.
    x : array, frame or file (N, D), optional
        The data: they scale what the prior leaves out, and are drawn. A story has its own.
    n_components : int
        K, for a prior that is no story.
    features : str, int, or a pair of them, optional
        One or two features; the first two without.
    seed : int
        For the draws.
    ax : Axes, optional
        Where to draw; a new figure without.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the prior leaves constants to data that are not given, the features are unknown or more than two, or a model
        declares no prior.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from matplotlib import pyplot as plt
    >>> ax = plot_prior("independent", bg.load_dataset("faithful"))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('eruptions', 'waiting')
    >>> plt.close(ax.figure)
    """
    what = _of_model(prior_or_model) if hasattr(prior_or_model, "free_RVs") else _of(prior_or_model, x, n_components)
    shown = _shown(what.features, features)
    own, ax = ax is None, new_axes((6.4, 5.0))[0, 0] if ax is None else ax
    weights, means, covariances = what.prior.draw(_SETS, what.n_components, what.family, seed)
    means, covariances = means[..., shown], covariances[..., shown, :][..., shown]
    sets = [Mixture(*parts) for parts in zip(weights, means, covariances, strict=True)]
    rows = None if what.rows is None else what.rows[:, shown]
    rows = None if rows is None else rows[np.isfinite(rows).all(axis=1)]
    draw = _draw_density if len(shown) == 1 else _draw_plane
    handles = draw(ax, sets, _predictive(what, shown, seed), rows, seed)
    names = [what.features[j] for j in shown]
    ax.set(xlabel=names[0], ylabel=names[1] if len(shown) == 2 else f"density (per unit of {names[0]})")
    ax.set_title(f"what the {type(what.prior).__name__} prior expects, K = {what.n_components}")
    legend(ax, handles, own=own)
    return ax


def _of(prior, x, n_components) -> _Expected:
    if x is not None:
        table = as_table(x, fitting=True, missing="marginalise")
        prior = scale_prior(prior, table, n_components, missing="marginalise")
        return _Expected(prior, Full(), n_components, table.values, table.features)
    if not isinstance(prior, Prior) or not prior.is_scaled:
        raise ValueError("the prior leaves constants to the data: give x, too")
    prior = prior.with_constants(n_components)
    return _Expected(prior, Full(), n_components, None, tuple(f"x{j}" for j in range(len(prior.mean))))


def _of_model(model) -> _Expected:
    from bayesgmm.ppl import declaration
    from bayesgmm.ppl.observed import observed_mixture

    known, observed = declaration(model), observed_mixture(model)
    if known is None:
        raise ValueError("the model declares no prior of bayesgmm; draw its own with pymc.sample_prior_predictive")
    features = tuple(map(str, model.coords["feature"]))
    return _Expected(known.prior, known.family, observed.n_components, observed.x, features)


def _shown(names: tuple[str, ...], features) -> list[int]:
    if features is None:
        return list(range(min(2, len(names))))
    return positions(names, features, 2)


def _predictive(what: _Expected, shown, seed) -> Mixture:
    """The prior predictive of one row: the average over components, for they are alike."""
    _, means, covariances = what.prior.draw(
        _COMPONENTS, what.n_components, what.family, np.random.SeedSequence([seed, 1])
    )
    one = means[:, 0][:, shown], covariances[:, 0][:, shown][:, :, shown]
    return Mixture(np.full(_COMPONENTS, 1 / _COMPONENTS), *one)


def _ends(values, rows) -> np.ndarray:
    """From where to where a figure reaches (2, D): the middle 90 % of the prior predictive, and all of the data."""
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    if rows is not None:
        low, high = np.minimum(low, rows.min(axis=0)), np.maximum(high, rows.max(axis=0))
    return np.array([low - 0.05 * (high - low), high + 0.05 * (high - low)])


def _draw_density(ax, sets, predictive, rows, seed) -> list:
    low, high = _ends(predictive.sample(20_000, seed)[0], rows)[:, 0]
    grid = np.linspace(low, high, _FINE)[:, None]
    handles, tops = [], []
    if rows is not None:
        bins = np.clip(len(np.histogram_bin_edges(rows, "fd")), 21, 81)
        counts, _, _ = ax.hist(rows[:, 0], bins=bins, density=True, color=WASH, edgecolor="white", linewidth=0.4)
        handles.append(Patch(color=WASH, label="data"))
        tops.append(counts.max())
    for m in sets:
        tops.append(ax.plot(grid, m.prob(grid), color=PALE, lw=0.7, alpha=0.6)[0].get_ydata().max())
    handles.append(Line2D([], [], color=PALE, lw=0.7, label=f"{len(sets)} data sets of the prior"))
    handles += ax.plot(grid, predictive.prob(grid), color=INK, lw=2.2, label="prior predictive", path_effects=halo(3.6))
    # Some data sets have needles, which would press all others flat.
    data = tops[0] if rows is not None else 0.0
    ax.set(xlim=(low, high), ylim=(0.0, 1.15 * max(data, float(np.quantile(tops, 0.8)))))
    return handles


def _draw_plane(ax, sets, predictive, rows, seed) -> list:
    from .plane import ellipse

    ends = _ends(predictive.sample(20_000, seed)[0], rows)
    # So many components leave gaps between narrow ones: each is smoothed by some of the figure's width.
    smooth = np.diag((_SMOOTH * np.ptp(ends, axis=0)) ** 2)
    predictive = Mixture(predictive.weights, predictive.means, predictive.covariances + smooth)
    values = predictive.sample(20_000, seed)[0]
    axes = [np.linspace(*ends[:, j], _GRID) for j in range(2)]
    points = np.stack(np.meshgrid(*axes), axis=-1)
    density = predictive.prob(points.reshape(-1, 2)).reshape(_GRID, _GRID)
    levels = np.quantile(predictive.prob(values), [1 - inside for inside in reversed(_INSIDE)])
    ax.contourf(*axes, density, levels=[*levels, np.inf], colors=["#EDEFF2", "#D3D9E0"], zorder=0)
    shades = [f"#{grey:02X}{grey:02X}{grey + 16:02X}" for grey in np.linspace(120, 190, _SETS_IN_THE_PLANE).astype(int)]
    for m, shade in zip(sets[:_SETS_IN_THE_PLANE], shades, strict=True):
        for mean, covariance in zip(m.means, m.covariances):
            ax.plot(*ellipse(mean, covariance, 0.9).T, color=shade, lw=1.0)
    if rows is not None:
        ax.scatter(*rows.T, s=float(np.clip(4500.0 / len(rows), 2.0, 14.0)), c=INK, alpha=0.5, linewidths=0)
    ax.set(xlim=ends[:, 0], ylim=ends[:, 1])
    several = f"components of {_SETS_IN_THE_PLANE} data sets of the prior"
    handles = [
        Patch(color="#D3D9E0", label="half of the prior predictive"),
        Patch(color="#EDEFF2", label="90 % of it"),
        Line2D([], [], color=shades[2], lw=1.0, label=several),
    ]
    if rows is not None:
        handles.append(Line2D([], [], ls="", marker="o", ms=4, color=INK, alpha=0.7, mew=0, label="data"))
    return handles
