"""Rows under many mixtures: what `e_step` gives for one after the other, and the formula."""

import numpy as np
import pytest

from bayesgmm.kernel import Incomplete, Whitening, e_step, log_probs, set_threads
from bayesgmm.mixture import Mixture

M, K = 7, 3


def factors_of(structure, d, rng):
    """(M, F, D, D) or (M, F, D)."""
    f = 1 if structure == "tied" else K
    if structure == "diag":
        return rng.uniform(0.5, 2.0, (M, f, d))
    return np.tril(rng.normal(0, 0.3, (M, f, d, d)), -1) + np.eye(d) * rng.uniform(0.5, 2.0, (M, f, 1, d))


def draws_of(structure, d, seed=1):
    rng = np.random.default_rng(seed)
    log_weights = np.log(rng.dirichlet(np.ones(K), M))
    return log_weights, rng.normal(0, 2, (M, K, d)), factors_of(structure, d, rng)


def one_by_one(x, log_weights, means, factors):
    mixtures = [Mixture.from_whitening(np.exp(w), m, Whitening(f)) for w, m, f in zip(log_weights, means, factors)]
    found = [e_step(x, mixture, responsibilities=True) for mixture in mixtures]
    return np.array([f[0] for f in found]), np.array([f[2] for f in found])


@pytest.mark.parametrize("structure", ["full", "tied", "diag"])
@pytest.mark.parametrize(("n", "d"), [(5, 2), (3000, 2), (700, 22)])
def test_the_same_as_one_pass_after_the_other(structure, n, d):
    x, draws = np.random.default_rng(2).normal(0, 3, (n, d)), draws_of(structure, d)
    # Through its logarithm, a weight may change in its last bit.
    log_prob, r = log_probs(x, *draws, responsibilities=True)
    expected, shares = one_by_one(x, *draws)
    assert np.allclose(log_prob, expected, rtol=1e-14, atol=1e-13)
    assert np.allclose(r, shares, atol=1e-13)
    assert (log_probs(x, *draws) == log_prob).all()


def test_the_formula():
    rng = np.random.default_rng(3)
    x, (log_weights, means, factors) = rng.normal(0, 3, (11, 2)), draws_of("full", 2)
    gaps = (x[None, None] - means[:, :, None])[..., None]
    square = (np.linalg.solve(factors[:, :, None], gaps)[..., 0] ** 2).sum(axis=-1)
    log_dets = np.log(np.diagonal(factors, axis1=-2, axis2=-1)).sum(axis=-1)
    joint = (log_weights - log_dets - np.log(2 * np.pi))[:, :, None] - 0.5 * square
    assert np.allclose(log_probs(x, log_weights, means, factors), np.logaddexp.reduce(joint, axis=1), atol=1e-11)


@pytest.mark.parametrize("layout", ["C", "F", "sliced", "single"])
def test_any_layout_of_the_rows(layout):
    x, draws = np.random.default_rng(4).normal(0, 3, (50, 2)).astype(np.float32).astype(float), draws_of("full", 2)
    given = {"C": x, "F": np.asfortranarray(x), "sliced": np.repeat(x, 2, axis=0)[::2], "single": x.astype(np.float32)}
    assert (log_probs(given[layout], *draws) == log_probs(x, *draws)).all()


def test_threads_change_nothing():
    x, draws = np.random.default_rng(5).normal(0, 3, (20_000, 3)), draws_of("full", 3)
    before = set_threads(1)
    try:
        alone = log_probs(x, *draws, responsibilities=True)
        set_threads(4)
        together = log_probs(x, *draws, responsibilities=True)
    finally:
        set_threads(before)
    assert all((a == b).all() for a, b in zip(alone, together))


def test_missing_cells_are_summed_out():
    x, (log_weights, means, factors) = np.random.default_rng(6).normal(0, 3, (30, 2)), draws_of("full", 2)
    x[::3, 1] = np.nan
    log_prob, r = log_probs(Incomplete.of(x), log_weights, means, factors, responsibilities=True)
    # What is left of a Gaussian without its last feature is its leading block.
    assert np.allclose(log_prob[:, ::3], log_probs(x[::3, :1], log_weights, means[..., :1], factors[..., :1, :1]))
    assert np.allclose(r.sum(axis=2), 1.0)


def test_no_rows_and_no_draws():
    draws = draws_of("full", 2)
    assert log_probs(np.empty((0, 2)), *draws).shape == (M, 0)
    assert log_probs(np.zeros((4, 2)), *(a[:0] for a in draws)).shape == (0, 4)


def test_shapes_that_do_not_fit_are_refused():
    log_weights, means, factors = draws_of("full", 2)
    with pytest.raises(ValueError, match="column a feature"):
        log_probs(np.zeros((4, 3)), log_weights, means, factors)
    with pytest.raises(ValueError, match="do not fit"):
        log_probs(np.zeros((4, 2)), log_weights[:3], means, factors)
    with pytest.raises(ValueError, match="do not fit"):
        log_probs(np.zeros((4, 2)), log_weights, means, factors[:, :2])
