"""When a fit is no fit: a component that has collapsed."""

from __future__ import annotations

import numpy as np

from bayesgmm.fit.starts import sphere
from bayesgmm.kernel import Stats
from bayesgmm.mixture import Mixture

# Smallest eigenvalue of Σ_k, in units in which all rows together have unit covariance.
THINNEST = 1e-6


class DegenerateFit(ValueError):
    """Every start ended in a component with no volume, where the likelihood has no maximum."""


def thinnest(covariances: np.ndarray, rows: Stats) -> np.ndarray:
    """The smallest eigenvalue of each Σ (…, D, D), in units in which all rows, with these `moments`, have unit Σ."""
    turn = sphere(rows.scatters[0] / rows.total)
    return np.linalg.eigvalsh(turn.T @ covariances @ turn)[..., 0]


def collapse(mixture: Mixture, rows: Stats) -> str:
    """Say which component of a mixture has collapsed, given the `moments` of all rows, or '' if none has."""
    values = thinnest(mixture.covariances, rows)
    k = int(values.argmin())
    if values[k] >= THINNEST:
        return ""
    points = float(mixture.weights[k] * rows.total)
    return f"component {k} collapsed onto about {points:.1f} rows (smallest eigenvalue {values[k]:.1e} of theirs)"


def explain(notes: list[str], n_components: int, covariance_type: str) -> DegenerateFit:
    """The error for a fit none of whose starts came through."""
    why = notes[0] if notes else "a component lost all its rows"
    return DegenerateFit(
        f"all {len(notes)} starts of n_components={n_components}, covariance_type={covariance_type!r} ended in a "
        f"degenerate mixture: {why}; give prior='conjugate', use fewer components, or a simpler covariance_type"
    )
