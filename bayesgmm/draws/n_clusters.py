"""How many clusters, and how many components: the posterior as a table."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.clusterings import clusterings
from bayesgmm.draws.convergence import convergence
from bayesgmm.draws.mixtures import posterior_of


def n_clusters(draws, *, seed=None):
    """The posterior of the number of clusters, K₊ (components that rows belong to), and of components, K.

    K₊ is read from the variable ``n_clusters`` (chain, draw) of the posterior, or else counted in the allocations; a
    posterior with a fixed number of components that holds none has its allocations drawn by their responsibilities. K
    is in the table where the posterior has ``n_components`` (chain, draw).

    Parameters
    ----------
    draws : xarray.DataTree or array_like of int
        As `similarity` takes them.
    seed : int, optional
        For allocations that are drawn.

    Returns
    -------
    pandas.DataFrame
        A row for each value that was drawn, indexed by ``quantity`` ("n_clusters", "n_components") and ``value``:
        its posterior ``probability``; the Monte Carlo ``standard_error`` of that, by the effective sample size ``ess``
        of the indicator of the value; and ``r_hat``, of the quantity itself, the same for all its values. A quantity
        that never varies has no R-hat (NaN) and a standard error of 0.

    Raises
    ------
    ValueError
        If `draws` holds neither numbers, labels nor rows.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021) for ``ess`` and ``r_hat``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = np.sort(rng.integers(3, size=(4, 250, 5)), axis=2)
    >>> n_clusters(labels)["probability"].round(2).to_dict()
    {('n_clusters', 1): 0.01, ('n_clusters', 2): 0.37, ('n_clusters', 3): 0.62}
    """
    import pandas as pd

    parts = [_table(name, values) for name, values in _numbers(draws, seed).items()]
    return pd.concat(parts).set_index(["quantity", "value"])


def mean_error(values: np.ndarray, n_chains: int) -> tuple[float, float]:
    """The Monte Carlo standard error of the mean of values (M,), in the order of the chains, and their ESS.

    Examples
    --------
    >>> mean_error(np.ones(100), 2)
    (0.0, 100.0)
    """
    from arviz_stats import ess

    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if sd <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return 0.0, float(len(values))
    chains = values.reshape(1, n_chains, -1)
    with np.errstate(all="ignore"):
        found = float(np.ravel(ess(chains, method="mean", chain_axis=1, draw_axis=2))[0])
    return (sd / np.sqrt(found), found) if np.isfinite(found) and found > 0 else (np.inf, 0.0)


def _numbers(draws, seed) -> dict[str, np.ndarray]:
    """Values (chain, draw) by name."""
    posterior = posterior_of(draws) if hasattr(draws, "children") else {}
    found = {name: posterior[name].transpose("chain", "draw").values
             for name in ("n_clusters", "n_components") if name in posterior}  # fmt: skip
    if "n_clusters" not in found:
        read = clusterings(draws, seed)
        found = {"n_clusters": read.n_clusters.reshape(read.n_chains, -1), **found}
    return found


def _table(name: str, values: np.ndarray):
    import pandas as pd

    n_chains, flat = len(values), values.ravel()
    r_hat = convergence({name: flat.astype(float)}, n_chains)["r_hat"].iloc[0]
    rows = []
    for value in np.unique(flat):
        there = (flat == value).astype(float)
        error, ess = mean_error(there, n_chains)
        rows.append({"quantity": name, "value": int(value), "probability": there.mean(), "standard_error": error,
                     "ess": ess, "r_hat": r_hat})  # fmt: skip
    return pd.DataFrame(rows)
