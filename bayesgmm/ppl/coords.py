"""Coordinates of a story."""

from __future__ import annotations

from bayesgmm.data import as_table


def coords(x, n_components: int) -> dict:
    """The coordinates that every story has: ``component``, ``feature``, ``feature_other``, ``obs``.

    Parameters
    ----------
    x : array, frame, or file (N, D)
    n_components : int

    Examples
    --------
    >>> import numpy as np
    >>> coords(np.eye(3)[:, :2], 2)["feature"]
    ['x0', 'x1']
    """
    table = as_table(x, missing="marginalise")
    names = list(table.features)
    return {
        "component": list(range(n_components)),
        "feature": names,
        "feature_other": names,
        "obs": list(range(table.n_obs)),
    }
