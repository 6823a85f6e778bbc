"""The density that a posterior, a bootstrap or a fit predicts for a new point, and how sure it may be of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm import univariate
from bayesgmm.draws.affinity import as_draws
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.mixture import Mixture

KINDS = ("density", "log_density", "cdf")
# Doubles held at once; points of a grid a feature, where there are one and two.
_BLOCK = 8_000_000
_GRID = {1: 201, 2: 61}
# Standard deviations of each component that a grid covers.
_REACH = 4.0


@dataclass(frozen=True)
class Predictive:
    """A density and, where it is uncertain, the many that it may be.

    Attributes
    ----------
    centre : MixtureDraws
        The mixtures whose average is the density: all draws of a posterior, or the one mixture of a fit.
    shares : ndarray (M,)
        With what weights they are averaged: equal ones, until values of some features are given.
    sample : MixtureDraws or None
        What its band is made of: the draws, or the replicates of a bootstrap; None for a fit.
    """

    centre: MixtureDraws
    shares: np.ndarray
    sample: MixtureDraws | None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are left."""
        return self.centre.features

    def marginal(self, places: list[int]) -> Predictive:
        """Of some features, by position."""
        sample = None if self.sample is None else self.sample.marginal(places)
        return Predictive(self.centre.marginal(places), self.shares, sample)

    def condition(self, given: dict[int, float]) -> Predictive:
        """Given values of some features, by position: draws under which those are likely count for more."""
        value = np.array([list(given.values())], dtype=float)
        log_shares = self.centre.marginal(list(given)).log_prob(value)[:, 0] + np.log(self.shares)
        shares = np.exp(log_shares - log_shares.max())
        sample = None if self.sample is None else self.sample.condition(given)
        return Predictive(self.centre.condition(given), shares / shares.sum(), sample)

    def pooled(self):
        """Weights, means and sds (M·K,) of the average, for one feature."""
        weights, means, sds = _line(self.centre)
        return (self.shares[:, None] * weights).ravel(), means.ravel(), sds.ravel()


def predictive(subject, features=None, given=None) -> Predictive:
    """Read draws, a bootstrap, a `Fit` or a `Mixture`; some features, given values of others.

    Raises
    ------
    ValueError
        If `subject` is none of them, or a feature is unknown, named twice, or both wanted and given.
    """
    found = _read(subject)
    found = found if given is None else found.condition(_given(found.features, given))
    if features is None:
        return found
    names = [features] if isinstance(features, str | int) else list(features)
    places = [_position(found.features, name) for name in names]
    if len(set(places)) < len(places) or not places:
        raise ValueError(f"features must name at least one of {list(found.features)}, each once, not {names}")
    return found.marginal(places)


def predictive_density(draws, x=None, *, kind="density", features=None, given=None, ci_prob=0.95):
    """The density of a new point under a posterior, a bootstrap or a fit, with its band.

    Of a posterior it is E[p(x)], the average over draws, which is not the density at the posterior means; of the
    others, the fit's. Given values of other features, it is E[p(x, given)] / E[p(given)]: what they say of the
    parameters counts. The band is pointwise and equal-tailed: the credible interval of p(x | θ) over draws, or the
    percentile interval over the replicates of a bootstrap. A fit alone has none.

    Laws: a density integrates to one, and so does each draw's; a marginal's and a conditional's do too. Labels do
    not matter.

    Parameters
    ----------
    draws : DataTree, Bootstrap, Fit or Mixture
    x : array_like (N, d), optional
        Where, in data units, for the d features that are left. Without it a grid over all that the components reach,
        for one feature (201 points) or two (61 × 61).
    kind : {"density", "log_density", "cdf"}
        "log_density" is log E[p(x)], and the band that of log p(x); "cdf", P(X ≤ x), for one feature.
    features : name, position or sequence of them, optional
        Of which features; the others are integrated out. All without.
    given : dict, optional
        Values of other features to condition on: ``{"waiting": 80.0}``.
    ci_prob : float
        Probability of the band.

    Returns
    -------
    xarray.Dataset
        The variable named by `kind`, and ``lower`` and ``upper``, over the features of a grid or over ``obs``.
        A density's unit is one over the product of the features' units.

    Raises
    ------
    ValueError
        If an argument is out of range, or x is needed: for more than two features.
    DataError
        If `x` cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.array([[[[-1.0]], [[1.0]]]])
    >>> draws = from_arrays(np.ones((1, 2, 1)), means, np.ones((1, 2, 1, 1, 1)), features=["a"])
    >>> found = predictive_density(draws, [[1.0]])
    >>> [round(float(found[name].item()), 3) for name in ("density", "lower", "upper")]
    [0.226, 0.063, 0.39]
    >>> predictive_density(draws, kind="cdf").sizes["a"]
    201
    """
    import xarray as xr

    _require_probability(ci_prob, "ci_prob")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is not known; use {', '.join(map(repr, KINDS[:-1]))} or {KINDS[-1]!r}")
    found = predictive(draws, features, given)
    names = found.features
    if kind == "cdf" and len(names) > 1:
        raise ValueError(f"kind='cdf' is for one feature; name one of {list(names)} as features")
    rows, coords = _places(found, x)
    values = _curves(found, rows, kind, ci_prob)
    shape = [len(c) for c in coords.values()]
    return xr.Dataset(
        {name: (tuple(coords), v.reshape(shape)) for name, v in values.items()}, coords, {"ci_prob": ci_prob}
    )


def predictive_quantile(draws, q, *, features=None, given=None, ci_prob=0.95):
    """The value of a feature that a new point stays below with probability q, with its interval.

    Parameters
    ----------
    draws : DataTree, Bootstrap, Fit or Mixture
    q : float or array_like (Q,)
        Probabilities, strictly between 0 and 1.
    features : name or position, optional
        Which feature, where there are several.
    given : dict, optional
        Values of other features to condition on.
    ci_prob : float
        Probability of the interval: credible for draws, percentile for a bootstrap.

    Returns
    -------
    xarray.Dataset
        ``value``, ``lower`` and ``upper`` over ``quantile``, in data units.

    Raises
    ------
    ValueError
        If more than one feature is left, or an argument is out of range.

    Examples
    --------
    >>> from bayesgmm import Mixture
    >>> predictive_quantile(Mixture([1.0], [[5.0]], [[[4.0]]]), 0.975)["value"].values.round(2)
    array([8.92])
    """
    import xarray as xr

    _require_probability(ci_prob, "ci_prob")
    levels = np.atleast_1d(np.asarray(q, dtype=float))
    for level in levels:
        _require_probability(level, "q")
    found = predictive(draws, features, given)
    if len(found.features) > 1:
        raise ValueError(f"quantiles are of one feature; name one of {list(found.features)} as features")
    values = {"value": univariate.quantile(levels, *found.pooled())}
    if found.sample is not None:
        each = univariate.quantile(levels, *_line(found.sample))
        values["lower"], values["upper"] = _band(each, ci_prob)
    return xr.Dataset({n: ("quantile", v) for n, v in values.items()}, {"quantile": levels}, {"ci_prob": ci_prob})


def _read(subject) -> Predictive:
    if hasattr(subject, "children"):
        mixtures = read(subject)
        return Predictive(mixtures, np.full(len(mixtures), 1.0 / len(mixtures)), mixtures)
    point = getattr(subject, "mixture", subject)
    if not isinstance(point, Mixture):
        kind = type(subject).__name__
        raise ValueError(f"a posterior (DataTree), a bootstrap, a Fit or a Mixture has a density, not a {kind}")
    return Predictive(as_draws(point), np.ones(1), getattr(subject, "draws", None))


def _given(features, given: dict) -> dict[int, float]:
    places = {_position(features, name): float(value) for name, value in given.items()}
    if not places or len(places) < len(given) or len(places) == len(features):
        raise ValueError(f"given must name some of {list(features)}, each once, and leave one, not {list(given)}")
    return places


def _position(features, name) -> int:
    if name in features:
        return features.index(name)
    if isinstance(name, int | np.integer) and 0 <= name < len(features):
        return int(name)
    raise ValueError(f"there is no feature {name!r}; there are {list(features)}")


def _places(found: Predictive, x):
    """Rows (N, d), and the coordinates that they lie on."""
    from bayesgmm.data import as_table

    names = found.features
    if x is not None:
        values = np.asarray(x)[:, None] if np.ndim(x) == 1 and len(names) == 1 else x
        rows = as_table(values, features=names).values
        return rows, {"obs": np.arange(len(rows))}
    if len(names) > 2:
        raise ValueError(f"a grid is for one or two features; give rows x, or name features of {list(names)}")
    axes = [_axis(found.centre.marginal([j]), _GRID[len(names)]) for j in range(len(names))]
    rows = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(names))
    return rows, dict(zip(names, axes))


def _axis(line: MixtureDraws, size: int) -> np.ndarray:
    """Where components of average place and width reach to: a rare draw far away does not stretch it."""
    weights, means, sds = _line(line)
    inside = weights > 1e-3
    ends = [np.where(inside, means + sign * _REACH * sds, means) for sign in (-1, 1)]
    return np.linspace(np.quantile(ends[0].min(axis=1), 0.1), np.quantile(ends[1].max(axis=1), 0.9), size)


def _curves(found: Predictive, rows: np.ndarray, kind: str, ci_prob: float) -> dict[str, np.ndarray]:
    n_draws = max(len(found.centre), 0 if found.sample is None else len(found.sample))
    step = max(1, _BLOCK // n_draws)
    blocks = [_block(found, rows[i : i + step], kind, ci_prob) for i in range(0, len(rows), step)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _block(found: Predictive, rows: np.ndarray, kind: str, ci_prob: float) -> dict[str, np.ndarray]:
    centre = _values(found.centre, rows, kind)
    done = {kind: _log_mean(centre, found.shares) if kind == "log_density" else found.shares @ centre}
    if found.sample is not None:
        each = centre if found.sample is found.centre else _values(found.sample, rows, kind)
        done["lower"], done["upper"] = _band(each, ci_prob)
    return done


def _values(mixtures: MixtureDraws, rows: np.ndarray, kind: str) -> np.ndarray:
    """(M, N)."""
    if kind == "cdf":
        return univariate.cdf(rows[:, 0], *_line(mixtures))
    log_prob = mixtures.log_prob(rows)
    return log_prob if kind == "log_density" else np.exp(log_prob)


def _log_mean(log_values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    top = log_values.max(axis=0)
    return top + np.log(shares @ np.exp(log_values - top))


def _band(each: np.ndarray, ci_prob: float):
    tail = 0.5 * (1.0 - ci_prob)
    return np.quantile(each, [tail, 1.0 - tail], axis=0)


def _line(mixtures: MixtureDraws):
    """Weights, means and sds (M, K) of mixtures of one feature."""
    return mixtures.weights, mixtures.means[..., 0], np.sqrt(mixtures.covariances[..., 0, 0])


def _require_probability(value, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must be strictly between 0 and 1, not {value}")
