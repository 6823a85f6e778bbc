"""R-hat and effective sample sizes of many quantities at once, by ArviZ; constants and lone chains looked after."""

from __future__ import annotations

import numpy as np

# ArviZ splits chains in two and needs a few draws in each part.
_LEAST_DRAWS = 4
_TAILS = (0.05, 0.95)
_WORST = {"r_hat": np.inf, "ess_bulk": 0.0, "ess_tail": 0.0}


def convergence(quantities: dict[str, np.ndarray], n_chains: int, columns=("r_hat", "ess_bulk", "ess_tail")):
    """R-hat and ESS of each quantity.

    Parameters
    ----------
    quantities : dict of ndarray (M,)
        Draws in the order of the chains.
    n_chains : int
    columns : sequence of str
        What is wanted; each takes its time.

    Returns
    -------
    pandas.DataFrame
        ``r_hat`` (rank-normalised, split, the larger of bulk and folded), ``ess_bulk``, ``ess_tail`` (the smaller
        of the 5 % and 95 % quantiles'); one row a quantity. A quantity that never varies has NaN in all; one that is
        not finite somewhere has R-hat ∞ and ESS 0. One chain's R-hat compares its two halves (each split again).

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021).

    Examples
    --------
    >>> import numpy as np
    >>> draws = {"moves": np.random.default_rng(0).standard_normal(400), "rests": np.ones(400)}
    >>> convergence(draws, 4).round(2)["r_hat"].tolist()
    [1.0, nan]
    """
    import pandas as pd

    values = np.array(list(quantities.values())).reshape(len(quantities), n_chains, -1)
    table = np.full((len(values), len(columns)), np.nan)
    finite = np.isfinite(values).all(axis=(1, 2))
    table[~finite] = [_WORST[name] for name in columns]
    judged = finite & _varies(values)
    if judged.any():
        table[judged] = np.stack(_judged(values[judged], columns), axis=1)
    return pd.DataFrame(table, index=list(quantities), columns=list(columns))


def _varies(values: np.ndarray) -> np.ndarray:
    """Which quantities differ by more than rounding."""
    with np.errstate(invalid="ignore"):
        spread = values.max(axis=(1, 2)) - values.min(axis=(1, 2))
        return spread > 8 * np.finfo(float).eps * np.abs(values).max(axis=(1, 2))


def _judged(values: np.ndarray, columns) -> list[np.ndarray]:
    from arviz_stats import ess, rhat  # arviz itself would load its figures, and matplotlib

    n_draws = values.shape[2]
    parts = values if values.shape[1] > 1 else values[:, :, : n_draws // 2 * 2].reshape(len(values), 2, -1)
    if parts.shape[2] < _LEAST_DRAWS:
        return [np.full(len(values), 1.0 if name == "r_hat" else 0.0) for name in columns]
    axes = {"chain_axis": 1, "draw_axis": 2}
    judge = {
        "r_hat": lambda: rhat(parts, method="rank", **axes),
        "ess_bulk": lambda: ess(values, method="bulk", **axes),
        "ess_tail": lambda: ess(values, method="tail", prob=_TAILS, **axes),
    }
    # A chain that never moves has no variance within: R-hat is then 0/0 or x/0, and ESS is undefined.
    with np.errstate(all="ignore"):
        return [np.nan_to_num(judge[name](), nan=_WORST[name], posinf=_WORST[name]) for name in columns]
