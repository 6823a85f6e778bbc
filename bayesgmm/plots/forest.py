"""Estimates and posteriors side by side, parameter by parameter: a forest of points and intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bayesgmm.draws.affinity import match
from bayesgmm.draws.mixtures import read
from bayesgmm.draws.parts import PartDraws, is_open, read_any
from bayesgmm.mixture import Mixture

from .names import plain_name, positions
from .reading import best_features, mixture_of
from .style import INK, component_colors, doubt, halo, legend, look, new_axes

MOST_FEATURES = 6
# Panels of components of a story's own.
MOST_OWN = 12
INNER, OUTER = 0.5, 0.95
_SHAPES = {"draws": "osPX", "point": "D^v<>"}


@dataclass(frozen=True)
class Entry:
    """One line of every component: for each panel, points (K,) and intervals (K, 2), None where there are none."""

    name: str
    kind: str
    marker: str
    points: list[np.ndarray]
    outer: list[np.ndarray | None]
    inner: list[np.ndarray | None]


@look()
def plot_forest(*fits_and_draws, errors=None, names=None, features=None, axes=None):
    """Draw point estimates against posteriors: weights, means and standard deviations, in data units.

    A panel for the weights (of two components or more), and one for the means and one for the standard deviations of
    each feature; in each, the components with a line for everything that is compared. A posterior is its median with
    the equal-tailed 50 % (thick) and 95 % (thin) intervals, in the colour of the component; a point estimate is hollow,
    with the interval that `errors` gives it. Where the labels to which all are matched are uncertain
    (`bayesgmm.diagnose`), the figure says so. Of draws of a story with components of its own, which stand alone, there
    is a panel for each number that a component has.

    Parameters
    ----------
    *fits_and_draws : Fit, Mixture or DataTree
        What is compared, all with as many components and the same features. Components are matched to those of the
        first posterior (or the first, where there is none).
    errors : Uncertainty or Bootstrap, or a sequence of them, optional
        One a point estimate, in order, or None: whatever has a ``table`` with the columns ``lower`` and ``upper`` (or
        ``se``) and rows named ``weights[0]``, ``means[0, a]``, ``covariances[0, a, a]``. Intervals of standard
        deviations are the roots of those of variances, unless a ``derived`` table has them (``sds[0, a]``).
    names : sequence of str, optional
        What the legend calls them.
    features : sequence of str or int, optional
        Which, at most six. Without it, all, or the six that separate the components best.
    axes : array of Axes, optional
        Where to draw, in the order of the panels: weights, means, standard deviations; a new figure without.

    Returns
    -------
    ndarray of Axes (1 + 2 d,)
        Weights, means, standard deviations; without that of the weights, if K = 1.

    Raises
    ------
    ValueError
        If there is nothing to compare, components or features differ, `errors` or `names` are too many, or `axes` too
        few.
    TypeError
        If something else is to be compared.

    Examples
    --------
    >>> from matplotlib import pyplot as plt
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(1)
    >>> means = np.array([[1.0], [5.0]]) + 0.1 * rng.standard_normal((2, 50, 2, 1))
    >>> draws = from_arrays(rng.dirichlet([9, 9], (2, 50)), means, means[..., None] ** 2, features=["age"])
    >>> mle = Mixture([0.5, 0.5], [[5.0], [1.0]], np.ones((2, 1, 1)), features=["age"])
    >>> axes = plot_forest(mle, draws, names=["MLE", "posterior"])
    >>> [ax.get_xlabel() for ax in axes]
    ['weight', 'mean of age', 'sd of age']
    >>> plt.close(axes[0].figure)
    """
    if not fits_and_draws:
        raise ValueError("there is nothing to draw: give one fit or posterior, or several")
    if is_open(fits_and_draws[0]):
        return _own_forest(fits_and_draws, names, axes)
    items = [read(item) if hasattr(item, "children") else mixture_of(item) for item in fits_and_draws]
    first = next((item for item in items if not isinstance(item, Mixture)), items[0])
    reference = first if isinstance(first, Mixture) else first.mean()
    shown = _shown(reference, features)
    entries = _entries(items, _names(fits_and_draws, names), _errors(items, errors), reference, shown)
    own, axes = axes is None, _panels(reference, shown, len(entries), axes)
    titles = [plain_name(v, reference.features[j]) for v in ("means", "sds") for j in shown]
    titles = titles if reference.n_components == 1 else [plain_name("weights"), *titles]
    colors = component_colors(reference.n_components)
    for p, (ax, title) in enumerate(zip(axes, titles)):
        _draw_panel(ax, entries, p, colors)
        _name_axes(ax, title, reference.n_components)
    legend(axes[-1], _handles(entries), own=own, n_columns=4)
    if not isinstance(first, Mixture):
        doubt(axes[0], fits_and_draws[items.index(first)], own=own)
    return axes


def _own_forest(given, names, axes) -> np.ndarray:
    """Panels for every number that components of a story's own have, weights first."""
    if len(given) > 1:
        raise ValueError("draws of a story with components of its own are drawn alone: give one posterior")
    parts = read_any(given[0])
    series = dict(list(_numbers(parts).items())[:MOST_OWN])
    k, n = parts.n_components, len(series)
    quantiles = [np.quantile(v, [0.5, *_tails(OUTER), *_tails(INNER)], axis=0).T for v in series.values()]
    entry = Entry(_names(given, names)[0], "draws", "o", [q[:, 0] for q in quantiles], [q[:, 1:3] for q in quantiles],
                  [q[:, 3:5] for q in quantiles])  # fmt: skip
    width, own = min(n, 3 if n in (3, 5, 6) or n > 8 else 4), axes is None
    if own:
        rows = -(-n // width)
        size = 1.2 + 2.3 * width, 0.9 + rows * (0.45 + 0.33 * k)
        axes = new_axes(size, rows, width).ravel()
        for gap in axes[n:]:
            gap.remove()
    axes = np.asarray(axes, dtype=object).ravel()[:n]
    if len(axes) < n:
        raise ValueError(f"axes holds {len(axes)} Axes but {n} panels are to be drawn")
    for p, (ax, title) in enumerate(zip(axes, series)):
        _draw_panel(ax, [entry], p, component_colors(k))
        _name_axes(ax, title, k)
    legend(axes[-1], _handles([entry]), own=own, n_columns=4)
    doubt(axes[0], given[0], own=own)
    return axes


def _numbers(parts: PartDraws) -> dict[str, np.ndarray]:
    """Each number of a component by its plain name (M, K), a symmetric matrix's once."""
    found = {}
    for name, values in {"weights": parts.weights, **parts.own}.items():
        labels = parts.labels.get(name, [None])[1:]
        for place in np.ndindex(values.shape[2:]):
            if len(place) == 2 and place[0] > place[1] and np.array_equal(*labels):
                continue
            which = ", ".join(str(label[i]) for label, i in zip(labels, place))
            found[plain_name(name, which or None)] = values[(slice(None), slice(None), *place)]
    return found


def _shown(reference: Mixture, features) -> list[int]:
    if features is None:
        return best_features(reference, min(MOST_FEATURES, reference.n_features))
    return positions(reference.features, features, MOST_FEATURES)


def _names(given, names) -> list[str]:
    if names is not None:
        if len(names) != len(given):
            raise ValueError(f"names must have one name each for {len(given)} fits and posteriors, not {len(names)}")
        return list(map(str, names))
    found = ["posterior" if hasattr(item, "children") else getattr(item, "estimator", "mixture") for item in given]
    twice = {name for name in found if found.count(name) > 1}
    return [f"{name} {found[: i + 1].count(name)}" if name in twice else name for i, name in enumerate(found)]


def _errors(items, errors) -> list:
    """One for each of the items: None for a posterior."""
    points = [i for i, item in enumerate(items) if isinstance(item, Mixture)]
    given = [errors] if errors is None or hasattr(errors, "table") else list(errors)
    if len(given) > max(1, len(points)):
        raise ValueError(f"errors are of point estimates, and there are {len(points)} of these, not {len(given)}")
    found = [None] * len(items)
    for i, error in zip(points, given):
        found[i] = error
    return found


def _entries(items, names, errors, reference: Mixture, shown) -> list[Entry]:
    used, entries = {"draws": 0, "point": 0}, []
    for item, name, error in zip(items, names, errors):
        kind = "point" if isinstance(item, Mixture) else "draws"
        marker = _SHAPES[kind][used[kind] % len(_SHAPES[kind])]
        used[kind] += 1
        order = match(item if kind == "point" else item.mean(), reference)[0]
        make = _of_point if kind == "point" else _of_draws
        entries.append(Entry(name, kind, marker, *make(item, order, error, shown)))
    return entries


def _of_draws(mixtures, order, _, shown):
    series = [values[:, order] for values in _series(mixtures, shown)]
    quantiles = [np.quantile(v, [0.5, *_tails(OUTER), *_tails(INNER)], axis=0).T for v in series]
    return [q[:, 0] for q in quantiles], [q[:, 1:3] for q in quantiles], [q[:, 3:5] for q in quantiles]


def _of_point(mixture: Mixture, order, error, shown):
    points = [values[order] for values in _series(mixture, shown)]
    if error is None:
        return points, [None] * len(points), [None] * len(points)
    of = [mixture.features[j] for j in shown]
    rows = [] if len(order) == 1 else [[f"weights[{k}]" for k in order]]
    rows += [[f"means[{k}, {a}]" for k in order] for a in of]
    found = [_interval(error.table, names, values) for names, values in zip(rows, points)]
    found += [_sd_interval(error, order, a, values) for a, values in zip(of, points[len(rows) :])]
    return points, found, [None] * len(points)


def _series(mixtures, shown) -> list[np.ndarray]:
    """Weights (where there are several), means and sds (…, K) of one mixture, or of all draws."""
    variances = np.diagonal(mixtures.covariances, axis1=-2, axis2=-1)
    means = [mixtures.means[..., j] for j in shown]
    weights = [] if mixtures.n_components == 1 else [mixtures.weights]
    return [*weights, *means, *(np.sqrt(variances[..., j]) for j in shown)]


def _tails(prob: float) -> tuple[float, float]:
    return 0.5 - 0.5 * prob, 0.5 + 0.5 * prob


def _interval(table, rows, points) -> np.ndarray:
    """Lower and upper ends (K, 2): the table's own, or the normal ones of its standard errors."""
    if {"lower", "upper"} <= set(table.columns):
        return table.loc[rows, ["lower", "upper"]].to_numpy(dtype=float)
    from scipy.special import ndtri

    half = ndtri(_tails(OUTER)[1]) * table.loc[rows, "se"].to_numpy(dtype=float)
    return np.column_stack([points - half, points + half])


def _sd_interval(error, order, feature: str, points) -> np.ndarray:
    derived, rows = getattr(error, "derived", None), [f"sds[{k}, {feature}]" for k in order]
    if derived is not None and set(rows) <= set(derived.index):
        return _interval(derived, rows, points)
    variances = _interval(error.table, [f"covariances[{k}, {feature}, {feature}]" for k in order], points**2)
    return np.sqrt(np.maximum(variances, 0.0))


def _panels(reference: Mixture, shown, n_entries: int, axes) -> np.ndarray:
    d, weights = len(shown), reference.n_components > 1
    if axes is not None:
        axes = np.asarray(axes, dtype=object).ravel()
        if len(axes) < weights + 2 * d:
            raise ValueError(f"axes holds {len(axes)} Axes but {weights + 2 * d} panels are to be drawn")
        return axes[: weights + 2 * d]
    height = 0.45 + reference.n_components * (0.16 + 0.17 * n_entries)
    if d == 1:
        return new_axes((1.2 + 2.3 * (2 + weights), 0.9 + height), 1, 2 + weights)[0]
    return _wide(d, height, weights) if d <= 3 else _tall(d, height, weights)


def _wide(d: int, height: float, weights: bool) -> np.ndarray:
    """Weights and means over standard deviations."""
    axes = new_axes((1.2 + 2.3 * (d + weights), 1.3 + 2 * height), 2, d + weights)
    if not weights:
        return axes.ravel()
    axes[1, 0].remove()
    return np.concatenate([axes[0], axes[1, 1:]])


def _tall(d: int, height: float, weights: bool) -> np.ndarray:
    """A row a feature, with its means beside its standard deviations."""
    axes = new_axes((6.8, 0.6 + (d + weights) * (height + 0.2)), d + weights, 2)
    if not weights:
        return np.concatenate([axes[:, 0], axes[:, 1]])
    axes[0, 1].remove()
    return np.concatenate([axes[0, :1], axes[1:, 0], axes[1:, 1]])


def _draw_panel(ax, entries: list[Entry], p: int, colors):
    step = 0.72 / len(entries)
    for e, entry in enumerate(entries):
        y = np.arange(len(colors)) + (e - (len(entries) - 1) / 2) * step
        tones, posterior = (colors, True) if entry.kind == "draws" else ([INK] * len(colors), False)
        for ends, width in ((entry.outer[p], 1.3), (entry.inner[p], 3.6)):
            if ends is not None:
                ax.hlines(y, *ends.T, colors=tones, lw=width, gid=f"{entry.name}-{width}", capstyle="butt")
        ax.scatter(entry.points[p], y, s=26.0, marker=entry.marker, zorder=3, linewidths=0.8 if posterior else 1.1,
                   facecolors=tones if posterior else "white", edgecolors="white" if posterior else tones,
                   gid=entry.name, path_effects=halo(1.2) if posterior else None)  # fmt: skip
    for edge in range(1, len(colors)):
        ax.axhline(edge - 0.5, color="#DDDDDD", lw=0.6, zorder=0)


def _name_axes(ax, title: str, n_components: int):
    ax.set(xlabel=title, ylim=(n_components - 0.5, -0.5), yticks=range(n_components))
    ax.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    place = ax.get_subplotspec()
    first = place is None or place.is_first_col() or title == plain_name("weights")
    ax.set_yticklabels([f"component {k}" if first else str(k) for k in range(n_components)])
    ax.tick_params(axis="y", length=0, labelsize=8.0)
    ax.margins(x=0.08)


def _handles(entries: list[Entry]) -> list:
    grey, handles = "#666666", []
    for entry in entries:
        if entry.kind == "draws":
            handles.append(Line2D([], [], color=grey, marker=entry.marker, ms=5, mec="white", lw=3.0,
                                  label=f"{entry.name}: median, {100 * INNER:g} and {100 * OUTER:g} %"))  # fmt: skip
        else:
            with_line = entry.outer[0] is not None
            label = f"{entry.name} and its interval" if with_line else entry.name
            handles.append(Line2D([], [], color=INK, marker=entry.marker, ms=5, mfc="white", lw=1.3 if with_line else 0,
                                  label=label))  # fmt: skip
    return handles
