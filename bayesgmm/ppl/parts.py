"""What is read out of a story with components of its own: its rows, and log p(x_n, z_n = k) at given variables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesgmm.ppl.mixing import MarginalMixtureRV, log_joint, parameters_of
from bayesgmm.ppl.observed import StoryError
from bayesgmm.ppl.trace import Trace, quietly, value_of


class Rows(NamedTuple):
    """The observed `MarginalMixture` of a story."""

    variable: pt.TensorVariable
    x: np.ndarray  # (N,) or (N, D)
    case_weights: np.ndarray | None  # (N,)
    n_components: int


def is_open(model: pm.Model) -> bool:
    """Whether a story observes a `MarginalMixture`, whose components may be anything."""
    return any(isinstance(v.owner.op, MarginalMixtureRV) for v in model.observed_RVs)


def observed_rows(model: pm.Model) -> Rows:
    """The observed `MarginalMixture` of a story, with its rows and their case weights.

    Raises
    ------
    StoryError
        If there is not exactly one, or its rows or case weights are not data.
    """
    found = [v for v in model.observed_RVs if isinstance(v.owner.op, MarginalMixtureRV)]
    if len(found) != 1:
        raise StoryError(f"the model has {len(found)} observed MarginalMixture variables, but a story has exactly one")
    case_weights = parameters_of(found[0])[-1]
    x, case_weights = map(value_of, (model.rvs_to_values[found[0]], case_weights))
    if x is None or case_weights is None:
        raise StoryError("the rows and case weights of a story must be data, not random or computed")
    if case_weights.size and case_weights.shape != x.shape[:1]:
        raise StoryError(f"case_weights has {case_weights.size} values, but there are {len(x)} rows")
    k = n_components(model)
    return Rows(found[0], np.asarray(x), case_weights.astype(float) if case_weights.size else None, k)


def n_components(model: pm.Model) -> int:
    """K, which the coordinate ``component`` gives.

    Raises
    ------
    StoryError
        If there is none.
    """
    known = model.coords.get("component")
    if known is None:
        raise StoryError(
            "the model has no coordinate 'component': give it one, coords={'component': range(K), 'obs': range(N)}, "
            "and the dim 'component' to every variable of the components"
        )
    return len(known)


def joint_graph(model: pm.Model, variable) -> pt.TensorVariable:
    """log p(x_n, z_n = k) (N, K) of the rows as they are, in terms of the free variables."""
    *parameters, _ = parameters_of(variable)
    return log_joint(model.rvs_to_values[variable], *parameters)


def mixing_graph(variable) -> pt.TensorVariable:
    """The weights (K,) or (N, K), in terms of the free variables."""
    return parameters_of(variable)[0]


class Parts(NamedTuple):
    """A function of a story's free variables, in their own coordinates, and their names.

    ``run(*values)`` gives the weights, (K,) or (N, K), and log p(x_n, z_n = k) (N, K).
    """

    run: object
    names: list[str]


def parts(model: pm.Model, point: dict[str, np.ndarray]) -> Parts:
    """`Parts` of a story with components of its own.

    Parameters
    ----------
    model : pymc.Model
    point : dict of ndarray
        A value of each free variable: it gives shapes.
    """
    variable, free = observed_rows(model).variable, list(model.free_RVs)
    given = [v.type(v.name) for v in free]
    outputs = [mixing_graph(variable), joint_graph(model, variable)]
    others = {v: model.rvs_to_values[v] for v in model.observed_RVs}
    with quietly():
        outputs = pm.pytensorf.replace_vars_in_graphs(outputs, dict(zip(free, given)) | others)
    values = [np.asarray(point[v.name], dtype=float) for v in free]
    # Traced, then held against the graph at the point and near it.
    return Parts(Trace(given, outputs).function([values]), [v.name for v in free])
