"""The laws of `Stats`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesgmm import Mixture
from bayesgmm.kernel import Stats, e_step

FEW = settings(max_examples=15, derandomize=True, deadline=None)
SEEDS = st.integers(0, 10_000)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 4))


def random_stats(rng, n_components, n_features):
    n = rng.integers(1, 20)
    x = rng.normal(size=(n, n_features)) * rng.uniform(0.1, 10) + rng.normal(size=n_features) * 5
    return Stats.of(x, rng.dirichlet(np.ones(n_components), size=n))


def random_mixture(rng, n_components, n_features):
    root = rng.normal(size=(n_components, n_features, n_features))
    covariances = root @ root.swapaxes(1, 2) + 0.3 * np.eye(n_features)
    weights = rng.dirichlet(np.full(n_components, 3.0))
    return Mixture(weights, 3 * rng.normal(size=(n_components, n_features)), covariances)


def assert_same(a: Stats, b: Stats, rtol=1e-10):
    scale = np.abs(a.scatters).max() + np.abs(a.means).max() ** 2 + 1
    np.testing.assert_allclose(a.counts, b.counts, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(a.means, b.means, rtol=rtol, atol=rtol * np.abs(a.means).max())
    np.testing.assert_allclose(a.scatters, b.scatters, rtol=rtol, atol=rtol * scale)


@FEW
@given(SEEDS, SIZES)
def test_addition_is_associative_and_commutative(seed, size):
    rng = np.random.default_rng(seed)
    a, b, c = (random_stats(rng, *size) for _ in range(3))
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a)


@FEW
@given(SEEDS, SIZES)
def test_zero_is_the_identity(seed, size):
    a = random_stats(np.random.default_rng(seed), *size)
    assert_same(Stats.zero(*size) + a, a)
    assert_same(a + Stats.zero(*size), a)


@FEW
@given(SEEDS, SIZES, st.integers(2, 5))
def test_statistics_of_chunks_add_up_to_those_of_the_whole(seed, size, chunks):
    rng = np.random.default_rng(seed)
    mixture, x = random_mixture(rng, *size), 4 * rng.normal(size=(60, size[1]))
    whole = e_step(x, mixture)[1]
    total = Stats.zero(*size)
    for part in np.array_split(x, chunks):
        total += e_step(part, mixture)[1]
    assert_same(total, whole)


@FEW
@given(SEEDS, SIZES)
def test_a_case_weight_is_a_number_of_rows(seed, size):
    rng = np.random.default_rng(seed)
    mixture, x = random_mixture(rng, *size), 4 * rng.normal(size=(40, size[1]))
    times = rng.integers(0, 4, size=40)
    log_prob, weighted = e_step(x, mixture, case_weights=times)
    repeated_log_prob, repeated = e_step(np.repeat(x, times, axis=0), mixture)
    assert_same(weighted, repeated)
    np.testing.assert_allclose(np.repeat(log_prob, times), repeated_log_prob, rtol=1e-12)


@FEW
@given(SEEDS, SIZES)
def test_statistics_follow_an_affine_map(seed, size):
    rng = np.random.default_rng(seed)
    d = size[1]
    mixture, x = random_mixture(rng, *size), 3 * rng.normal(size=(50, d))
    turn, shift = rng.normal(size=(d, d)) + 3 * np.eye(d), 10 * rng.normal(size=d)
    moved = Mixture(mixture.weights, mixture.means @ turn.T + shift, turn @ mixture.covariances @ turn.T)
    log_prob, stats = e_step(x, mixture)
    moved_log_prob, moved_stats = e_step(x @ turn.T + shift, moved)
    mapped = Stats(stats.counts, stats.means @ turn.T + shift, turn @ stats.scatters @ turn.T)
    assert_same(mapped, moved_stats, rtol=1e-8)
    np.testing.assert_allclose(moved_log_prob, log_prob - np.linalg.slogdet(turn)[1], rtol=1e-9, atol=1e-9)


@FEW
@given(SEEDS, SIZES)
def test_scatters_about_other_centres_are_those_of_the_rows(seed, size):
    rng = np.random.default_rng(seed)
    k, d = size
    x, r, centre = rng.normal(size=(30, d)), rng.dirichlet(np.ones(k), size=30), rng.normal(size=(k, d))
    gap = x[None] - centre[:, None]
    brute = np.einsum("nk,kni,knj->kij", r, gap, gap)
    np.testing.assert_allclose(Stats.of(x, r).scatters_about(centre), brute, rtol=1e-10, atol=1e-10)


def test_merging_far_from_the_origin_keeps_the_digits():
    # Σx² − (Σx)²/N would lose every digit of a unit variance at 1e9; Chan, Golub & LeVeque's merge loses none.
    x = np.array([[4.0], [7.0], [13.0], [16.0]]) + 1e9
    both = Stats.of(x[:2]) + Stats.of(x[2:])
    assert both.means[0, 0] == 1e9 + 10 and both.scatters[0, 0, 0] == 90.0


def test_adding_something_else_is_refused():
    with pytest.raises(TypeError):
        Stats.zero(1, 1) + 1
    assert Stats.zero(2, 3).n_components == 2 and Stats.zero(2, 3).n_features == 3 and Stats.zero(2, 3).total == 0
