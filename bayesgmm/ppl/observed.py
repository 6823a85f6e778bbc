"""What a story observed: the one mixture in it, its rows and their case weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.kernel import Incomplete
from bayesgmm.ppl.marginal import MarginalGaussianMixtureRV
from bayesgmm.ppl.trace import value_of


class StoryError(ValueError):
    """A model that is no story: it lacks the one observed mixture that a story has."""


class Observed(NamedTuple):
    """The observed mixture of a story."""

    variable: pt.TensorVariable
    x: np.ndarray  # (N, D), NaN where a cell is missing
    case_weights: np.ndarray | None  # (N,)

    @property
    def rows(self) -> np.ndarray | Incomplete:
        """The rows as `kernel.e_step` takes them."""
        return Incomplete.of(self.x) if np.isnan(self.x).any() else self.x

    @property
    def n_components(self) -> int:
        """K."""
        weights = self.variable.owner.inputs[2]
        known = weights.type.shape[0]
        return int(weights.shape[0].eval()) if known is None else known


def observed_mixture(model: pm.Model) -> Observed:
    """The observed `MarginalGaussianMixture` of a story, with its rows and their case weights.

    Raises
    ------
    StoryError
        If there is none, or more than one, or its rows or case weights are not data.
    """
    found = [v for v in model.observed_RVs if isinstance(v.owner.op, MarginalGaussianMixtureRV)]
    if not found and any(type(v.owner.op).__name__ == "MinibatchRandomVariable" for v in model.observed_RVs):
        raise StoryError("a story observes all of its rows: leave out total_size=, and weigh rows by case_weights=")
    if not found and any(type(v.owner.op).__name__ == "MarginalMixtureRV" for v in model.observed_RVs):
        raise StoryError(
            "the components of this story are its own, but what was asked of it needs Gaussians; fit_map and sample by "
            "engine='nuts' or 'laplace', take it"
        )
    if len(found) != 1:
        raise StoryError(
            f"the model has {len(found)} observed MarginalGaussianMixture variables, but a story has exactly one: "
            "declare it with bayesgmm.MarginalGaussianMixture('x', …, observed=x)"
        )
    x, case_weights, missing = map(value_of, (model.rvs_to_values[found[0]], *found[0].owner.inputs[5:7]))
    if x is None or case_weights is None or missing is None:
        raise StoryError("the rows, case weights and missing cells of a story must be data, not random or computed")
    x = np.array(x, dtype=float, order="C")
    if missing.size:
        x[missing.reshape(x.shape)] = np.nan
    if case_weights.size and case_weights.shape != x.shape[:1]:
        raise StoryError(f"case_weights has {case_weights.size} values, but there are {len(x)} rows")
    return Observed(found[0], x, case_weights.astype(float) if case_weights.size else None)
