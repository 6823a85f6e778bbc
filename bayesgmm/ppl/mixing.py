"""`MarginalMixture`: a mixture of components of one's own, as a PyMC distribution with the labels summed out."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import SymbolicRandomVariable
from pymc.distributions.shape_utils import change_dist_size, rv_size_is_none
from pymc.logprob.basic import logp
from pytensor.raise_op import CheckAndRaise
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.random.utils import normalize_size_param

_NO_RANDOM = (
    "nothing says how to draw rows of this mixture: give its components as a PyMC distribution, or say with random= "
    "which distribution they have"
)
_INPUTS = ("weights", "components", "log_probs", "case_weights")


class MarginalMixtureRV(SymbolicRandomVariable):
    """The generative story: a label from Categorical(π), then x from that component."""

    _print_name = ("MarginalMixture", "\\operatorname{MarginalMixture}")

    @classmethod
    def rv_op(cls, weights, components, log_probs, case_weights, *, size=None):
        """Build the random graph. Components (…, K, support) are drawn for every row, and one of each is taken."""
        support, size = _support(components), normalize_size_param(size)
        if not rv_size_is_none(size) and _is_random(components):
            components = change_dist_size(components, (*size, components.shape[-support - 1]))
        rng = pt.random.shared_rng(seed=None)
        batch = components.shape[: components.ndim - support]
        next_rng, labels = pt.random.categorical(pt.broadcast_to(weights, batch), rng=rng, return_next_rng=True)
        places = pt.shape_padright(labels, support + 1)
        draws = pt.take_along_axis(components, places, axis=-support - 1).squeeze(-support - 1)
        inputs = [rng, weights, components, log_probs, case_weights]
        s = ",".join(f"s{i}" for i in range(support))
        signature = f"[rng],(k),({','.join(filter(None, ('k', s)))}),(n,k),(n)->[rng],({s})"
        return cls(inputs=inputs, outputs=[next_rng, draws], extended_signature=signature)(*inputs)

    def update(self, node):
        """Each evaluation has its own labels."""
        return {node.inputs[0]: node.outputs[0]}


class MarginalMixture(pm.Distribution):
    """Rows from a mixture of K components of any kind, their labels summed out: p(x_n) = Σ_k π_k p(x_n | θ_k).

    It is to a story of one's own what `MarginalGaussianMixture` is to a Gaussian one: the model is fitted, sampled,
    and its labels are matched, whatever the components are.

    Parameters
    ----------
    name : str
    weights : tensor (K,) or (N, K)
        π; with a row for each of the rows where they differ, by group (``weights[group]``) or by covariates.
    components : distribution or tensor (N, K)
        An unnamed PyMC distribution with an entry for each component as its last batch axis, such as
        ``pm.Poisson.dist(mu=rates)`` with rates (K,), or (N, K) where the rows differ (exposures, covariates); several
        features: ``pm.MvNormal.dist(mu=means, …)`` with means (K, D). Or log p(x_n | θ_k) itself, a PyTensor expression
        (obs, component) in the parameters and the rows that are observed.
    observed : array (N,) or (N, D)
    random : distribution, optional
        Beside an expression: the unnamed distribution that predictions are drawn from. Without it there are none.
    case_weights : array (N,), optional
        Frequencies: the log density of a row counts so many times.
    dims : ("obs",) or ("obs", "feature")

    Notes
    -----
    The log density is one value a row, so `arviz.loo` works. Where components are an expression, it speaks of the rows
    in the expression, whatever value it is asked about. `bayesgmm.testing.check_story` checks the rest of the contract.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> rates = np.array([1.0, 20.0])
    >>> rows = MarginalMixture.dist([0.5, 0.5], pm.Poisson.dist(mu=rates), shape=(3,))
    >>> pm.logp(rows, np.array([1, 20, 0])).eval(mode="FAST_COMPILE").round(3)
    array([-1.693, -3.114, -1.693])
    """

    rv_type = MarginalMixtureRV
    rv_op = MarginalMixtureRV.rv_op

    def __new__(cls, name, weights, components, *, observed=None, **kwargs):
        """Declare the variable, the shapes of an expression checked against the rows."""
        rows = _value(observed)
        if rows is not None:
            _check_rows(rows)
            if not _is_random(components):
                _check_expression(pt.as_tensor_variable(components), np.shape(rows))
        return super().__new__(cls, name, weights, components, observed=observed, **kwargs)

    @classmethod
    def dist(cls, weights, components, *, random=None, case_weights=None, shape=None, **kwargs):
        """The distribution without a name or a model."""
        weights = pt.as_tensor_variable(weights)
        if weights.ndim not in (1, 2):
            raise ValueError(f"weights must be (component,), or (obs, component), not of {weights.ndim} dimensions")
        log_probs, shape = pt.constant(np.empty((0, 0))), None if shape is None else tuple(np.atleast_1d(shape))
        if not _is_random(components):
            log_probs, components = pt.as_tensor_variable(components), random
            if random is None:
                components = _nothing(log_probs, 0 if shape is None else len(shape) - 1)
        case_weights = pt.as_tensor_variable(np.empty(0) if case_weights is None else case_weights)
        if not _is_random(components) or shape is None or len(shape) <= _support(components):
            return super().dist([weights, components, log_probs, case_weights], **kwargs)
        size = shape[: len(shape) - _support(components)]
        return super().dist([weights, components, log_probs, case_weights], size=size, **kwargs)

    def change_dist_size(rv, new_size, expand=False):
        """The same with another number of rows."""
        weights, components, log_probs, case_weights = parameters_of(rv)
        if expand:
            new_size = (*new_size, *components.shape[: components.ndim - _support(components) - 1])
        return MarginalMixtureRV.rv_op(weights, components, log_probs, case_weights, size=new_size)

    def support_point(rv, rng, weights, components, log_probs, case_weights):
        """Zero, for every row: no story starts from its rows."""
        return pt.zeros_like(rv)

    def logp(value, rng, weights, components, log_probs, case_weights):
        """One log density a row: (N,)."""
        values = pt.logsumexp(log_joint(value, weights, components, log_probs), axis=-1)
        return values if case_weights.type.shape[-1] == 0 else values * case_weights


def parameters_of(rv) -> list:
    """weights, components, log_probs and case_weights of a `MarginalMixture`."""
    return list(rv.owner.inputs[1:5])


def log_joint(value, weights, components, log_probs):
    """log p(x_n, z_n = k) (N, K)."""
    if log_probs.type.shape != (0, 0):
        return pt.log(weights) + log_probs
    each = logp(components, pt.expand_dims(value, value.ndim - _support(components)), warn_rvs=False)
    return pt.log(weights) + each


def _is_random(components) -> bool:
    op = getattr(getattr(components, "owner", None), "op", None)
    return isinstance(op, RandomVariable | SymbolicRandomVariable)


def _support(components) -> int:
    """Axes of one row of a component."""
    return components.owner.op.ndim_supp if _is_random(components) else components.ndim - 2


def _nothing(log_probs, support: int):
    """What stands for draws where nobody said how to draw: an error, should they be asked for."""
    shape = (*log_probs.shape, *[1] * support)
    return CheckAndRaise(NotImplementedError, _NO_RANDOM)(pt.full(shape, np.nan), pt.constant(False))


def _check_rows(rows):
    rows = np.asarray(rows)
    if rows.dtype.kind == "f" and np.isnan(rows).any():
        row = int(np.argwhere(np.isnan(rows))[0][0])
        raise ValueError(f"observed has a missing value in row {row}, counted from 0: fill it, or leave the row out")


def _check_expression(log_probs, shape):
    known = log_probs.type.shape
    if log_probs.ndim != 2 or (shape and known[0] not in (None, shape[0])):
        raise ValueError(
            "components must be a distribution, or log p(x_n | θ_k) with one row for each row that is observed and one "
            f"column for each component, ({shape[0] if shape else 'N'}, K); the expression has the shape {known}"
        )


def _value(observed):
    return observed.get_value(borrow=True) if hasattr(observed, "get_value") else getattr(observed, "data", observed)
