"""How much the posterior would change with a stronger or weaker prior, or likelihood: power scaling."""

from __future__ import annotations

from bayesgmm.draws.mixtures import DIMS, group_of, posterior_of


def sensitivity(draws, *, var_names=None):
    """ArviZ's table of power-scaling sensitivities of weights, means and covariances.

    Prior and likelihood are raised to powers near 1, and draws reweighted: a number is how far a marginal posterior
    moves. Above 0.05 both for prior and likelihood they may be in conflict; above 0.05 for the prior alone the prior
    is strong, or the likelihood weak.

    Parameters
    ----------
    draws : xarray.DataTree
        With ``log_likelihood`` and ``log_prior``, as `bayesgmm.sample` returns them for stories that declare a prior.
    var_names : list of str, optional
        Variables of the posterior; weights, means and covariances without.

    Returns
    -------
    pandas.DataFrame
        Columns ``prior``, ``likelihood`` and ``diagnosis``, a row a number.

    Raises
    ------
    ValueError
        If the draws lack one of the two groups.

    References
    ----------
    Kallioinen, Paananen, Bürkner & Vehtari (2024).

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from bayesgmm.models import finite_mixture
    >>> model = finite_mixture(bg.load_dataset("faithful"), 2, prior="independent")
    >>> table = sensitivity(bg.sample(model, draws=500, tune=500, seed=1, progress=False), var_names=["means"])
    >>> list(table.index)[:2], bool((table["prior"] < 0.05).all())
    (['means[0, eruptions]', 'means[0, waiting]'], True)
    """
    import arviz_stats
    import xarray as xr

    posterior_of(draws)
    groups = {name: group_of(draws, name) for name in ("posterior", "log_prior", "log_likelihood")}
    lacking = [name for name, group in groups.items() if group is None]
    if lacking:
        raise ValueError(f"draws have no group {lacking[0]!r}, which power scaling needs; sample the story again")
    # ArviZ gives its own table a dim of this name, and cannot tell the two apart.
    groups["posterior"] = groups["posterior"].rename(component="cluster")
    names = list(DIMS) if var_names is None else var_names
    return arviz_stats.psense_summary(xr.DataTree.from_dict(groups), var_names=names)
