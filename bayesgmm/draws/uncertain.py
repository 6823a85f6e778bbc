"""The rows whose component the posterior does not know, and why not: overlap, or parameters."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.diagnose import diagnose
from bayesgmm.draws.membership import entropy, points, row_blocks, told_by
from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.draws.parts import read_any

OVERLAP, PARAMETERS = "overlap", "parameters"


def uncertain(draws, x=None, *, prob: float = 0.9, ci_prob: float = 0.95, missing: str = "raise"):
    """The rows whose component is truly uncertain, the most uncertain first, and where the uncertainty comes from.

    A row is listed if its most probable component has a probability P below `prob`, or if the interval of that
    probability, as a function of the parameters, reaches below one half.

    The entropy of the label is the sum of two parts. What overlap causes, E[H(r)], the expected entropy of the
    responsibilities, would be left if the parameters were known: no number of further rows removes it. What not
    knowing the parameters causes, H(P) − E[H(r)], is the mutual information of the label and the parameters.

    Laws: both parts are at least 0; permuting the components of the draws permutes the answer.

    Parameters
    ----------
    draws : xarray.DataTree
        With labels that can be trusted (see `diagnose`).
    x : array_like, data frame, path or Table, optional
        New points (N, D). Without it, the posterior's own rows.
    prob : float
        A row with a component at least this probable is not uncertain for its probability's sake.
    ci_prob : float
        Probability of the equal-tailed interval.
    missing : {"raise", "marginalise"}
        Missing cells of new points; as in `membership`.

    Returns
    -------
    pandas.DataFrame
        A row a point, indexed by ``obs``, its label or position: ``component``, the most probable one;
        ``probability``, ``lower`` and ``upper``, its probability and the interval; ``runner_up`` and
        ``runner_up_probability``; ``entropy`` of the label in nats, its parts ``from_overlap`` and
        ``from_parameters``, and ``cause``, the name of the larger one, "overlap" or "parameters".

    Raises
    ------
    ValueError
        If labels are uncertain as a whole, so that no component can be named; or as `membership` does.

    Notes
    -----
    A new point is weighed as in `membership`: expectations and interval are over p(θ | data, x) ∝ p(x | θ) p(θ | data),
    so that ``probability`` is P(z = k | x, data). Rows are taken in blocks.

    References
    ----------
    Houlsby, Huszár, Ghahramani & Lengyel (2011); Depeweg, Hernández-Lobato, Doshi-Velez & Udluft (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> means = np.array([[-2.0], [2.0]]) + 0.1 * np.random.default_rng(0).standard_normal((4, 500, 2, 1))
    >>> draws = from_arrays(np.full((4, 500, 2), 0.5), means, np.ones((4, 500, 2, 1, 1)), x=[[0.1], [2.0], [0.3]])
    >>> uncertain(draws)[["component", "probability", "runner_up", "cause"]].round(2)
         component  probability  runner_up    cause
    obs
    0            1         0.60          0  overlap
    2            1         0.77          0  overlap
    """
    import pandas as pd

    for name, value in (("prob", prob), ("ci_prob", ci_prob)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must be strictly between 0 and 1, not {value}")
    found = diagnose(draws)
    if not found.labels_hold:
        raise ValueError(found.text)
    mixtures = read_any(draws)
    rows, obs = points(draws, mixtures, x, missing)
    blocks = [_judged(rows[b], mixtures, x is not None, ci_prob) for b in row_blocks(len(rows), mixtures)]
    table = pd.concat([pd.DataFrame(block) for block in blocks])
    table.index = pd.Index(obs, name="obs")
    doubtful = table[(table["probability"] < prob) | (table["lower"] < 0.5)]
    return doubtful.sort_values("entropy", ascending=False, kind="stable")


def _judged(x: np.ndarray, mixtures: MixtureDraws, new: bool, ci_prob: float) -> dict[str, np.ndarray]:
    """The columns of the table, for some rows."""
    log_prob, r = mixtures.log_prob(x, responsibilities=True)
    weights = told_by(log_prob) if new else np.full(log_prob.shape, 1.0 / len(log_prob))
    p = np.einsum("mn,mnk->nk", weights, r)
    order, n = np.argsort(-p, axis=1, kind="stable"), np.arange(len(x))
    first, second = order[:, 0], order[:, min(1, order.shape[1] - 1)]
    tail = 0.5 * (1.0 - ci_prob)
    lower, upper = _quantiles(r[:, n, first], weights if new else None, [tail, 1.0 - tail])
    whole, overlap = entropy(p), (weights * entropy(r)).sum(axis=0)
    return {
        "component": first,
        "probability": p[n, first],
        "lower": lower,
        "upper": upper,
        "runner_up": second,
        "runner_up_probability": p[n, second],
        "entropy": whole,
        "from_overlap": np.minimum(overlap, whole),
        "from_parameters": np.maximum(whole - overlap, 0.0),
        "cause": np.where(overlap >= whole - overlap, OVERLAP, PARAMETERS),
    }


def _quantiles(values: np.ndarray, weights: np.ndarray | None, levels) -> np.ndarray:
    """Quantiles (2, n) of values (M, n) along the draws, which count by their weights."""
    if weights is None:
        return np.quantile(values, levels, axis=0)
    return np.quantile(values, levels, axis=0, weights=weights, method="inverted_cdf")
