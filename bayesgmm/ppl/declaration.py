"""What a story declares about itself, so that closed forms may stand in for its graph."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from bayesgmm.families import Family
from bayesgmm.priors import Prior

if TYPE_CHECKING:
    import pymc as pm


class Signature(NamedTuple):
    """Everything that decides a model's density and what its draws report: an edit of the model changes it."""

    parts: tuple  # variables, values, transforms, and every node they are made from
    constants: tuple[bytes, ...]  # digests of the numbers in it
    data: tuple[bytes, ...]  # digests of shared variables, which may be set to others

    @classmethod
    def of(cls, model: pm.Model) -> Signature:
        """The signature of a model as it stands."""
        roots = [*model.free_RVs, *model.observed_RVs, *model.potentials, *model.deterministics]
        values = [model.rvs_to_values.get(v) for v in roots]
        transforms = [model.rvs_to_transforms.get(v) for v in roots]
        names = (len(model.free_RVs), len(model.observed_RVs), len(model.potentials), *(v.name for v in roots))
        nodes, constants, data = _ancestors([*roots, *(v for v in values if v is not None)])
        return cls((*roots, *values, *transforms, *nodes, *names), tuple(constants), tuple(data))

    def has_graph_of(self, other: Signature) -> bool:
        """Whether both speak of the same model, whatever its data are."""
        # Equality of PyTensor variables is symbolic, so parts are compared by identity.
        return (
            len(self.parts) == len(other.parts)
            and all(a is b or (isinstance(a, str | int) and a == b) for a, b in zip(self.parts, other.parts))
            and self.constants == other.constants
        )

    def __eq__(self, other):
        return self.has_graph_of(other) and self.data == other.data

    def __ne__(self, other):
        return not self == other

    __hash__ = None


def _ancestors(variables) -> tuple[list, list[bytes], list[bytes]]:
    """Every variable that others are made from, with the operation that makes it, and digests of constants and data."""
    found, constants, data, seen, stack = [], [], [], set(), list(variables)
    while stack:
        variable = stack.pop()
        found.append(variable)
        if variable in seen:
            continue
        seen.add(variable)
        if variable.owner is not None:
            found.append(variable.owner.op)
            stack.extend(variable.owner.inputs)
            continue
        shared = hasattr(variable, "get_value")
        value = variable.get_value(borrow=True) if shared else getattr(variable, "data", None)
        # The state of a random number generator is no part of the density.
        if isinstance(value, np.ndarray | np.number):
            kind = f"{value.dtype} {value.shape}".encode()
            (data if shared else constants).append(kind + hashlib.blake2b(np.ascontiguousarray(value)).digest())
    return found, constants, data


@dataclass(frozen=True, eq=False)
class Declaration:
    """A story's prior and family, with the signature of the model they speak of.

    Parameters
    ----------
    prior : Prior
        With its constants in data units.
    family : Family
        How the story builds its covariances.
    signature : Signature
        Of the model, as it stood when the story was told.
    """

    prior: Prior
    family: Family
    signature: Signature


_declared: WeakKeyDictionary[pm.Model, Declaration] = WeakKeyDictionary()


def declare(model: pm.Model, prior: Prior, family: Family) -> pm.Model:
    """Record that ``model`` is the story of ``prior`` and ``family``; the last line of a story, which it returns.

    Only a story whose log density is exactly that of the prior value and family may say so
    (`bayesgmm.ppl.declaration` tells who asks). A story without it is fitted and sampled through its graph.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> from bayesgmm.models import finite_mixture
    >>> model = finite_mixture(bg.load_dataset("faithful"), 2)
    >>> declaration(model).family.alias
    'full'
    """
    # A copy: the prior's arrays may be changed behind its back.
    _declared[model] = Declaration(deepcopy(prior), family, Signature.of(model))
    return model


def declaration(model: pm.Model) -> Declaration | None:
    """What the story declared, or None if it declared nothing or the model was edited since."""
    known = _declared.get(model)
    return known if known is not None and known.signature == Signature.of(model) else None
