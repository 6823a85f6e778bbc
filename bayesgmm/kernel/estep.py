"""`e_step`: the one function through which every algorithm touches the data."""

from __future__ import annotations

import numpy as np

from bayesgmm.kernel.evaluate import DRAW, HARD, SOFT, Moments, Pass, evaluate
from bayesgmm.kernel.incomplete import Incomplete, evaluate_incomplete
from bayesgmm.kernel.lowrank import FactorStats, LowRank, evaluate_factored, factored_stats
from bayesgmm.kernel.statistics import Stats
from bayesgmm.kernel.whitening import Whitening

_ASSIGN = {"soft": SOFT, "hard": HARD, "draw": DRAW}


def e_step(x, mixture, case_weights=None, *, assign="soft", seed=None, responsibilities=False, pointwise=True,
           single=None):  # fmt: skip
    """Evaluate a mixture on rows: log p(x_n), and what the rows say about each component.

    Fisher's identity makes this enough for every algorithm: ∇_θ Σ_n log p(x_n | θ) = ∇_θ Q(θ; S) with the
    statistics S held fixed.

    Parameters
    ----------
    x : ndarray (N, D) or Incomplete
        Rows in data units, finite, of any memory layout. float32 rows are read as they are; others become float64.
        Missing cells of an `Incomplete` are summed out: statistics are expected ones, given what is observed, with
        the conditional covariances of what is not.
    mixture : object with ``log_weights`` (K,), ``means`` (K, D) and ``whitening`` (a `Whitening`)
        Usually a `bayesgmm.Mixture`.
    case_weights : ndarray (N,), optional
        Non-negative; a weight of 2 counts a row twice. Log densities are not multiplied by it.
    assign : {"soft", "hard", "draw"}
        What a component answers for: its share of each row (EM), the rows that are most probably its own
        (classification EM), or rows drawn by their responsibilities (Gibbs).
    seed : int or sequence of int, optional
        For ``assign="draw"``: a row's draw depends on the seed, its number and its responsibilities alone.
    responsibilities : bool
        Return r (N, K) as well.
    pointwise : bool
        False returns Σ_n w_n log p(x_n), a float, in place of the N log densities: memory does not grow with N.
    single : bool, optional
        Arithmetic in single precision, about six digits; sums over blocks of rows are double. The default does so
        for float32 rows.

    Returns
    -------
    log_prob : ndarray (N,)
        log p(x_n).
    stats : Stats
        (N_k, x̄_k, S_k); a component without weight has N_k = 0, x̄_k = μ_k, S_k = 0. Where the whitening is a
        `LowRank` and the rows are complete, `FactorStats`, which hold less of S_k, at a cost of O(NKDq).
    responsibilities : ndarray (N, K)
        P(Z_n = k | x_n), or zeros and ones for hard and drawn assignments, only when asked for; every row sums to
        one. Below 2⁻¹⁰⁰ of the row's largest they are zero.

    Raises
    ------
    ValueError
        If the shapes of x or case_weights do not fit the mixture, or ``assign`` is not known.

    Notes
    -----
    Extra memory is a block of rows a thread. Results are the same to the last bit for any number of threads.

    References
    ----------
    Dempster, Laird & Rubin (1977); missing cells: Ghahramani & Jordan (1994). The gradient identity is
    Fisher's (see Efron's discussion there); classification EM: Celeux & Govaert (1992).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm import Mixture
    >>> two = Mixture([0.5, 0.5], [[-5.0], [5.0]], [[[1.0]], [[1.0]]])
    >>> log_prob, stats = e_step(np.array([[-5.0], [-4.0], [5.0]]), two)
    >>> stats.counts.round(6), stats.means.round(6).ravel()
    (array([2., 1.]), array([-4.5,  5. ]))
    """
    if not isinstance(x, Incomplete):
        x = as_rows(x)
    weights = None if case_weights is None else np.asarray(case_weights, dtype=float)
    _require_shapes(x, mixture, weights)
    if assign not in _ASSIGN:
        raise ValueError(f"assign={assign!r} is not known; use 'soft', 'hard' or 'draw'")
    if assign == "draw" and isinstance(x, Incomplete):
        raise ValueError("assign='draw' needs complete rows; draw the missing cells first")
    theta = mixture.log_weights, mixture.means, _whitening(x, mixture)
    wanted = {"assign": _ASSIGN[assign], "responsibilities": responsibilities, "pointwise": pointwise}
    if isinstance(x, Incomplete):
        done = evaluate_incomplete(x, *theta, weights, **wanted)
    else:
        done = _evaluate_complete(x, theta, weights, seed, single, wanted)
    log_prob = done.log_prob if pointwise else done.log_likelihood
    stats = centred(done.moments, *theta[1:])
    return (log_prob, stats, done.responsibilities) if responsibilities else (log_prob, stats)


def _whitening(x, mixture) -> Whitening | LowRank:
    """That of a mixture; rows with missing cells need its factors written out."""
    whitening = mixture.whitening
    return Whitening(whitening.factors) if isinstance(x, Incomplete) and isinstance(whitening, LowRank) else whitening


def _evaluate_complete(x, theta, weights, seed, single, wanted) -> Pass:
    if wanted["assign"] == DRAW:
        wanted["key"] = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    if isinstance(theta[2], LowRank):
        return evaluate_factored(x.astype(float, copy=False), *theta, weights, **wanted)
    single = x.dtype == np.float32 if single is None else single
    if single and x.dtype != np.float32:
        x = x.astype(np.float32)
    return evaluate(x, *theta, weights, single=single, **wanted)


def as_rows(x) -> np.ndarray:
    """An array whose numbers the kernel can read where they stand: native and aligned, float32 or else float64."""
    x = np.asarray(x)
    kind = np.float32 if x.dtype.kind == "f" and x.dtype.itemsize == 4 else np.float64
    return x if x.dtype == kind and x.dtype.isnative and x.flags.aligned else np.array(x, dtype=kind)


def _require_shapes(x, mixture, weights):
    # The compiled loops check no bounds: wrong shapes would read foreign memory.
    k, d = mixture.means.shape
    if len(x.shape) != 2 or x.shape[1] != d:
        raise ValueError(f"x has shape {x.shape}, but the mixture needs (N, {d}): a column a feature")
    if weights is not None and weights.shape != x.shape[:1]:
        raise ValueError(f"case_weights has shape {weights.shape}, but x has {len(x)} rows: give one weight a row")
    if isinstance(mixture.whitening, LowRank):
        return _require_low_rank(mixture)
    factors = mixture.whitening.factors.shape
    if mixture.log_weights.shape != (k,) or factors[0] not in (1, k) or factors[1:] not in ((d,), (d, d)):
        raise ValueError(f"log_weights {mixture.log_weights.shape}, means {(k, d)} and factors {factors} do not fit")


def _require_low_rank(mixture):
    (k, d), low = mixture.means.shape, mixture.whitening
    if mixture.log_weights.shape != (k,) or low.noise.shape != (k, d) or low.loadings.shape[:2] != (k, d):
        shapes = f"loadings {low.loadings.shape}, noise {low.noise.shape}"
        raise ValueError(f"log_weights {mixture.log_weights.shape}, means {(k, d)}, {shapes} do not fit")
    if not 1 <= low.rank <= d:
        raise ValueError(f"loadings have {low.rank} columns, but must have 1 to {d}: at most one for each feature")


def centred(moments: Moments, means: np.ndarray, whitening: Whitening | LowRank) -> Stats | FactorStats:
    """Map moments about μ_k in whitened coordinates to (N_k, x̄_k, S_k) in data units."""
    if isinstance(whitening, LowRank):
        return factored_stats(moments, means, whitening)
    m0, m1, m2 = moments
    shift = m1 / np.where(m0 > 0, m0, 1.0)[:, None]
    factors = whitening.factors
    if whitening.is_diagonal:
        spread = (m2[:, :, 0] - m1 * shift) * factors**2
        return Stats(m0, means + factors * shift, spread[:, :, None] * np.eye(means.shape[1]))
    inner = m2 - m1[:, :, None] * shift[:, None, :]
    return Stats(m0, means + (factors @ shift[:, :, None])[:, :, 0], factors @ inner @ factors.mT)
