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


def collapse(mixture: Mixture, rows: Stats) -> str:
    """Say which component of a mixture has collapsed, given the `moments` of all rows, or '' if none has."""
    turn = sphere(rows.scatters[0] / rows.total)
    thinnest = np.linalg.eigvalsh(turn.T @ mixture.covariances @ turn)[:, 0]
    k = int(thinnest.argmin())
    if thinnest[k] >= THINNEST:
        return ""
    points = float(mixture.weights[k] * rows.total)
    return f"component {k} collapsed onto about {points:.1f} rows (smallest eigenvalue {thinnest[k]:.1e} of theirs)"


def explain(notes: list[str], n_components: int, covariance_type: str) -> DegenerateFit:
    """The error for a fit none of whose starts came through."""
    why = notes[0] if notes else "a component lost all its rows"
    return DegenerateFit(
        f"all {len(notes)} starts of n_components={n_components}, covariance_type={covariance_type!r} ended in a "
        f"degenerate mixture: {why}; give prior='conjugate', use fewer components, or a simpler covariance_type"
    )
