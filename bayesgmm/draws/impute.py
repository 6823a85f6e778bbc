"""Draws of missing cells from the posterior predictive distribution, given what was observed of their rows."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.invariants import observed_rows
from bayesgmm.draws.mixtures import read
from bayesgmm.kernel import Incomplete, e_step
from bayesgmm.kernel.conditional import regression


def impute(draws, *, seed=None):
    """Draw the missing cells of the posterior's own rows, once for each posterior draw.

    A draw takes a component from P(Z_n = k | x_n,observed), and the missing cells from that component's Gaussian given
    the observed ones: so the draws hold the uncertainty of parameters, labels and cells together. Cells of one row
    are drawn jointly.

    Parameters
    ----------
    draws : xarray.DataTree
        Of rows with missing cells (``missing="marginalise"`` in the story). A new row would have to say its part
        about the parameters first: add it to the data.
    seed : int, optional

    Returns
    -------
    xarray.DataArray
        (chain, draw, cell), in data units, with the coordinates ``obs`` and ``feature`` of each missing cell, in the
        order of rows.

    Raises
    ------
    ValueError
        If no cell is missing, or the draws hold no rows.

    References
    ----------
    Rubin (1987) for multiple imputation.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> one, covariances = np.ones((1, 2, 1)), np.tile([[1.0, 0.9], [0.9, 1.0]], (1, 2, 1, 1, 1))
    >>> draws = from_arrays(one, np.zeros((1, 2, 1, 2)), covariances, x=[[1.0, np.nan], [2.0, 0.5]])
    >>> cells = impute(draws, seed=1)
    >>> dict(cells.sizes), cells["obs"].values, cells["feature"].values
    ({'chain': 1, 'draw': 2, 'cell': 1}, array([0]), array(['x1'], dtype='<U2'))
    """
    import xarray as xr

    mixtures = read(draws)
    values = observed_rows(draws, mixtures.features)
    if values is None:
        raise ValueError("the draws hold no rows: a variable (obs, feature) in observed_data")
    gaps = np.isnan(values)
    if not gaps.any():
        raise ValueError("no cell is missing, so there is nothing to impute")
    some = np.flatnonzero(gaps.any(axis=1))
    rows, rng = Incomplete.of(values[some]), np.random.default_rng(seed)
    cells = np.array([_filled(rows, draw, rng)[gaps[some]] for draw in mixtures.evaluables()])
    place, feature = np.nonzero(gaps)
    posterior = draws["posterior"]
    shape = posterior.sizes["chain"], posterior.sizes["draw"], cells.shape[1]
    coords = {"chain": posterior["chain"].values, "draw": posterior["draw"].values}
    coords |= {"obs": ("cell", place), "feature": ("cell", np.array(mixtures.features)[feature])}
    return xr.DataArray(cells.reshape(shape), coords, ("chain", "draw", "cell"), name="x")


def _filled(rows: Incomplete, mixture, rng) -> np.ndarray:
    """Rows (N, D) with one draw of their missing cells."""
    _, _, r = e_step(rows, mixture, responsibilities=True)
    labels = (rng.random((len(r), 1)) > r.cumsum(axis=1)).sum(axis=1).clip(max=r.shape[1] - 1)
    k, d = mixture.means.shape
    factors = np.broadcast_to(mixture.whitening.scale_trils, (k, d, d))
    x = np.empty(rows.shape)
    for numbers, have, cells in rows.blocks():
        slopes, roots = regression(factors, have)
        z, means = labels[numbers], mixture.means
        noise = (roots[z] @ rng.standard_normal((len(z), d, 1)))[:, :, 0]
        expected = means[z][:, ~have] + (slopes[z] @ (cells - means[z][:, have])[:, :, None])[:, :, 0]
        x[np.ix_(numbers, have)], x[np.ix_(numbers, ~have)] = cells, expected + noise
    return x
