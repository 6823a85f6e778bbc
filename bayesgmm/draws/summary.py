"""ArviZ's table of the posterior and a verdict under it; of single components only where labels can be trusted."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.diagnose import diagnose
from bayesgmm.draws.invariants import quantities
from bayesgmm.draws.mixtures import DIMS, named, posterior_of, read
from bayesgmm.draws.parts import is_open, read_any

_LEFT_OUT = "The table leaves those out (var_names=['weights', 'means', 'covariances'] shows them)."


def summary(draws, *, var_names=None, ci_prob: float | None = None):
    """Mean, sd, interval, effective sample sizes and R-hat of weights, means and covariances, and a verdict.

    Where the verdict is "labels uncertain", means and intervals of single components would average over different
    ones. The table then has, instead, what labels do not touch: the sorted weights, the mean and covariance of the
    whole mixture, and log densities. Components are shown nevertheless if `var_names` asks for them.

    Parameters
    ----------
    draws : xarray.DataTree
        With matched labels (`relabel`); if they are not, the verdict says so.
    var_names : list of str, optional
        Variables of the posterior, whatever the verdict; without, weights, means and covariances, or, of a story with
        components of its own, all.
    ci_prob : float, optional
        Probability of the interval; ArviZ's own setting (``stats.ci_prob``) without.

    Returns
    -------
    pandas.DataFrame
        ArviZ's columns (mean, sd, the interval's bounds, ess_bulk, ess_tail, r_hat, mcse_mean, mcse_sd), a row a
        number: ``weights[0]``, ``means[0, eruptions]``, ``covariances[0, eruptions, waiting]`` (each covariance
        once); or ``sorted weights[0]``, ``overall mean[eruptions]``, … (`bayesgmm.draws.invariants.quantities`) where
        labels are uncertain, and ``.attrs["components"]`` is False. Values are in full precision. It shows the verdict
        of `diagnose` as its last line, and has it in ``.attrs["verdict"]``.

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture, or has no such variable.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(0)
    >>> means = np.array([[0.0], [9.0]]) + 0.1 * rng.standard_normal((4, 500, 2, 1))
    >>> table = summary(from_arrays(np.full((4, 500, 2), 0.5), means, np.ones((4, 500, 2, 1, 1)), features=["a"]))
    >>> list(table.index)
    ['weights[0]', 'weights[1]', 'means[0, a]', 'means[1, a]', 'covariances[0, a, a]', 'covariances[1, a, a]']
    >>> table.attrs["verdict"]
    'sound'
    >>> same = np.full((4, 500, 2, 1), 3.0) + rng.standard_normal((4, 500, 2, 1))
    >>> table = summary(from_arrays(np.full((4, 500, 2), 0.5), same, np.ones((4, 500, 2, 1, 1)), features=["a"]))
    >>> list(table.index)
    ['sorted weights[0]', 'sorted weights[1]', 'overall mean[a]', 'overall covariance[a, a]']
    """
    from bayesgmm.draws.frame import VerdictFrame

    found = diagnose(draws)
    components = var_names is not None or found.labels_hold
    if components:
        plain, text = parameter_table(draws, var_names=var_names, ci_prob=ci_prob), found.text
    else:
        plain, text = invariant_table(draws, ci_prob=ci_prob), f"{found.text} {_LEFT_OUT}"
    table = VerdictFrame(plain, fmt_map=plain._fmt_map)
    table.attrs.update(verdict=found.verdict, verdict_text=text, components=components)
    return table


def invariant_table(draws, *, ci_prob: float | None = None):
    """ArviZ's table of the quantities that labels do not touch."""
    import xarray as xr

    mixtures = read_any(draws)
    shape = mixtures.n_chains, -1
    found = {name: (("chain", "draw"), values.reshape(shape)) for name, values in quantities(draws, mixtures).items()}
    return _table(xr.Dataset(found), ci_prob=ci_prob)


def parameter_table(draws, *, var_names=None, ci_prob: float | None = None, ci_kind: str | None = None):
    """`summary` without the verdict: ArviZ's own data frame, each covariance once."""
    known = is_open(draws)
    posterior = posterior_of(draws) if known else named(posterior_of(draws))
    all_names = [n for n, v in posterior.data_vars.items() if "obs" not in v.dims] if known else DIMS
    names = [var_names] if isinstance(var_names, str) else list(all_names if var_names is None else var_names)
    missing = [name for name in names if name not in posterior]
    if missing:
        have = ", ".join(map(str, posterior.data_vars))
        raise ValueError(f"the posterior has no variable {missing[0]!r}; it has {have}")
    table = _table(posterior[names], ci_prob=ci_prob, ci_kind=ci_kind)
    if known:
        return table
    features = read(draws).features
    return table.drop(index=_duplicates(posterior.sizes["component"], features), errors="ignore")


def _table(dataset, **interval):
    import arviz_stats

    # ArviZ divides zero by zero for what never varies; NaN is the right answer there.
    with np.errstate(all="ignore"):
        return arviz_stats.summary(dataset, **interval)


def _duplicates(n_components: int, features) -> list[str]:
    """The names of the covariances below the diagonal."""
    below = [(a, b) for i, a in enumerate(features) for b in features[:i]]
    return [f"covariances[{k}, {a}, {b}]" for k in range(n_components) for a, b in below]
