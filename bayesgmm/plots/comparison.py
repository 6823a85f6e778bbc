"""Maximum likelihood beside Bayes: the marginal posterior of each parameter, with the point estimates marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bayesgmm.draws.affinity import match
from bayesgmm.draws.mixtures import DIMS, read
from bayesgmm.mixture import Mixture

from .names import plain_name, titled
from .reading import best_features, mixture_of, varies
from .style import INK, PALE, component_colors, halo, legend, look, new_axes

#: As many panels as a page holds.
MOST_PANELS = 60
_ALL = ("weights", "means", "covariances")
_FEWER = ("weights", "means", "sds")
# Draws of a prior within reach of a panel, from which on their own spread says how wide a kernel is.
_FEW = 50
_DASHES = {"MLE": (0, (4, 2)), "MAP": (0, (1, 1.4))}


@dataclass(frozen=True)
class Selection:
    """Which parameters are shown, and a note on what is left out (empty if nothing is)."""

    names: tuple[str, ...]
    components: tuple[int, ...]
    features: tuple[int, ...]
    note: str = ""


@look()
def plot_comparison(mle, draws, *, map=None, var_names=None, ci_prob=0.95, axes=None):
    """Draw the marginal posterior of every parameter with the MLE (and MAP) marked in it.

    One panel a parameter, a block of rows a component. The shaded part is the equal-tailed interval. The estimates'
    components are matched to the posterior's labels first. Parameters that the draws hold fixed (the zeros of a
    diagonal covariance, the weight of a single component) have no panel.

    Where (π, μ, Σ) would take more than 60 panels, standard deviations stand for the covariances; where even these
    are too many, only the features that separate the components best are shown, and then only the heaviest
    components. The figure says so. Where the draws have a group ``prior``, its densities are drawn, too, as far as the
    posterior reaches.

    Parameters
    ----------
    mle : Fit or Mixture
        The maximum-likelihood estimate, with as many components as the draws; None to leave it out.
    draws : DataTree
        Posterior draws with matched labels.
    map : Fit or Mixture, optional
        The posterior mode, marked with dots.
    var_names : str or sequence of str, optional
        Some of ``weights``, ``means``, ``covariances``, ``sds``.
    ci_prob : float
        Probability of the interval.
    axes : array of Axes, optional
        Where to draw, one Axes a panel in reading order; a new figure without.

    Returns
    -------
    ndarray of Axes (components shown, parameters of a component)

    Raises
    ------
    ValueError
        If the estimates have other components or features than the draws, a name in `var_names` is unknown,
        `ci_prob` is no probability, or `axes` are too few.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(1)
    >>> means = np.array([[1.0], [5.0]]) + 0.1 * rng.standard_normal((2, 50, 2, 1))
    >>> draws = from_arrays(rng.dirichlet([9, 9], (2, 50)), means, means[..., None] ** 2, features=["age"])
    >>> mle = Mixture([0.5, 0.5], [[5.0], [1.0]], np.ones((2, 1, 1)), features=["age"])
    >>> axes = plot_comparison(mle, draws)
    >>> [ax.get_title() for ax in axes[1]]
    ['weight, component 1', 'mean of age, component 1', 'variance of age, component 1']
    >>> from matplotlib import pyplot as plt
    >>> plt.close(axes[0, 0].figure)
    """
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must be strictly between 0 and 1, not {ci_prob}")
    mixtures = read(draws)
    mean = mixtures.mean()
    marks = {name: matched(fit, mean) for name, fit in (("MLE", mle), ("MAP", map)) if fit is not None}
    chosen = select(mean, var_names)
    panels = _panels(mixtures, marks, chosen)
    prior = _prior(draws, chosen, panels)
    own, axes = axes is None, _new_axes(*panels.shape) if axes is None else _given_axes(axes, panels.shape)
    colors = component_colors(mean.n_components)
    for ax, before, (title, k, values, points) in zip(axes.flat, prior, panels.flat):
        _draw_panel(ax, values, points, colors[k], ci_prob)
        if before is not None:
            _draw_prior(ax, before)
        ax.set_title(titled(title, k), fontsize=8.5)
    if own and chosen.note:
        axes.flat[0].figure.suptitle(chosen.note, fontsize=9.0, color=INK)
    legend(axes.flat[-1], _handles(marks, ci_prob, prior), own=own, n_columns=4)
    return axes


def matched(fit, reference: Mixture) -> Mixture:
    """The mixture of a fit with its components in the order of the reference's."""
    mixture = mixture_of(fit)
    return mixture.permute(match(mixture, reference)[0])


def select(mixture: Mixture, var_names=None) -> Selection:
    """The parameters that `plot_comparison` shows, by its rule."""
    k, d = mixture.n_components, mixture.n_features
    names = _checked(var_names)
    if var_names is None and _count(_ALL, d) * k > MOST_PANELS:
        names = _FEWER
    components = tuple(range(k))
    room = MOST_PANELS // min(k, MOST_PANELS // _count(names, 1))
    n_features = max(j for j in range(1, d + 1) if j == 1 or _count(names, j) <= room)
    if k * _count(names, n_features) > MOST_PANELS:
        heaviest = np.argsort(-mixture.weights, kind="stable")[: MOST_PANELS // _count(names, n_features)]
        components = tuple(sorted(heaviest.tolist()))
    features = tuple(best_features(mixture, n_features))
    return Selection(names, components, features, _note(len(components), k, len(features), d))


def _checked(var_names) -> tuple[str, ...]:
    known = (*_ALL, "sds")
    names = _ALL if var_names is None else (var_names,) if isinstance(var_names, str) else tuple(var_names)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"var_names must be some of {', '.join(known)}, not {unknown or 'nothing'}")
    return names


def _count(names, d: int) -> int:
    """Parameters of one component with d features."""
    return sum({"weights": 1, "means": d, "covariances": d * (d + 1) // 2, "sds": d}[name] for name in names)


def _note(n_components, k, n_features, d) -> str:
    parts = [f"the {n_features} of {d} features that separate the components best"] * (n_features < d)
    parts += [f"the {n_components} heaviest of {k} components"] * (n_components < k)
    return "shown: " + " and ".join(parts) if parts else ""


def _panels(mixtures, marks: dict[str, Mixture], chosen: Selection) -> np.ndarray:
    """(title, component, draws (M,), marks) of each panel: an array of objects (components, parameters)."""
    rows = []
    for k in chosen.components:
        series = _series(mixtures, k, chosen)
        points = {name: [value for _, value in _series(m, k, chosen)] for name, m in marks.items()}
        rows.append([(title, k, values, {name: float(p[i]) for name, p in points.items()})
                     for i, (title, values) in enumerate(series)])  # fmt: skip
    moving = [i for i in range(len(rows[0])) if any(varies(row[i][2]) for row in rows)]
    panels = np.empty((len(rows), len(moving)), dtype=object)
    for place in np.ndindex(panels.shape):
        panels[place] = rows[place[0]][moving[place[1]]]
    if not panels.size:
        raise ValueError("none of these parameters varies over the draws, so there is nothing to compare")
    return panels


def _series(mixture, k: int, chosen: Selection) -> list[tuple[str, np.ndarray]]:
    """The chosen parameters of component k with their names; of one mixture, or of all draws at once."""
    features, f = mixture.features, chosen.features
    variances = mixture.covariances[..., k, :, :]
    each = {
        "weights": lambda: [(plain_name("weights"), mixture.weights[..., k])],
        "means": lambda: [(plain_name("means", features[j]), mixture.means[..., k, j]) for j in f],
        "sds": lambda: [(plain_name("sds", features[j]), np.sqrt(variances[..., j, j])) for j in f],
        "covariances": lambda: [(plain_name("covariances", features[i], features[j]), variances[..., i, j])
                                for n, i in enumerate(f) for j in f[n:]],
    }  # fmt: skip
    return [pair for name in chosen.names for pair in each[name]()]


def _prior(draws, chosen: Selection, panels: np.ndarray) -> list[np.ndarray | None]:
    """The prior's draws of each panel's parameter; None where there is no prior."""
    if "prior" not in getattr(draws, "children", ()) or not set(DIMS) <= set(draws["prior"].data_vars):
        return [None] * panels.size
    mixtures = read(type(draws).from_dict({"posterior": draws["prior"].to_dataset()}))
    found = {(k, title): values for k in chosen.components for title, values in _series(mixtures, k, chosen)}
    return [found[k, title] for title, k, *_ in panels.flat]


def _draw_prior(ax, values: np.ndarray):
    """The prior's density within the limits that the posterior has set to a panel, by kernels about the draws near."""
    low, high = ax.get_xlim()
    near = values[np.abs(values - 0.5 * (low + high)) < high - low]
    grid, width = np.linspace(low, high, 128), 0.25 * (high - low)
    if len(near) > _FEW and varies(near):
        width = max(width / 3, 1.06 * near.std() * len(near) ** -0.2)
    kernels = np.exp(-0.5 * ((grid[:, None] - near) / width) ** 2) / (width * np.sqrt(2.0 * np.pi))
    ax.plot(grid, kernels.sum(axis=1) / len(values), color=PALE, lw=1.1, ls=(0, (5, 1, 1, 1)), gid="prior", zorder=1)
    ax.set(xlim=(low, high))


def _new_axes(n_blocks: int, n_panels: int) -> np.ndarray:
    """Axes (blocks, panels): each block takes whole rows, in as many columns as leave the fewest gaps."""
    widths = range(4, 7) if n_blocks * n_panels > 24 else range(3, 6)
    width, per_block = min(range(3, 6), key=lambda w: -n_panels * n_blocks % w), n_panels
    if n_panels > 2:
        width = min(widths, key=lambda w: (-n_panels % w, -w))
        per_block = -(-n_panels // width) * width
    width = min(width, n_blocks * per_block)
    places = np.arange(n_blocks)[:, None] * per_block + np.arange(n_panels)
    n_rows = -(-(places.max() + 1) // width)
    axes = new_axes((1.0 + 2.05 * width, 0.7 + 1.45 * n_rows), n_rows, width).ravel()
    for gap in set(range(len(axes))) - set(places.flat):
        axes[gap].remove()
    return axes[places]


def _given_axes(axes, shape: tuple[int, int]) -> np.ndarray:
    axes = np.asarray(axes, dtype=object).ravel()
    if len(axes) < shape[0] * shape[1]:
        raise ValueError(f"axes holds {len(axes)} Axes but {shape[0] * shape[1]} panels are to be drawn")
    return axes[: shape[0] * shape[1]].reshape(shape)


def _draw_panel(ax, values, points: dict[str, float], color: str, ci_prob: float):
    if varies(values):
        grid, density = _density(values)
        inside = np.quantile(values, [(1 - ci_prob) / 2, (1 + ci_prob) / 2])
        edge = np.unique(np.concatenate([grid[(grid > inside[0]) & (grid < inside[1])], inside]))
        ax.fill_between(edge, np.interp(edge, grid, density), color=color, alpha=0.25, lw=0, gid="interval")
        ax.plot(grid, density, color=color, lw=1.5)
    for name, point in points.items():
        ax.axvline(point, color=INK, lw=1.5, ls=_DASHES[name], gid=name, path_effects=halo(2.6))
    ax.set_ylim(bottom=0.0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    ax.tick_params(axis="x", labelsize=8.0)


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A kernel density estimate that stays within the values' range, by ArviZ."""
    from arviz_stats.base import array_stats

    grid, density, _ = array_stats.kde(values, grid_len=256)
    return grid, density


def _handles(marks, ci_prob: float, prior) -> list:
    grey = "#777777"
    handles = [Line2D([], [], color=grey, lw=1.5, label="posterior"),
               Patch(color=grey, alpha=0.3, lw=0, label=f"{100 * ci_prob:g} % interval")]  # fmt: skip
    if any(values is not None for values in prior):
        handles.append(Line2D([], [], color=PALE, lw=1.1, ls=(0, (5, 1, 1, 1)), label="prior"))
    return handles + [Line2D([], [], color=INK, lw=1.5, ls=_DASHES[name], label=name) for name in marks]
