"""`Mixture`: a Gaussian mixture as a frozen value. A fit gives one, and every posterior draw is one."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from bayesgmm import univariate
from bayesgmm.kernel import Whitening, e_step

_SIMPLEX_TOLERANCE = 1e-8


class Mixture:
    """A Gaussian mixture p(x) = Σ_k π_k N(x | μ_k, Σ_k), fixed once made.

    Parameters
    ----------
    weights : array_like (K,)
        π: non-negative, summing to one.
    means : array_like (K, D)
        μ_k, in data units.
    covariances : array_like (K, D, D)
        Σ_k: symmetric, positive definite, in squared data units.
    features : sequence of str, optional
        Names of the D features; ``x0``, ``x1``, … without.

    Raises
    ------
    ValueError
        If shapes disagree, a number is not finite, the weights are no distribution, or a Σ_k is not
        symmetric and positive definite; the message names the component.

    Examples
    --------
    >>> import numpy as np
    >>> m = Mixture([0.3, 0.7], [[0.0, 0.0], [4.0, 1.0]], [np.eye(2), 2 * np.eye(2)], features=("a", "b"))
    >>> m.prob(np.array([[0.0, 0.0]])).round(4)
    array([0.0485])
    >>> m.predict(np.array([[0.0, 0.0], [5.0, 1.0]]))
    array([0, 1])
    >>> m.marginal(["b"]).means.ravel()
    array([0., 1.])
    """

    def __init__(self, weights, means, covariances, *, features=None):
        weights, means, covariances = _checked(weights, means, covariances)
        self._set(weights, means, Whitening.of(_cholesky(covariances)), features)
        self.__dict__["covariances"] = _frozen(covariances)

    @classmethod
    def from_scale_trils(cls, weights, means, scale_trils, *, features=None) -> Mixture:
        """The same from lower triangular factors L_k (K, D, D), Σ_k = L_k L_kᵀ, which keeps all their digits.

        Raises
        ------
        ValueError
            As the class does; the diagonals of L_k must be positive.
        """
        weights, means, factors = _checked(weights, means, scale_trils)
        if (np.diagonal(factors, axis1=-2, axis2=-1) <= 0).any() or np.triu(factors, 1).any():
            raise ValueError("scale_trils must be lower triangular with a positive diagonal in every component")
        return cls.from_whitening(weights, means, Whitening.of(factors), features=features)

    @classmethod
    def from_whitening(cls, weights, means, whitening: Whitening, *, features=None) -> Mixture:
        """The same from parts already known to be valid; nothing is checked (covariance families use it)."""
        new = object.__new__(cls)
        new._set(weights, means, whitening, features)
        return new

    def _set(self, weights, means, whitening, features):
        n_features = means.shape[1]
        names = tuple(map(str, features)) if features is not None else tuple(f"x{j}" for j in range(n_features))
        if len(set(names)) != len(names):
            raise ValueError(f"features names one feature twice: {list(names)}")
        if len(names) != n_features:
            raise ValueError(f"features has {len(names)} names but means has {n_features} columns")
        self.__dict__.update(weights=_frozen(weights), means=_frozen(means), whitening=whitening, features=names)

    def __setattr__(self, name, value):
        raise AttributeError(f"a Mixture is a value and cannot be changed: make a new one instead of setting {name}")

    # ---- what it is made of

    @property
    def n_components(self) -> int:
        """K."""
        return self.means.shape[0]

    @property
    def n_features(self) -> int:
        """D."""
        return self.means.shape[1]

    @cached_property
    def log_weights(self) -> np.ndarray:
        """log π (K,); −inf for an empty component."""
        with np.errstate(divide="ignore"):
            return _frozen(np.log(self.weights))

    @cached_property
    def scale_trils(self) -> np.ndarray:
        """L_k (K, D, D), lower triangular, Σ_k = L_k L_kᵀ."""
        return np.broadcast_to(self.whitening.scale_trils, (self.n_components, self.n_features, self.n_features))

    @cached_property
    def covariances(self) -> np.ndarray:
        """Σ_k (K, D, D)."""
        return _frozen(self.scale_trils @ self.scale_trils.swapaxes(-1, -2))

    # ---- densities and memberships

    def log_prob(self, x) -> np.ndarray:
        """log p(x_n) (N,) of rows x (N, D)."""
        return e_step(self._rows(x), self)[0]

    def prob(self, x) -> np.ndarray:
        """p(x_n) (N,), in one over the product of the features' units."""
        return np.exp(self.log_prob(x))

    def responsibilities(self, x) -> np.ndarray:
        """P(Z_n = k | x_n) (N, K); every row sums to one."""
        return e_step(self._rows(x), self, responsibilities=True)[2]

    def predict(self, x) -> np.ndarray:
        """The most probable component of each row (N,)."""
        return self.responsibilities(x).argmax(axis=1)

    def cdf(self, x) -> np.ndarray:
        """P(X ≤ x) (N,) for a mixture of one feature.

        Raises
        ------
        ValueError
            If there are several features; take `marginal` first.
        """
        self._one_feature("cdf")
        return univariate.cdf(np.asarray(x, dtype=float).ravel(), self.weights, self.means[:, 0], self._sds)

    def quantile(self, q) -> np.ndarray:
        """The x (N,) at which `cdf` equals q (N,), for a mixture of one feature.

        Raises
        ------
        ValueError
            If there are several features, or a q lies outside (0, 1).
        """
        self._one_feature("quantile")
        levels = np.atleast_1d(np.asarray(q, dtype=float)).ravel()
        if not ((levels > 0) & (levels < 1)).all():
            raise ValueError("quantile(q) needs every q strictly between 0 and 1")
        return univariate.quantile(levels, self.weights, self.means[:, 0], self._sds)

    # ---- mixtures made from it

    def sample(self, n: int, seed=None) -> tuple[np.ndarray, np.ndarray]:
        """Draw n rows and the labels behind them: x (n, D), z (n,)."""
        rng = np.random.default_rng(seed)
        labels = rng.choice(self.n_components, size=n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.n_features))
        return self.means[labels] + np.einsum("nij,nj->ni", self.scale_trils[labels], noise), labels

    def marginal(self, features) -> Mixture:
        """The mixture of some features alone, given by name or position.

        Raises
        ------
        ValueError
            If a feature is unknown or named twice, or there is none.
        """
        keep = self._positions([features] if isinstance(features, str | int) else features)
        if not keep:
            raise ValueError(f"marginal(features) needs at least one of {list(self.features)}")
        covariances = self.covariances[:, keep][:, :, keep]
        return Mixture(self.weights, self.means[:, keep], covariances, features=[self.features[j] for j in keep])

    def condition(self, given: dict) -> Mixture:
        """The mixture of the other features, given values of some: ``condition({"a": 1.0})``.

        Raises
        ------
        ValueError
            If a feature is unknown or named twice, or nothing is left.
        """
        known = self._positions(given)
        rest = [j for j in range(self.n_features) if j not in known]
        if not known or not rest:
            raise ValueError("condition(given) needs at least one feature given and one left")
        value = np.array([list(given.values())], dtype=float)
        seen = self.marginal(known)
        slope = np.linalg.solve(seen.covariances, self.covariances[:, known][:, :, rest]).swapaxes(-1, -2)
        means = self.means[:, rest] + (slope @ (value - seen.means)[:, :, None])[:, :, 0]
        covariances = self.covariances[:, rest][:, :, rest] - slope @ self.covariances[:, known][:, :, rest]
        names = [self.features[j] for j in rest]
        return Mixture(seen.responsibilities(value)[0], means, _symmetric(covariances), features=names)

    def permute(self, order) -> Mixture:
        """The same mixture with its components in another order: new component j is the old order[j]."""
        order = np.asarray(order)
        if sorted(order.tolist()) != list(range(self.n_components)):
            raise ValueError(f"order must be a permutation of 0 … {self.n_components - 1}, not {order.tolist()}")
        whitening = self.whitening.permute(order)
        return Mixture.from_whitening(self.weights[order], self.means[order], whitening, features=self.features)

    def to_dict(self) -> dict:
        """Plain lists and strings, for JSON; ``Mixture(**m.to_dict())`` is m."""
        arrays = {name: getattr(self, name).tolist() for name in ("weights", "means", "covariances")}
        return {**arrays, "features": list(self.features)}

    def __repr__(self):
        weights = ", ".join(f"{w:.3g}" for w in self.weights)
        return f"Mixture(n_components={self.n_components}, features={list(self.features)}, weights=[{weights}])"

    def _rows(self, x) -> np.ndarray:
        if hasattr(x, "columns"):
            x = x[list(self.features)]
        x = np.asarray(x, dtype=float)
        if self.n_features == 1 and x.ndim < 2:
            x = x.reshape(-1, 1)
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise ValueError(f"x must have shape (N, {self.n_features}), one column for each of {list(self.features)}")
        if not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise ValueError(f"x has a missing or infinite value in row {row}, feature {self.features[column]!r}")
        return x

    def _position(self, feature) -> int:
        names = dict(zip(self.features, range(self.n_features), strict=True))
        position = names.get(feature, feature)
        if not isinstance(position, int | np.integer) or not 0 <= position < self.n_features:
            raise ValueError(f"no feature {feature!r}; this mixture has {list(self.features)}")
        return int(position)

    def _positions(self, features) -> list[int]:
        positions = [self._position(f) for f in features]
        if len(set(positions)) != len(positions):
            raise ValueError(f"{list(features)} names one feature twice")
        return positions

    @property
    def _sds(self) -> np.ndarray:
        return self.scale_trils[:, 0, 0]

    def _one_feature(self, verb: str):
        if self.n_features != 1:
            raise ValueError(f"{verb} is for one feature; take .marginal(feature) of {list(self.features)} first")


def _checked(weights, means, matrices):
    weights, means, matrices = (np.array(a, dtype=float) for a in (weights, means, matrices))
    if means.ndim != 2 or weights.shape != means.shape[:1] or matrices.shape != (*means.shape, means.shape[-1]):
        shapes = f"{weights.shape}, {means.shape}, {matrices.shape}"
        raise ValueError(f"weights, means, covariances must have shapes (K,), (K, D), (K, D, D); got {shapes}")
    for name, values in (("weights", weights), ("means", means), ("covariances", matrices)):
        if not np.isfinite(values).all():
            k = np.argwhere(~np.isfinite(values))[0][0]
            raise ValueError(f"{name} has a value that is not finite in component {k}")
    if (weights < 0).any() or abs(weights.sum() - 1) > _SIMPLEX_TOLERANCE:
        raise ValueError(f"weights must be non-negative and sum to one; they are {weights.tolist()}")
    return weights, means, matrices


def _cholesky(covariances):
    """The factors L_k (K, D, D), correct to their last digits: a plain Cholesky's are off by up to eps times cond Σ.

    In a log density that is the eighth digit at a condition number of 1e10; two steps of Newton's method remove it.
    """
    sds = np.sqrt(np.abs(np.diagonal(covariances, axis1=1, axis2=2)))
    gaps = np.abs(covariances - covariances.swapaxes(1, 2)) > 1e-8 * sds[:, :, None] * sds[:, None, :]
    if gaps.any():
        raise ValueError(f"covariances[{np.argwhere(gaps)[0][0]}] is not symmetric")
    # Units in which all variances are about one: powers of two, so that nothing is rounded.
    units = np.exp2(np.round(np.log2(np.where(sds > 0, sds, 1.0))))[:, :, None]
    lower = np.tril(covariances / units / units.swapaxes(1, 2))
    factors = np.array([_plain_cholesky(c, k) for k, c in enumerate(lower)])
    return _refined(lower, factors) * units


def _plain_cholesky(covariance, k):
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        raise ValueError(f"covariances[{k}] is not positive definite") from None


def _refined(lower, factors):
    """Newton's method for the factors of Σ, given by its lower half: L + L Φ(E) with E = L⁻¹ (Σ − L Lᵀ) L⁻ᵀ.

    Φ keeps what is below the diagonal, and half the diagonal. What is left of E is of the size of E².
    """
    inverses, half = np.linalg.inv(factors), 0.5 * np.eye(lower.shape[1])
    for _ in range(2):
        error = inverses @ _rounded_off(lower, factors) @ inverses.swapaxes(1, 2)
        sizes = np.abs(error).max(axis=(1, 2), keepdims=True)
        # A Σ that is singular to double precision has no better factor.
        factors = factors + np.where(sizes < 0.1, factors @ (np.tril(error) - half * error), 0.0)
        if (sizes < 1e-8).all():
            break
    return factors


def _rounded_off(lower, factors):
    """Σ − L Lᵀ where L Lᵀ rounds to Σ: rows of L, no longer than two, are split so that the main products are exact."""
    coarse = np.round(factors * 2.0**25) * 2.0**-25
    rest = factors - coarse
    cross = coarse @ rest.swapaxes(1, 2)
    lost = lower - coarse @ coarse.swapaxes(1, 2)
    lost = np.tril(lost - (cross + cross.swapaxes(1, 2) + rest @ rest.swapaxes(1, 2)))
    return lost + np.tril(lost, -1).swapaxes(1, 2)


def _symmetric(matrices):
    return 0.5 * (matrices + matrices.swapaxes(-1, -2))


def _frozen(array):
    array = np.array(array, dtype=float)
    array.setflags(write=False)
    return array
