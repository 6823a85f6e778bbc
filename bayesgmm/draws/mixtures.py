"""A posterior read as mixtures: every draw of (π, μ, Σ) is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayesgmm.kernel import Incomplete, Whitening, log_probs
from bayesgmm.mixture import Mixture

DIMS = {
    "weights": ("component",),
    "means": ("component", "feature"),
    "covariances": ("component", "feature", "feature_other"),
}


class Evaluable(NamedTuple):
    """What the kernel asks of a mixture, and nothing more: a draw is evaluated thousands of times."""

    log_weights: np.ndarray
    means: np.ndarray
    whitening: Whitening


@dataclass(frozen=True, eq=False)
class MixtureDraws:
    """The arrays of M = chains × draws mixtures, in the order of the chains.

    Make one with `read`, which checks.

    Attributes
    ----------
    weights : ndarray (M, K)
    means : ndarray (M, K, D)
    covariances : ndarray (M, K, D, D)
    features : tuple of str, length D
    n_chains : int
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    features: tuple[str, ...]
    n_chains: int = 1

    @property
    def n_components(self) -> int:
        """K."""
        return self.means.shape[1]

    def __len__(self) -> int:
        return len(self.means)

    @cached_property
    def scale_trils(self) -> np.ndarray:
        """L_k (M, K, D, D) of every draw."""
        try:
            return np.linalg.cholesky(self.covariances)
        except np.linalg.LinAlgError:
            smallest = np.linalg.eigvalsh(self.covariances)[..., 0]
            bad = smallest <= max(0.0, smallest.min())
            m, k = np.argwhere(bad)[0]
            raise ValueError(f"covariances is not positive definite in {self._where(m)}, component {k}") from None

    @cached_property
    def log_weights(self) -> np.ndarray:
        """log π (M, K)."""
        with np.errstate(divide="ignore"):
            return np.log(self.weights)

    @cached_property
    def factors(self) -> np.ndarray:
        """`scale_trils` as `Whitening` keeps them: (M, F, D, D), or diagonals (M, F, D); F = 1 where all are equal."""
        factors = self.scale_trils
        if (factors == factors[:, :1]).all():
            factors = factors[:, :1]
        if not np.tril(factors, -1).any():
            factors = np.diagonal(factors, axis1=-2, axis2=-1)
        return np.ascontiguousarray(factors)

    def evaluables(self) -> Iterator[Evaluable]:
        """The draws one by one, each as something `bayesgmm.kernel.e_step` takes."""
        for m in range(len(self)):
            yield Evaluable(self.log_weights[m], self.means[m], Whitening(self.factors[m]))

    def log_prob(self, x: np.ndarray, *, responsibilities=False):
        """log p(x_n) of rows x (N, D) under each draw (M, N), and r (M, N, K); missing cells (NaN) are summed out."""
        rows = Incomplete.of(x) if np.isnan(x).any() else x
        return log_probs(rows, self.log_weights, self.means, self.factors, responsibilities=responsibilities)

    def mixture(self, m: int) -> Mixture:
        """Draw m (counted through the chains) as a `Mixture`."""
        factors = Whitening.of(self.scale_trils[m])
        return Mixture.from_whitening(self.weights[m], self.means[m], factors, features=self.features)

    def mean(self) -> Mixture:
        """The mixture at the posterior means of π, μ and Σ; it is valid, for each of their sets is convex."""
        weights = self.weights.mean(axis=0)
        return Mixture(weights / weights.sum(), self.means.mean(axis=0), _symmetric(self.covariances.mean(axis=0)),
                       features=self.features)  # fmt: skip

    def take(self, which) -> MixtureDraws:
        """Some of the draws, by position; which chain each is from is forgotten."""
        return MixtureDraws(self.weights[which], self.means[which], self.covariances[which], self.features)

    def permute(self, orders: np.ndarray) -> MixtureDraws:
        """Every draw with its own order of components (M, K), or all with one (K,)."""
        orders = np.broadcast_to(orders, self.weights.shape)
        rows = np.arange(len(self))[:, None]
        arrays = (a[rows, orders] for a in (self.weights, self.means, self.covariances))
        return MixtureDraws(*arrays, self.features, self.n_chains)

    def marginal(self, positions: list[int]) -> MixtureDraws:
        """Every draw's mixture of some features alone, given by their positions."""
        covariances = self.covariances[..., positions, :][..., positions]
        names = tuple(self.features[j] for j in positions)
        return MixtureDraws(self.weights, self.means[..., positions], covariances, names, self.n_chains)

    def condition(self, given: dict[int, float]) -> MixtureDraws:
        """Every draw's mixture of the other features, given values of some, by position."""
        known, value = list(given), np.array([list(given.values())], dtype=float)
        rest = [j for j in range(len(self.features)) if j not in given]
        seen, cross = self.marginal(known), self.covariances[..., known, :][..., rest]
        slope = np.linalg.solve(seen.covariances, cross).swapaxes(-1, -2)
        means = self.means[..., rest] + np.einsum("mkij,mkj->mki", slope, value - seen.means)
        covariances = _symmetric(self.covariances[..., rest, :][..., rest] - slope @ cross)
        weights = seen.log_prob(value, responsibilities=True)[1][:, 0]
        return MixtureDraws(weights, means, covariances, tuple(self.features[j] for j in rest), self.n_chains)

    def _where(self, m: int) -> str:
        chain, draw = divmod(int(m), len(self) // self.n_chains)
        return f"chain {chain}, draw {draw}"


def read(draws) -> MixtureDraws:
    """The mixtures of a posterior, checked.

    Parameters
    ----------
    draws : xarray.DataTree
        With a group ``posterior`` that holds ``weights`` (chain, draw, component), ``means`` (…, feature) and
        ``covariances`` (…, feature, feature_other), in data units. The order of the dims does not matter.

    Returns
    -------
    MixtureDraws
        Features without names (no coordinate, or 0 … D−1) are called x0, x1, ….

    Raises
    ------
    ValueError
        If a variable or a dim is missing, sizes disagree, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> draws = from_arrays(np.full((2, 3, 1), 1.0), np.zeros((2, 3, 1, 1)), np.ones((2, 3, 1, 1, 1)))
    >>> len(read(draws)), read(draws).features
    (6, ('x0',))
    """
    posterior = posterior_of(draws)
    if "means" not in posterior and "log_joint" in getattr(draws, "children", ()):
        raise ValueError("the components of these draws are a story's own, but what was asked of them needs Gaussians")
    arrays = {name: _stacked(posterior, name, dims) for name, dims in DIMS.items()}
    if posterior.sizes["feature"] != posterior.sizes["feature_other"]:
        raise ValueError("covariances must be square: its dims feature and feature_other differ in length")
    mixtures = MixtureDraws(**arrays, features=_features(posterior), n_chains=posterior.sizes["chain"])
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} is not finite in {mixtures._where(np.argwhere(~np.isfinite(values))[0][0])}")
    return mixtures


def posterior_of(draws):
    """The posterior group as a Dataset, or a sentence that says what `draws` is instead."""
    try:
        return draws["posterior"].to_dataset()
    except (KeyError, TypeError, AttributeError, IndexError):
        raise ValueError(f"draws must be an xarray DataTree with a group 'posterior', not {_kind(draws)}") from None


def group_of(draws, name: str):
    """A group as a Dataset, or None if `draws` has no such group."""
    return draws[name].to_dataset() if name in draws.children else None


def mixture_at(draws, chain: int, draw: int) -> Mixture:
    """One posterior draw as a `Mixture`.

    Parameters
    ----------
    draws : xarray.DataTree
    chain, draw : int
        Positions, counted from 0; negative ones count from the end.

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture.
    IndexError
        If there is no such draw.

    Examples
    --------
    >>> import numpy as np
    >>> draws = from_arrays(np.full((1, 2, 2), 0.5), np.arange(4.0).reshape(1, 2, 2, 1), np.ones((1, 2, 2, 1, 1)))
    >>> mixture_at(draws, 0, 1).means.ravel()
    array([2., 3.])
    """
    mixtures = read(draws)
    places = np.arange(len(mixtures)).reshape(mixtures.n_chains, -1)
    return mixtures.mixture(int(places[chain, draw]))


def mean_mixture(draws) -> Mixture:
    """The mixture at the posterior means of π, μ and Σ: a reference to hold others against.

    It means something only when labels are matched, and even then its density is not the posterior predictive one.

    Examples
    --------
    >>> import numpy as np
    >>> draws = from_arrays(np.full((1, 2, 2), 0.5), np.arange(4.0).reshape(1, 2, 2, 1), np.ones((1, 2, 2, 1, 1)))
    >>> mean_mixture(draws).means.ravel()
    array([1., 2.])
    """
    return read(draws).mean()


def from_arrays(weights, means, covariances, *, x=None, features=None, sample_stats=None):
    """Draws made elsewhere as the DataTree that every function of this room takes.

    Parameters
    ----------
    weights : array_like (chain, draw, K)
    means : array_like (chain, draw, K, D)
    covariances : array_like (chain, draw, K, D, D)
    x : array_like (N, D), optional
        The rows they were drawn for.
    features : sequence of str, optional
        x0, x1, … without.
    sample_stats : dict of array_like (chain, draw), optional
        ``lp``, ``diverging``, ….

    Returns
    -------
    xarray.DataTree

    Examples
    --------
    >>> import numpy as np
    >>> draws = from_arrays(np.full((1, 2, 1), 1.0), np.zeros((1, 2, 1, 1)), np.ones((1, 2, 1, 1, 1)), features=["a"])
    >>> dict(draws.posterior.sizes)
    {'chain': 1, 'draw': 2, 'component': 1, 'feature': 1, 'feature_other': 1}
    """
    import xarray as xr

    weights, means, covariances = (np.asarray(a, dtype=float) for a in (weights, means, covariances))
    names = [f"x{j}" for j in range(means.shape[-1])] if features is None else [str(f) for f in features]
    sample, lead = dict(zip(("chain", "draw"), map(np.arange, weights.shape[:2]))), ("chain", "draw")
    arrays = dict(weights=weights, means=means, covariances=covariances)
    coords = {**sample, "component": np.arange(weights.shape[2]), "feature": names, "feature_other": names}
    groups = {"posterior": xr.Dataset({n: (lead + DIMS[n], a) for n, a in arrays.items()}, coords)}
    if sample_stats:
        groups["sample_stats"] = xr.Dataset({n: (lead, np.asarray(a)) for n, a in sample_stats.items()}, sample)
    if x is not None:
        rows = np.asarray(x, dtype=float)
        places = {"obs": np.arange(len(rows)), "feature": names}
        groups["observed_data"] = xr.Dataset({"x": (("obs", "feature"), rows)}, places)
    return xr.DataTree.from_dict(groups)


def named(posterior):
    """The posterior with coordinates on every dim of the mixture, as `read` names them."""
    features = list(_features(posterior))
    names = {"component": np.arange(posterior.sizes["component"]), "feature": features, "feature_other": features}
    return posterior.assign_coords({dim: value for dim, value in names.items() if dim in posterior.dims})


def _stacked(posterior, name: str, dims: tuple[str, ...]) -> np.ndarray:
    wanted = ("chain", "draw", *dims)
    if name not in posterior:
        have = ", ".join(map(str, posterior.data_vars)) or "nothing"
        raise ValueError(f"the posterior has no variable {name!r} (it holds {have}); build one with draws.from_arrays")
    if set(posterior[name].dims) != set(wanted):
        have = ", ".join(map(str, posterior[name].dims))
        raise ValueError(f"{name} has the dims ({have}), where ({', '.join(wanted)}) are needed; rename them")
    values = posterior[name].transpose(*wanted).values
    return np.ascontiguousarray(values.reshape(-1, *values.shape[2:]), dtype=float)


def _features(posterior) -> tuple[str, ...]:
    positions = [str(j) for j in range(posterior.sizes["feature"])]
    names = [str(f) for f in posterior["feature"].values]
    return tuple(f"x{j}" for j in positions) if names == positions else tuple(names)


def _symmetric(matrices: np.ndarray) -> np.ndarray:
    return 0.5 * (matrices + matrices.swapaxes(-1, -2))


def _kind(draws) -> str:
    groups = list(getattr(draws, "children", ()))
    return f"one with the groups {', '.join(groups)}" if groups else f"a {type(draws).__name__}"
