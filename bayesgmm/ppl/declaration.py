"""What a story declares about itself, so that closed forms may stand in for its graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from bayesgmm.families import Family
from bayesgmm.priors import Prior

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True, eq=False)
class Declaration:
    """A story's prior and family, with the very variables they speak of.

    Parameters
    ----------
    prior : Prior
        With its constants in data units.
    family : Family
        How the story builds its covariances.
    variables : tuple
        Free and observed variables, their values and transforms, as they stood when the story was told.
    """

    prior: Prior
    family: Family
    variables: tuple


_declared: WeakKeyDictionary[pm.Model, Declaration] = WeakKeyDictionary()


def _variables(model: pm.Model) -> tuple:
    """Everything that decides the density: an edit of the model changes it."""
    variables = [*model.free_RVs, *model.observed_RVs, *model.potentials]
    values = [model.rvs_to_values.get(v) for v in variables]
    transforms = [model.rvs_to_transforms.get(v) for v in variables]
    inputs = [tuple(v.owner.inputs) if v.owner else () for v in variables]
    return tuple(variables), tuple(values), tuple(transforms), tuple(inputs)


def declare(model: pm.Model, prior: Prior, family: Family) -> pm.Model:
    """Record that ``model`` is the story of ``prior`` and ``family``; the last line of a story, which it returns.

    Only a story whose log density is exactly that of the prior value and family may say so
    (`bayesgmm.ppl.declaration` tells who asks). A story without it is fitted and sampled through its graph.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.models import finite_mixture
    >>> model = finite_mixture(np.array([[0.0], [1.0], [5.0], [6.0]]), 2)
    >>> declaration(model).family.alias
    'full'
    """
    _declared[model] = Declaration(prior, family, _variables(model))
    return model


def declaration(model: pm.Model) -> Declaration | None:
    """What the story declared, or None if it declared nothing or the model was edited since."""
    known = _declared.get(model)
    if known is None or not _identical(known.variables, _variables(model)):
        return None
    return known


def _identical(a, b) -> bool:
    """Compare nested tuples by identity: equality of PyTensor variables is symbolic."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_identical, a, b))
    return a is b
