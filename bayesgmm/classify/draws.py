"""A classifier whose mixtures are drawn from their posteriors: probabilities with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bayesgmm.classify.assessment import Assessment, proper
from bayesgmm.classify.classifier import Classifier, assessed, log_posterior, proper_exponent
from bayesgmm.classify.labelled import Grouped, Labelled
from bayesgmm.data import DataError
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.families import family

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Doubles held at once, of draws × rows.
_BLOCK = 8_000_000


@dataclass(frozen=True, eq=False, repr=False)
class ClassifierDraws:
    """Posterior draws of the mixture of each class; what `sample_classifier` returns.

    Classes are independent given the training rows, so that draw m of every class together is one draw of all.

    Attributes
    ----------
    classifier : Classifier
        Whose families, class prior and exponent these are.
    trees : mapping
        Class → DataTree of draws, as `bayesgmm.sample` gives them; `bayesgmm.diagnose` judges each.
    """

    classifier: Classifier
    trees: Mapping[object, xr.DataTree]

    @cached_property
    def mixtures(self) -> tuple[MixtureDraws, ...]:
        """The draws of each class, as many of each."""
        found = [read(self.trees[name]) for name in self.classifier.classes]
        fewest = min(map(len, found))
        return tuple(one.take(slice(fewest)) for one in found)

    def tempered(self, exponent: float) -> ClassifierDraws:
        """The same draws with another β."""
        return ClassifierDraws(self.classifier.tempered(proper_exponent(exponent)), self.trees)

    def predict_proba(self, x, groups=None, *, ci_prob: float = 0.95) -> xr.Dataset:
        """P(class | rows) of each group, averaged over the posterior, and how sure the posterior is of it.

        ``probability`` is P(c) E[(Π_t p(x_t | θ_c))^β], normalised: under draws that make the rows likely they count
        for more. ``mean``, ``lower`` and ``upper`` are of P(c | rows, θ), a function of the parameters.

        Parameters
        ----------
        x : array, frame, file or Table (N, D)
            New rows.
        groups : array_like (N,), optional
            As for `Classifier.predict_proba`.
        ci_prob : float
            Of the equal-tailed interval.

        Returns
        -------
        xarray.Dataset
            Over (group, class): ``probability``, ``mean``, ``lower``, ``upper``. The first two sum to one over classes.

        Raises
        ------
        DataError
            As `Classifier.predict_proba`.

        References
        ----------
        Geisser (1964) for the predictive probability of one Gaussian a class.
        """
        import xarray as xr

        rows = self._rows(x, groups)
        shape, tail = (rows.n_groups, len(self.classifier.classes)), 0.5 * (1.0 - proper(ci_prob))
        found = {name: np.empty(shape) for name in ("probability", "mean", "lower", "upper")}
        for block, sums in self._blocks(rows):
            p = np.exp(self._posterior(sums))
            found["probability"][block], found["mean"][block] = np.exp(self._predictive(sums)), p.mean(axis=0)
            found["lower"][block], found["upper"][block] = np.quantile(p, [tail, 1.0 - tail], axis=0)
        coords = {"group": rows.index.to_numpy(), "class": list(self.classifier.classes)}
        return xr.Dataset({n: (("group", "class"), v) for n, v in found.items()}, coords, {"ci_prob": ci_prob})

    def probabilities(self, x, groups=None) -> pd.DataFrame:
        """``probability`` of `predict_proba` as a table (G, C): to be assessed, or drawn by `plot_reliability`."""
        return np.exp(self._log_proba(self._rows(x, groups)))

    def predict(self, x, groups=None) -> pd.Series:
        """The class of the highest ``probability`` of each group."""
        return self._log_proba(self._rows(x, groups)).idxmax(axis=1).rename("class")

    def assess(self, x, labels, groups=None, *, ci_prob: float = 0.95) -> Assessment:
        """How right ``probability`` is about rows whose labels (N,) are known; as `Classifier.assess`."""
        one = self.classifier
        known = Labelled.of(x, labels, groups, classes=one.classes, features=one.features, missing=one.missing)
        return assessed(self._log_proba(known.rows), known, ci_prob)

    def _rows(self, x, groups) -> Grouped:
        return self.classifier._rows(x, groups)

    def _log_proba(self, rows: Grouped) -> pd.DataFrame:
        values = np.empty((rows.n_groups, len(self.classifier.classes)))
        for block, sums in self._blocks(rows):
            values[block] = self._predictive(sums)
        return self.classifier._frame(values, rows)

    def _posterior(self, sums: np.ndarray) -> np.ndarray:
        """log P(c | group, θ) (M, G, C)."""
        return log_posterior(sums, self.classifier.class_prior, self.classifier.exponent)

    def _predictive(self, sums: np.ndarray) -> np.ndarray:
        """log P(c | group) (G, C), the likelihoods averaged over draws."""
        total = np.logaddexp.reduce(self.classifier.exponent * sums, axis=0)
        return log_posterior(total, self.classifier.class_prior, 1.0)

    def _blocks(self, rows: Grouped) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some groups at a time, and Σ_t log p(x_t | θ_c) (M, G, C) of them."""
        m, counts = len(self.mixtures[0]), np.bincount(rows.at)
        part = np.cumsum(counts) // max(1, _BLOCK // (m * len(self.mixtures)))
        for number in np.unique(part):
            block = part == number
            some = rows.take(block)
            sums = [some.sums(one.log_prob(some.table.values)) for one in self.mixtures]
            yield block, np.stack(sums, axis=-1)

    @property
    def text(self) -> str:
        """What was drawn."""
        return f"{len(self.mixtures[0])} posterior draws of each class.\n{self.classifier.text}"

    def __str__(self) -> str:
        return f"{self.text}\n{self.classifier._shown.to_string()}"

    __repr__ = __str__


def sample_classifier(classifier: Classifier, x, labels, *, prior="conjugate", row_weight=1.0, engine="auto",
                      draws=500, tune=500, chains=4, seed=None, progress=True) -> ClassifierDraws:  # fmt: skip
    """Draw the mixture of each class from its posterior.

    Each class tells the story `bayesgmm.models.finite_mixture` of its own rows, with as many components of the same
    family as the classifier has; nothing is fitted anew, and its class prior and exponent stay.

    Parameters
    ----------
    classifier : Classifier
        With mixtures of the families "full", "tied", "diag" and "spherical", which have priors.
    x : array, frame, file or Table (N, D)
        The rows that it was fitted to.
    labels : array_like (N,)
        Their classes.
    prior : str or Prior
        As in `bayesgmm.models.finite_mixture`; scaled by the rows of each class.
    row_weight : float
        What a training row counts for, above 0 and at most 1. The rows of a group that resemble each other say less
        about a class than as many independent ones, and a posterior that counts them all is too narrow: the
        classifier's exponent, or groups over rows, are two answers. Other weights than 1 need NUTS or Laplace.
    engine, draws, tune, chains : str, int, int, int
        As in `bayesgmm.sample`.
    seed : int, optional
        The same seed gives the same draws.
    progress : bool
        Show a bar on a terminal for each class.

    Returns
    -------
    ClassifierDraws
        ``.predict_proba`` has probabilities with intervals.

    Raises
    ------
    DataError, ValueError
        If these are not the rows of the classifier, or a family has no prior.
    KeyboardInterrupt
        When interrupted: what is drawn of some classes alone cannot classify.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> penguins = bg.load_dataset("penguins")
    >>> x, species = penguins[["bill_length_mm", "flipper_length_mm"]], penguins["species"]
    >>> fit = bg.fit_classifier(x, species, n_components=1, covariance_types="full", progress=False)
    >>> found = sample_classifier(fit, x, species, engine="gibbs", draws=100, tune=50, chains=2, seed=1, progress=False)
    >>> p = found.predict_proba([[45.0, 200.0]])
    >>> bool((p["lower"] < p["mean"]).all() and (p["mean"] < p["upper"]).all())
    True
    """
    from bayesgmm.engines import sample
    from bayesgmm.models import finite_mixture

    if not 0 < row_weight <= 1:
        raise DataError(f"row_weight must be above 0 and at most 1, not {row_weight!r}")
    known = _known(classifier, x, labels)
    shapes = [_shape(classifier, name) for name in classifier.classes]
    seeds = np.random.SeedSequence(seed).generate_state(len(shapes))
    trees = {}
    for code, (name, (k, kind)) in enumerate(zip(classifier.classes, shapes)):
        rows = known.of_class(code)
        weights = None if row_weight == 1 else np.full(rows.n_obs, row_weight)
        model = finite_mixture(rows, k, prior=prior, covariance_type=kind, case_weights=weights,
                               missing=classifier.missing)  # fmt: skip
        trees[name] = sample(model, engine=engine, draws=draws, tune=tune, chains=chains, seed=int(seeds[code]),
                             progress=progress)  # fmt: skip
        if "incomplete" in trees[name].attrs:
            raise KeyboardInterrupt(f"only {code} of {len(shapes)} classes were finished: nothing is kept")
    return ClassifierDraws(classifier, trees)


def _known(classifier: Classifier, x, labels) -> Labelled:
    known = Labelled.of(x, labels, classes=classifier.classes, features=classifier.features,
                        missing=classifier.missing)  # fmt: skip
    rows, asked = np.bincount(known.of_row, minlength=len(classifier.classes)), classifier.chosen["n_rows"].to_numpy()
    if (rows != asked).any():
        c = int((rows != asked).argmax())
        raise DataError(f"the classifier was fitted to {asked[c]} rows of class {classifier.classes[c]!r}, and x has "
                        f"{rows[c]}: give the rows that it was fitted to")  # fmt: skip
    return known


def _shape(classifier: Classifier, name) -> tuple[int, object]:
    """K and the family of a class, or a sentence where it cannot be sampled."""
    row = classifier.chosen.loc[name]
    kind = family(str(row["covariance_type"]))
    if classifier.model == "gaussians" and kind.letters not in ("VVV", "VVI", "VII"):
        raise DataError(f"the classes of this classifier share parts of a covariance ({kind.code}), and each is drawn "
                        "on its own: fit with model='mixtures', or with 'full', 'diag' or 'spherical'")  # fmt: skip
    if len(kind.code) == 1:  # of one feature: E and V
        kind = family("tied" if kind.is_shared else "full")
    try:
        return int(row["n_components"]), family(kind, sampled=True)
    except ValueError as error:
        raise DataError(f"class {name!r} cannot be sampled: {error}; choose with covariance_types=('full', 'tied', "
                        "'diag', 'spherical')") from None  # fmt: skip
