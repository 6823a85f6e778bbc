"""Draws with one scalar variable a feature, for the functions of ArviZ that know no others."""

from __future__ import annotations

from bayesgmm.draws.mixtures import group_of

_VECTOR_GROUPS = ("observed_data", "posterior_predictive", "prior_predictive", "predictions")


def by_feature(draws):
    """The same draws with each feature of the data as a variable of its own, sharing one log-likelihood.

    ArviZ's ``loo_pit``, ``plot_loo_pit``, ``plot_ppc_pit`` and ``plot_ppc_interval`` take scalar observations only.

    Parameters
    ----------
    draws : xarray.DataTree
        Its data groups hold a variable such as ``x`` (…, obs, feature).

    Returns
    -------
    xarray.DataTree
        In the groups of data and predictions ``x`` has become ``eruptions``, ``waiting``, … (…, obs), and in
        ``log_likelihood`` each of these is the log density of the whole row. The other groups are unchanged.

    Raises
    ------
    ValueError
        If the draws have no ``observed_data`` with the dim ``feature``.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> draws = from_arrays(np.ones((1, 2, 1)), np.zeros((1, 2, 1, 2)), np.ones((1, 2, 1, 1, 1)) * np.eye(2),
    ...                     x=np.zeros((3, 2)), features=["a", "b"])
    >>> list(by_feature(draws).observed_data.data_vars)
    ['a', 'b']
    """
    observed = group_of(draws, "observed_data")
    vectors = [] if observed is None else [name for name, v in observed.data_vars.items() if "feature" in v.dims]
    if not vectors:
        raise ValueError("by_feature needs draws with observed_data that has the dim 'feature'")
    names = [str(f) for f in observed["feature"].values]
    new = draws.copy()
    for group in _VECTOR_GROUPS:
        if group in draws.children:
            new[group].dataset = _split(group_of(draws, group), names)
    if "log_likelihood" in draws.children:
        rows = group_of(draws, "log_likelihood")
        shared = {name: rows[v] for v in vectors if v in rows for name in names}
        new["log_likelihood"].dataset = rows.drop_vars(vectors, errors="ignore").assign(shared)
    return new


def _split(dataset, names: list[str]):
    vectors = [name for name, v in dataset.data_vars.items() if "feature" in v.dims]
    parts = {f: dataset[v].isel(feature=j, drop=True) for v in vectors for j, f in enumerate(names)}
    return dataset.drop_vars([*vectors, "feature"], errors="ignore").assign(parts)
