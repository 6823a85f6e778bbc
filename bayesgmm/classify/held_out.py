"""Scores of groups that were left out: folds, the exponent that they ask for, and a table of what was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.classify.classifier import log_posterior
from bayesgmm.classify.labelled import Labelled
from bayesgmm.data import DataError
from bayesgmm.fit.wanted import at_least_one

if TYPE_CHECKING:
    import pandas as pd

# The least exponent looked at: it makes a thousand rows count for one.
_LEAST = 1e-3


def folds_of(known: Labelled, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold (G,) of each group: all rows of a group are in one, and each class is dealt out evenly.

    Raises
    ------
    DataError
        If a class has fewer groups than there are folds.
    """
    folds = at_least_one(folds, "folds")
    fewest = int(known.numbers.argmin())
    if folds < 2 or known.numbers[fewest] < folds:
        raise DataError(
            f"folds is {folds}, and class {known.classes[fewest]!r} has {known.numbers[fewest]} groups: ask for at "
            "least 2 folds, and no more than the smallest class has groups"
        )
    found, begin = np.empty(len(known.of_group), dtype=int), 0
    for code in range(len(known.classes)):
        groups = rng.permutation(np.flatnonzero(known.of_group == code))
        found[groups] = (begin + np.arange(len(groups))) % folds
        begin += len(groups)  # so that the folds have equal numbers of groups, too
    return found


def best_exponent(sums: np.ndarray, class_prior: np.ndarray, of_group: np.ndarray) -> float:
    """The β in (0, 1] with the highest log score of Σ_t log p(x_t | c) (G, C): a concave problem in one number.

    It takes confidence back, and never adds any: groups that are all classified rightly would ask for no end of it.

    Examples
    --------
    Rows that are all there ten times, not twice, say nothing more: β is a fifth.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(2, size=1000)
    >>> x = rng.normal(truth, 1.0)
    >>> sums = -0.5 * np.stack([x**2, (x - 1) ** 2], axis=1)
    >>> twice, ten = (best_exponent(n * sums, np.array([0.5, 0.5]), truth) for n in (2, 10))
    >>> round(twice / ten, 3)
    5.0
    """
    from scipy.optimize import minimize_scalar

    at = np.arange(len(of_group))

    def loss(log_exponent):
        return -log_posterior(sums, class_prior, np.exp(log_exponent))[at, of_group].mean()

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), 0.0), method="bounded", options={"xatol": 1e-6})
    return 1.0 if loss(0.0) <= found.fun else float(np.exp(found.x))


def scored(held: dict, known: Labelled, class_prior: np.ndarray, exponent, seen: np.ndarray) -> pd.DataFrame:
    """What every candidate scores on the groups that were seen (G,) bool, best first.

    Columns: ``n_components``, ``covariance_type``; ``log_score`` with ``se``, its standard error over groups;
    ``difference`` from the best with its own, ``difference_se``; ``accuracy``; ``exponent``.
    """
    import pandas as pd

    truth, at, rows, logs = known.of_group[seen], np.arange(int(seen.sum())), [], []
    for (k, code), sums in held.items():
        beta = best_exponent(sums[seen], class_prior, truth) if exponent == "cv" else exponent
        log_p = log_posterior(sums[seen], class_prior, beta)
        logs.append(log_p[at, truth])
        rows.append({"n_components": k, "covariance_type": code, "log_score": logs[-1].mean(),
                     "accuracy": (log_p.argmax(axis=1) == truth).mean(), "exponent": beta})  # fmt: skip
    table, logs = pd.DataFrame(rows), np.array(logs)
    best = int(table["log_score"].to_numpy().argmax())
    gaps, root = logs - logs[best], np.sqrt(len(at))
    table.insert(3, "se", logs.std(axis=1, ddof=1) / root)
    table.insert(4, "difference", gaps.mean(axis=1))
    table.insert(5, "difference_se", gaps.std(axis=1, ddof=1) / root)
    return table.sort_values("log_score", ascending=False, kind="stable").reset_index(drop=True)
