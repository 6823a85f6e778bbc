"""Free coordinates of covariances that share volumes, shapes or axes, around given ones; and how Σ moves with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Coordinates:
    """As many numbers as the family has free parameters, all 0 at given covariances, smooth there.

    They are, one or one for each component: log volumes; logarithms of the shape's values, as its letter says, whose
    sum is zero, and angles, by Cayley's transform; or, where shape and axes are both equal or both vary, the entries of
    a factor of Σ_k / λ_k but its last.

    Parameters
    ----------
    letters : str
        Of volume, shape and axes.
    covariances : ndarray (K, D, D)
        Of the family.

    Examples
    --------
    >>> c = Coordinates("VEI", np.array([np.diag([1.0, 4.0]), np.diag([2.0, 8.0])]))
    >>> c.size, c.at(np.array([0.0, np.log(2.0), 0.0]))[1].round(12).tolist()
    (3, [[4.0, 0.0], [0.0, 16.0]])
    """

    letters: str
    covariances: np.ndarray

    @property
    def _parts(self) -> tuple[int, int, int]:
        """How many volumes, shapes and orientations there are."""
        return tuple({"E": 1, "V": len(self.covariances), "I": 0}[letter] for letter in self.letters)

    @property
    def size(self) -> int:
        """q."""
        (volumes, shapes, axes), d = self._parts, self.covariances.shape[-1]
        return volumes + shapes * (d - 1) + axes * (d * (d - 1) // 2)

    def at(self, v: np.ndarray) -> np.ndarray:
        """Σ (…, K, D, D) at coordinates v (…, q)."""
        volumes, shapes, axes = self._parts
        k, d = self.covariances.shape[:2]
        sizes = np.exp(np.linalg.slogdet(self.covariances)[1] / d) * np.exp(v[..., :volumes])
        rest, lead = v[..., volumes:], v.shape[:-1]
        if shapes == axes:
            matrices = self._matrices(rest.reshape(*lead, shapes, d * (d + 1) // 2 - 1))
        else:
            logs = rest[..., : shapes * (d - 1)].reshape(*lead, shapes, d - 1)
            angles = rest[..., shapes * (d - 1) :].reshape(*lead, axes, d * (d - 1) // 2)
            matrices = self._turned(logs, angles)
        return sizes[..., None, None] * np.broadcast_to(matrices, (*lead, k, d, d))

    def _matrices(self, entries):
        """Any matrices of determinant 1."""
        d = self.covariances.shape[-1]
        change = np.zeros((*entries.shape[:-1], d, d))
        change[..., *(index[:-1] for index in np.tril_indices(d))] = entries
        found = np.linalg.cholesky(self.covariances[: entries.shape[-2]]) @ (np.eye(d) + change)
        found = found @ found.mT
        return found / np.exp(np.linalg.slogdet(found)[1] / d)[..., None, None]

    def _turned(self, logs, angles):
        """Matrices of determinant 1, with their values moved by logarithms, and their axes turned."""
        values, axes = self._values_and_axes()
        moved = np.log(values[: logs.shape[-2]]) + np.concatenate([logs, -logs.sum(-1, keepdims=True)], axis=-1)
        moved = np.exp(moved - moved.mean(axis=-1, keepdims=True))
        if angles.shape[-2] == 0:
            return moved[..., None] * np.eye(logs.shape[-1] + 1)
        d = values.shape[-1]
        skew = np.zeros((*angles.shape[:-1], d, d))
        skew[..., *np.tril_indices(d, -1)] = 0.5 * angles
        skew = skew - skew.mT
        turned = axes[: angles.shape[-2]] @ np.linalg.solve(np.eye(d) - skew, np.eye(d) + skew)
        return (turned * moved[..., None, :]) @ turned.mT

    def _values_and_axes(self):
        """The values (K, D) of covariances and their axes (K, D, D), or one (1, D, D), as columns."""
        if self.letters[2] == "I":
            return np.diagonal(self.covariances, axis1=1, axis2=2), None
        if self.letters[2] == "V":
            return np.linalg.eigh(self.covariances)
        # Axes that all share are those of any sum of them, and of no sum but by chance are two values equal.
        weights = np.exp(-np.linalg.slogdet(self.covariances)[1] / self.covariances.shape[-1])
        weights = weights * (1.0 + np.sin(np.arange(len(weights)) + 1.0) ** 2)
        _, axes = np.linalg.eigh((weights[:, None, None] * self.covariances).sum(axis=0))
        return np.diagonal(axes.T @ self.covariances @ axes, axis1=1, axis2=2), axes[None]
