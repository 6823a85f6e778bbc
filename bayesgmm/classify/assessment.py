"""How right probabilities of classes were: accuracy, scores, a confusion matrix, and their reliability."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.classify.labelled import codes_of
from bayesgmm.comparison.shown import as_html
from bayesgmm.data import DataError

if TYPE_CHECKING:
    import pandas as pd

# How far probabilities may be from a sum of one.
_ROUNDING = 1e-6
KINDS = {"top": "the class taken", "every": "every class"}


@dataclass(frozen=True, eq=False, repr=False)
class Assessment:
    """Probabilities of classes beside the classes that were true; made by `assess`.

    Attributes
    ----------
    log_probabilities : pandas.DataFrame (G, C)
    labels : pandas.Series (G,)
    ci_prob : float
        Of the interval.
    """

    log_probabilities: pd.DataFrame
    labels: pd.Series
    ci_prob: float

    @property
    def probabilities(self) -> pd.DataFrame:
        """P(class) (G, C); every row sums to one."""
        return np.exp(self.log_probabilities)

    @property
    def predicted(self) -> pd.Series:
        """The most probable class of each."""
        return self.log_probabilities.idxmax(axis=1)

    @property
    def is_right(self) -> pd.Series:
        """Whether it is the true one."""
        return self.predicted == self.labels

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return float(self.is_right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's (1927) interval of the accuracy, which takes what was classified to be independent."""
        return wilson(int(self.is_right.sum()), len(self.labels), self.ci_prob)

    @property
    def log_score(self) -> float:
        """The mean of log P(true class), in nats; higher is better."""
        return float(self._true_log.mean())

    @property
    def brier(self) -> float:
        """The mean of Σ_c (P(c) − [c is true])² (Brier 1950); lower is better."""
        p = self.probabilities.to_numpy()
        return float(((p - np.eye(p.shape[1])[self._codes]) ** 2).sum(axis=1).mean())

    @property
    def confusion(self) -> pd.DataFrame:
        """How many of each true class (rows) were taken for each class (columns)."""
        import pandas as pd

        classes, n = self.log_probabilities.columns, self.log_probabilities.shape[1]
        taken = self.log_probabilities.to_numpy().argmax(axis=1)
        counts = np.bincount(self._codes * n + taken, minlength=n * n).reshape(n, n)
        return pd.DataFrame(counts, pd.Index(classes, name="true"), pd.Index(classes, name="predicted"))

    def reliability(self, **how) -> Reliability:
        """`bayesgmm.reliability` of these probabilities."""
        return reliability(self.probabilities, self.labels, **{"ci_prob": self.ci_prob} | how)

    @property
    def _codes(self) -> np.ndarray:
        return codes_of(self.labels.to_numpy(), tuple(self.log_probabilities.columns))

    @property
    def _true_log(self) -> np.ndarray:
        return self.log_probabilities.to_numpy()[np.arange(len(self.labels)), self._codes]

    @property
    def text(self) -> str:
        """Accuracy and scores in a line."""
        lower, upper = self.interval
        return (
            f"{self.is_right.sum()} of {len(self.labels)} right: accuracy {self.accuracy:.3f} "
            f"({100 * self.ci_prob:g} % interval {lower:.3f} to {upper:.3f}), log score {self.log_score:.3f} nats, "
            f"Brier score {self.brier:.3f}"
        )

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def assess(probabilities, labels, *, ci_prob: float = 0.95) -> Assessment:
    """How right probabilities of classes were.

    Parameters
    ----------
    probabilities : pandas.DataFrame (G, C)
        As `Classifier.predict_proba` gives them, columns named by class; or an array whose columns are classes 0, 1, ….
    labels : array_like (G,)
        The true classes, one for each row of the probabilities: of groups, one a group.
    ci_prob : float
        Of the interval of the accuracy.

    Returns
    -------
    Assessment
        ``.accuracy`` with ``.interval``, ``.log_score``, ``.brier``, ``.confusion``, ``.reliability()``.

    Raises
    ------
    DataError
        If rows are no probabilities, or a label is no class.

    References
    ----------
    Wilson (1927) for the interval; Brier (1950); Gneiting & Raftery (2007) on scores.

    Examples
    --------
    >>> found = assess([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [0, 1, 1])
    >>> round(found.accuracy, 3), round(found.log_score, 3)
    (0.667, -0.415)
    >>> found.confusion.to_numpy().tolist()
    [[1, 0], [1, 1]]
    """
    frame, labels = _read(probabilities, labels)
    with np.errstate(divide="ignore"):
        return Assessment(np.log(frame), labels, proper(ci_prob))


@dataclass(frozen=True, eq=False, repr=False)
class Reliability:
    """Probabilities in bins, and how often they came true; made by `reliability`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a bin that is not empty: ``from_``, ``to``, its ends; ``n``; ``predicted``, the mean probability;
        ``observed``, the share that came true; ``lower``, ``upper``, Wilson's interval of that.
    kind : {"top", "every"}
    ci_prob : float
    """

    table: pd.DataFrame
    kind: str
    ci_prob: float

    @property
    def error(self) -> float:
        """Σ_b n_b / n · |observed_b − predicted_b|, the expected calibration error; it depends on the bins."""
        t = self.table
        return float((t["n"] * (t["observed"] - t["predicted"]).abs()).sum() / t["n"].sum())

    @property
    def confidence(self) -> float:
        """The mean probability less the share that came true: above zero is overconfident, for kind "top"."""
        t = self.table
        return float((t["n"] * (t["predicted"] - t["observed"])).sum() / t["n"].sum())

    @property
    def text(self) -> str:
        """The verdict in a line."""
        t = self.table
        outside = ((t["predicted"] < t["lower"]) | (t["predicted"] > t["upper"])).sum()
        return (
            f"Probabilities of {KINDS[self.kind]}, {int(t['n'].sum())} in {len(t)} bins: in {outside} the mean "
            f"probability is outside the {100 * self.ci_prob:g} % interval of what came true; expected calibration "
            f"error {self.error:.3f}, mean probability less share true {self.confidence:+.3f}"
        )

    def __str__(self) -> str:
        return f"{self.text}\n{self.table.round(3).to_string(index=False)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.text)}</p>\n{as_html(self.table.round(3))}"


def reliability(probabilities, labels, *, bins=10, kind="top", ci_prob: float = 0.95) -> Reliability:
    """Whether what is said to happen with probability p happens so often.

    Parameters
    ----------
    probabilities : pandas.DataFrame (G, C), or array
        As for `assess`.
    labels : array_like (G,)
        The true classes.
    bins : int or sequence of float
        So many bins with as near as may be equal numbers in them, or the ends of bins, from 0 to 1.
    kind : {"top", "every"}
        "top" looks at the class with the highest probability, and whether it is the true one; "every" at each class,
        C probabilities a row.
    ci_prob : float
        Of Wilson's interval of the share that came true, which takes rows to be independent. For "every" they are not
        within a row, and the interval is a guide.

    Returns
    -------
    Reliability
        ``.table``, ``.error``; `bayesgmm.plot_reliability` draws it.

    Raises
    ------
    DataError
        If rows are no probabilities, a label is no class, or an argument is out of range.

    References
    ----------
    Murphy & Winkler (1977); Bröcker & Smith (2007) on bins of equal numbers; Guo, Pleiss, Sun & Weinberger (2017) for
    the class taken.

    Examples
    --------
    >>> p = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]]
    >>> found = reliability(p, [0, 0, 1, 1], bins=2)
    >>> found.table[["n", "predicted", "observed"]].round(3).to_numpy().tolist()
    [[2.0, 0.65, 0.5], [2.0, 0.85, 1.0]]
    """
    frame, labels = _read(probabilities, labels)
    if kind not in KINDS:
        raise DataError(f"kind must be one of {', '.join(map(repr, KINDS))}, not {kind!r}")
    p, codes = frame.to_numpy(), codes_of(labels.to_numpy(), tuple(frame.columns))
    if kind == "top":
        said, came = p.max(axis=1), p.argmax(axis=1) == codes
    else:
        said, came = p.ravel(), np.eye(p.shape[1], dtype=bool)[codes].ravel()
    return Reliability(_binned(said, came, bins, proper(ci_prob)), kind, ci_prob)


def _binned(said: np.ndarray, came: np.ndarray, bins, ci_prob: float) -> pd.DataFrame:
    import pandas as pd

    order = np.argsort(said, kind="stable")
    said, came = said[order], came[order]
    if isinstance(bins, int | np.integer) and not isinstance(bins, bool) and bins >= 1:
        parts = np.array_split(np.arange(len(said)), bins)
    else:
        ends = _ends(bins)
        parts = np.split(np.arange(len(said)), np.searchsorted(said, ends[1:-1]))
    rows = []
    for part in (part for part in parts if len(part)):
        lower, upper = wilson(int(came[part].sum()), len(part), ci_prob)
        rows.append({"from_": said[part[0]], "to": said[part[-1]], "n": len(part), "predicted": said[part].mean(),
                     "observed": came[part].mean(), "lower": lower, "upper": upper})  # fmt: skip
    return pd.DataFrame(rows)


def _ends(bins) -> np.ndarray:
    try:
        ends = np.asarray(bins, dtype=float)
    except (TypeError, ValueError):
        ends = np.zeros(0)
    if ends.ndim != 1 or len(ends) < 2 or ends[0] != 0 or ends[-1] != 1 or (np.diff(ends) <= 0).any():
        raise DataError(f"bins must be a number of at least 1, or rising ends from 0 to 1, not {bins!r}")
    return ends


def wilson(successes: int, n: int, ci_prob: float) -> tuple[float, float]:
    """Wilson's interval of a share.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(8, 10, 0.95)]
    [0.4902, 0.9433]
    """
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(ci_prob, method="wilson")
    return float(found.low), float(found.high)


def proper(ci_prob: float) -> float:
    """A probability strictly between 0 and 1."""
    if not 0 < ci_prob < 1:
        raise DataError(f"ci_prob must be strictly between 0 and 1, not {ci_prob}")
    return ci_prob


def _read(probabilities, labels) -> tuple[pd.DataFrame, pd.Series]:
    import pandas as pd

    is_frame = isinstance(probabilities, pd.DataFrame)
    frame = probabilities if is_frame else pd.DataFrame(np.asarray(probabilities, dtype=float))
    values = frame.to_numpy(dtype=float)
    wrong = ~((values >= 0).all(axis=1) & (np.abs(values.sum(axis=1) - 1) < _ROUNDING))
    if wrong.any():
        n = int(wrong.argmax())
        raise DataError(f"row {n + 1} of the probabilities is no distribution: {values[n].tolist()} sums to "
                        f"{values[n].sum():g}")  # fmt: skip
    labels = np.asarray(labels)
    if labels.shape != (len(frame),):
        raise DataError(f"labels must have one for each of the {len(frame)} rows of the probabilities, and has shape "
                        f"{labels.shape}: of groups, give one a group")  # fmt: skip
    codes_of(labels, tuple(frame.columns))
    return frame, pd.Series(labels, frame.index, name="label")
