"""`project`: the directions along which the components of a mixture differ most, in means and in covariances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayesgmm.data import as_table
from bayesgmm.draws.mixtures import mean_mixture
from bayesgmm.mixture import Mixture

# Directions whose strength is below this share of the first's tell nothing.
_NOTHING = 1e-10


@dataclass(frozen=True, eq=False)
class Projection:
    """A mixture seen along a few directions.

    Attributes
    ----------
    directions : ndarray (D, p)
        What features are multiplied by; rows of the mixture have unit variance along each, and no correlation.
    centre : ndarray (D,)
        The mean of the mixture, which becomes 0.
    strength : ndarray (p,)
        How much components differ along each, as shares of all that they differ.
    mixture : Mixture
        The mixture of the coordinates, with features ``direction 1``, ….
    features : tuple of str
    scores : ndarray (N, p) or None
        The rows, if any were given.
    correlations : ndarray (D, p)
        Of features with directions, over the whole mixture: by them a direction may be named.
    """

    directions: np.ndarray
    centre: np.ndarray
    strength: np.ndarray
    mixture: Mixture
    features: tuple[str, ...]
    scores: np.ndarray | None
    correlations: np.ndarray

    def __call__(self, x) -> np.ndarray:
        """Coordinates (N, p) of rows x (N, D).

        Raises
        ------
        ValueError
            If the rows do not fit.
        """
        return (np.asarray(as_table(x, features=self.features).values, dtype=float) - self.centre) @ self.directions

    def named(self, p: int, most: int = 3) -> str:
        """Direction p by the features that it is correlated with most."""
        own = self.correlations[:, p]
        order = np.abs(own).argsort()[::-1][:most]
        return ", ".join(f"{self.features[j]} {own[j]:+.2f}" for j in order)

    def __str__(self):
        lines = [f"{len(self.strength)} directions of {len(self.features)} features"]
        lines += [f"  direction {p + 1}: {share:6.1%} of the differences; correlated with {self.named(p)}"
                  for p, share in enumerate(self.strength)]  # fmt: skip
        return "\n".join(lines)


def project(fit_or_draws, x=None, *, n_directions=None, balance=0.5) -> Projection:
    """Find the directions that show the components of any Gaussian mixture apart.

    With Σ the covariance of the whole mixture, of which W = Σ_k π_k Σ_k is within components and B between their
    means, the directions v solve  M v = l Σ v  for  M = 2b B Σ⁻¹ B + 2(1 − b) Σ_k π_k (Σ_k − W) Σ⁻¹ (Σ_k − W).

    Laws: what is seen moves with no linear map of the features; components of one mean and one covariance look the
    same along all directions.

    Parameters
    ----------
    fit_or_draws : Fit, Mixture or DataTree
        Draws count as the mixture at their posterior means: match labels first.
    x : array, frame or file (N, D), optional
        Rows to project.
    n_directions : int, optional
        p; all that tell anything without it.
    balance : float
        b, from 0 to 1: what differences of means count, against those of covariances. 0.5 is Scrucca's first proposal,
        and 1 looks at means alone.

    Returns
    -------
    Projection

    Raises
    ------
    ValueError
        If an argument is out of range, or there is nothing to tell components apart by.

    References
    ----------
    Scrucca (2010); Scrucca (2014) for the balance.

    Examples
    --------
    >>> m = Mixture([0.5, 0.5], [[0.0, 0.0], [3.0, 0.0]], [np.eye(2), np.eye(2)], features=("length", "width"))
    >>> found = project(m)
    >>> found.directions.round(3).tolist(), found.named(0, 1)
    ([[0.555], [0.0]], 'length +1.00')
    """
    mixture = _mixture(fit_or_draws)
    if not 0 <= balance <= 1:
        raise ValueError(f"balance must be between 0 and 1, not {balance}")
    weights, covariances = mixture.weights, mixture.covariances
    centre = weights @ mixture.means
    within = np.einsum("k,kij->ij", weights, covariances)
    apart = (mixture.means - centre) * np.sqrt(weights)[:, None]
    whole = within + apart.T @ apart
    # In coordinates in which the whole mixture has unit covariance the problem is an ordinary one.
    root = np.linalg.cholesky(whole)
    means = np.linalg.solve(root, apart.T)
    other = np.linalg.solve(root, covariances - within)
    other = np.linalg.solve(root, other.mT)
    kernel = 2 * balance * (means @ means.T) @ (means @ means.T)
    kernel += 2 * (1 - balance) * np.einsum("k,kij,klj->il", weights, other, other)
    values, vectors = np.linalg.eigh(kernel)
    keep = _kept(values[::-1], n_directions)
    directions = np.linalg.solve(root.T, vectors[:, ::-1][:, :keep])
    largest = np.take_along_axis(directions, np.abs(directions * np.sqrt(np.diag(whole))[:, None]).argmax(axis=0)[None],
                                 axis=0)  # fmt: skip
    directions = directions * np.where(largest < 0, -1.0, 1.0)
    return _seen(mixture, directions, centre, values[::-1][:keep] / values.clip(0).sum(), whole, x)


def _mixture(fit_or_draws) -> Mixture:
    if hasattr(fit_or_draws, "children"):
        return mean_mixture(fit_or_draws)
    mixture = getattr(fit_or_draws, "mixture", fit_or_draws)
    if not isinstance(mixture, Mixture):
        raise ValueError(f"a Fit, a Mixture or posterior draws can be projected, not {type(fit_or_draws).__name__}")
    return mixture


def _kept(values, n_directions) -> int:
    """How many directions, of values in falling order."""
    telling = int((values > _NOTHING * max(values[0], 1e-300)).sum()) if values[0] > _NOTHING else 0
    if not telling:
        raise ValueError("the components have one mean and one covariance: no direction shows them apart")
    if n_directions is None:
        return telling
    if isinstance(n_directions, bool) or not isinstance(n_directions, int | np.integer) or n_directions < 1:
        raise ValueError(f"n_directions must be an integer of at least 1, not {n_directions!r}")
    return min(int(n_directions), len(values))


def _seen(mixture, directions, centre, strength, whole, x) -> Projection:
    names = [f"direction {p + 1}" for p in range(directions.shape[1])]
    covariances = directions.T @ mixture.covariances @ directions
    seen = Mixture(mixture.weights, (mixture.means - centre) @ directions, 0.5 * (covariances + covariances.mT),
                   features=names)  # fmt: skip
    correlations = whole @ directions / np.sqrt(np.diag(whole))[:, None]
    rows = None if x is None else np.asarray(as_table(x, features=mixture.features).values, dtype=float)
    scores = None if rows is None else (rows - centre) @ directions
    return Projection(directions, centre, strength, seen, mixture.features, scores, correlations)
