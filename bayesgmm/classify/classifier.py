"""`Classifier`: a mixture for each class, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.classify.assessment import Assessment, proper
from bayesgmm.classify.labelled import Grouped, Labelled
from bayesgmm.comparison.shown import as_html
from bayesgmm.data import DataError
from bayesgmm.kernel import e_step
from bayesgmm.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

    from bayesgmm.fit import Fit

MODELS = {"mixtures": "a mixture a class", "gaussians": "a Gaussian a class, all of one family"}


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """p(x | class) as a mixture for each class, and P(class | x) by Bayes' rule; what `fit_classifier` returns.

    Of a group of rows, P(c | x_1 … x_T) ∝ P(c) (Π_t p(x_t | c))^β: rows are taken to be independent given the class.
    Where they are not, as frames of speech, β < 1 takes back the confidence that counting them all would give.

    Attributes
    ----------
    classes : tuple
        C class names, sorted.
    mixtures : mapping
        Class → `Mixture`.
    class_prior : ndarray (C,)
        P(c).
    fits : mapping
        Class → `Fit`, of "mixtures"; empty for "gaussians", whose classes are fitted together.
    exponent : float
        β.
    model : {"mixtures", "gaussians"}
    criterion : {"bic", "cv"}
    chosen : pandas.DataFrame
        A row a class: ``n_components``, ``covariance_type``, ``n_rows``, ``n_groups``, ``class_prior``.
    tried : pandas.DataFrame
        What was chosen from, best first.
    held_out : Assessment or None
        Of the groups of the training rows, each by the chosen mixtures fitted without it: where cross-validation was
        asked for. What was chosen for being the best of many looks a little better than it is.
    missing : {"raise", "marginalise"}
    incomplete : bool
        Somebody interrupted: folds are missing.
    """

    classes: tuple
    mixtures: Mapping[object, Mixture]
    class_prior: np.ndarray
    fits: Mapping[object, Fit]
    exponent: float
    model: str
    criterion: str
    chosen: pd.DataFrame
    tried: pd.DataFrame
    held_out: Assessment | None = None
    missing: str = "raise"
    incomplete: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.mixtures[self.classes[0]].features

    def tempered(self, exponent: float) -> Classifier:
        """The same with another β; ``held_out`` is not taken along."""
        return replace(self, exponent=proper_exponent(exponent), held_out=None)

    # ---- what it says of rows

    def log_likelihood(self, x, groups=None) -> pd.DataFrame:
        """Σ_t log p(x_t | c) (G, C) over the rows of each group; β and P(c) are not in it."""
        rows = self._rows(x, groups)
        return self._frame(log_likelihoods(rows, [self.mixtures[c] for c in self.classes]), rows)

    def predict_proba(self, x, groups=None) -> pd.DataFrame:
        """P(c | rows) (G, C): one row a group, in the order in which groups first appear; every row sums to one.

        Parameters
        ----------
        x : array, frame, file or Table (N, D)
            New rows.
        groups : array_like (N,), optional
            Which rows belong to one object, by name; without, each is its own.

        Returns
        -------
        pandas.DataFrame
            Index: the groups; columns: the classes.

        Raises
        ------
        DataError
            If x cannot be read or has other features, or groups does not name one a row.
        """
        return np.exp(self._log_proba(self._rows(x, groups)))

    def predict(self, x, groups=None) -> pd.Series:
        """The most probable class of each group."""
        return self._log_proba(self._rows(x, groups)).idxmax(axis=1).rename("class")

    def assess(self, x, labels, groups=None, *, ci_prob: float = 0.95) -> Assessment:
        """How right it is about rows whose labels (N,) are known; see `bayesgmm.assess`.

        Raises
        ------
        DataError
            If a label is no class, or a group has two; and as for `predict_proba`.
        """
        known = Labelled.of(x, labels, groups, classes=self.classes, features=self.features, missing=self.missing)
        return assessed(self._log_proba(known.rows), known, ci_prob)

    def score(self, x, labels, groups=None) -> float:
        """The share of groups whose most probable class is the true one."""
        return self.assess(x, labels, groups).accuracy

    def log_score(self, x, labels, groups=None) -> float:
        """The mean over groups of log P(true class), in nats."""
        return self.assess(x, labels, groups).log_score

    # ---- parts

    def _rows(self, x, groups) -> Grouped:
        return Grouped.of(x, groups, features=self.features, missing=self.missing)

    def _log_proba(self, rows: Grouped) -> pd.DataFrame:
        sums = log_likelihoods(rows, [self.mixtures[c] for c in self.classes])
        return self._frame(log_posterior(sums, self.class_prior, self.exponent), rows)

    def _frame(self, values: np.ndarray, rows: Grouped) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(values, rows.index, pd.Index(self.classes, name="class"))

    # ---- what it says of itself

    @property
    def text(self) -> str:
        """What it is, how it was chosen, and how it does on groups held out."""
        how = {"bic": "BIC", "cv": "cross-validation"}[self.criterion]
        line = f"A classifier of {len(self.classes)} classes, {MODELS[self.model]}, chosen by {how}"
        if self.exponent != 1.0:
            line += f"; likelihoods to the power of {self.exponent:.3g}"
        line += ". It was interrupted, and fewer folds were seen." if self.incomplete else "."
        return line if self.held_out is None else f"{line}\nHeld out: {self.held_out.text}."

    def __str__(self) -> str:
        return f"{self.text}\n{self._shown.to_string()}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>\n" for line in self.text.splitlines())
        return lines + as_html(self._shown)

    @property
    def _shown(self) -> pd.DataFrame:
        return self.chosen.round({"class_prior": 3})


def log_likelihoods(rows: Grouped, mixtures) -> np.ndarray:
    """Σ_t log p(x_t | mixture) (G, C) of each mixture over the rows of each group."""
    values = rows.table.rows
    return np.stack([rows.sums(e_step(values, mixture, single=False)[0]) for mixture in mixtures], axis=-1)


def log_posterior(sums: np.ndarray, class_prior: np.ndarray, exponent) -> np.ndarray:
    """log P(c | group) (…, C) from Σ_t log p(x_t | c)."""
    joint = np.log(class_prior) + exponent * sums
    return joint - np.logaddexp.reduce(joint, axis=-1, keepdims=True)


def assessed(log_proba: pd.DataFrame, known: Labelled, ci_prob: float = 0.95) -> Assessment:
    """Probabilities of groups beside their classes."""
    import pandas as pd

    labels = pd.Series([known.classes[c] for c in known.of_group], known.rows.index, name="label")
    return Assessment(log_proba, labels, proper(ci_prob))


def proper_exponent(exponent) -> float:
    """β, a number above 0."""
    try:
        found = float(exponent)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 < found < np.inf:
        raise DataError(f"exponent must be a number above 0, or 'cv' where a classifier is fitted, not {exponent!r}")
    return found
