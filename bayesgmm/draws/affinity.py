"""How alike the components of two mixtures are, and the order of components that brings them closest.

A mixture is matched by the permutation τ that maximises  Σ_j h(k = τ(j), j),  where

    h(k, j) = √(π_k π′_j) · [ exp(−B_kj) + δ / (1 + B_kj) ],
    B_kj = ⅛ (μ_k − μ′_j)ᵀ Σ̄⁻¹ (μ_k − μ′_j) + ½ log( |Σ̄| / √(|Σ_k| |Σ′_j|) ),   Σ̄ = ½ (Σ_k + Σ′_j),

is Bhattacharyya's distance of two Gaussians. The first term alone, √(π_k π′_j) ∫ √(N_k N′_j), sums to the
Bhattacharyya coefficient of the two *joint* distributions of (x, z), so that its maximiser brings the joints
as close as they come in Hellinger's distance. It is bounded: a nearly empty component that lies anywhere cannot
outvote the others, as it would if distances were added up. But it underflows when components are far from all
of the reference, where every permutation would tie; the second term, never more than δ, falls off slowly
enough to order them still.
"""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.kernel import best_orders
from bayesgmm.mixture import Mixture

_TAIL = 1e-3
_LEAST_WEIGHT = 1e-12
# Doubles held at once while distances are computed.
_BLOCK = 1_000_000


def match(mixtures, reference: Mixture) -> np.ndarray:
    """The permutations that bring mixtures closest to a reference, as this module's text defines it.

    Laws: permuting a mixture's components permutes the answer with them, so that what is matched does not
    change; a mixture matched to itself keeps its order; neither changes under an affine map of the data.

    Parameters
    ----------
    mixtures : MixtureDraws or Mixture
        M mixtures (one, for a `Mixture`) of K components.
    reference : Mixture
        With the same K and features.

    Returns
    -------
    ndarray of int (M, K)
        Component j of the reference is component ``order[m, j]`` of mixture m, as `Mixture.permute` takes it.

    Raises
    ------
    ValueError
        If the numbers of components or the features differ.

    References
    ----------
    The pivotal reordering of Marin, Mengersen & Robert (2005), with the affinity of Bhattacharyya (1943) in place
    of the scalar product; optimal assignment as in Papastamoulis (2016).

    Examples
    --------
    >>> import numpy as np
    >>> a = Mixture([0.3, 0.7], [[0.0], [5.0]], np.ones((2, 1, 1)))
    >>> match(a.permute([1, 0]), a)
    array([[1, 0]])
    """
    return best_orders(gains(as_draws(mixtures), reference))


def match_some(mixture: Mixture, reference: Mixture) -> np.ndarray:
    """The same for two mixtures whose numbers of components may differ: what is like what, as far as it goes.

    Returns
    -------
    ndarray of int (K,)
        The component of the reference that each of the mixture's is most like, no two the same; −1 where the
        reference has none left.

    Examples
    --------
    >>> import numpy as np
    >>> b = Mixture([0.5, 0.3, 0.2], [[5.0], [-9.0], [0.0]], np.ones((3, 1, 1)))
    >>> match_some(b, Mixture([0.3, 0.7], [[0.1], [5.0]], np.ones((2, 1, 1))))
    array([ 1, -1,  0])
    """
    from scipy.optimize import linear_sum_assignment

    found = np.full(mixture.n_components, -1)
    own, theirs = linear_sum_assignment(_gains(as_draws(mixture), reference)[0], maximize=True)
    found[own] = theirs
    return found


def as_draws(mixtures) -> MixtureDraws:
    """A `Mixture` as draws of which there is one."""
    if isinstance(mixtures, MixtureDraws):
        return mixtures
    m = mixtures
    return MixtureDraws(m.weights[None], m.means[None], m.covariances[None], m.features)


def _require_features(mixtures: MixtureDraws, reference: Mixture):
    if mixtures.features != reference.features:
        have = f"({', '.join(mixtures.features)}) and ({', '.join(reference.features)})"
        raise ValueError(f"components can only be matched between mixtures of the same features, not {have}")


def gains(mixtures: MixtureDraws, reference: Mixture) -> np.ndarray:
    """h (M, K, K) of this module's text: component of the draw, component of the reference."""
    if mixtures.n_components != reference.n_components:
        numbers = f"{mixtures.n_components} and {reference.n_components}"
        raise ValueError(f"components can only be matched between mixtures with the same number of them, not {numbers}")
    return _gains(mixtures, reference)


def _gains(mixtures: MixtureDraws, reference: Mixture) -> np.ndarray:
    """The same (M, K, K′), for any numbers of components."""
    _require_features(mixtures, reference)
    k, d = max(reference.n_components, mixtures.n_components), reference.n_features
    step = max(1, _BLOCK // (k * k * d * d))
    blocks = (_distances(mixtures, slice(m, m + step), reference) for m in range(0, len(mixtures), step))
    distances = np.concatenate(list(blocks))
    shares = np.maximum(mixtures.weights, _LEAST_WEIGHT)[:, :, None] * np.maximum(reference.weights, _LEAST_WEIGHT)
    return np.sqrt(shares) * (np.exp(-distances) + _TAIL / (1.0 + distances))


def _distances(mixtures: MixtureDraws, rows: slice, reference: Mixture) -> np.ndarray:
    """Bhattacharyya's distances (m, K, K′) of some draws' components to the reference's."""
    middle = np.linalg.cholesky(0.5 * (mixtures.covariances[rows][:, :, None] + reference.covariances))
    shift = mixtures.means[rows][:, :, None] - reference.means
    z = _forward(middle, shift)
    logs = _log_dets(mixtures.scale_trils[rows])[:, :, None] + _log_dets(reference.scale_trils)
    return 0.125 * (z * z).sum(axis=-1) + _log_dets(middle) - 0.5 * logs


def _forward(factors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """L⁻¹ v for stacks of lower triangular L and vectors v; a loop over D, vectorised over the stack."""
    z = np.empty(np.broadcast_shapes(vectors.shape, factors.shape[:-1]))
    for i in range(z.shape[-1]):
        inner = (factors[..., i, :i] * z[..., :i]).sum(axis=-1)
        z[..., i] = (vectors[..., i] - inner) / factors[..., i, i]
    return z


def _log_dets(factors: np.ndarray) -> np.ndarray:
    return np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
