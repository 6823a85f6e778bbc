"""The laws of `Stats`."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayesgmm import Mixture
from bayesgmm.families import family
from bayesgmm.kernel import Stats, e_step

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))

FEW = settings(max_examples=15, derandomize=True, deadline=None)
SEEDS = st.integers(0, 10_000)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 4))
LARGER = st.tuples(st.integers(1, 4), st.sampled_from([1, 2, 3, 5, 8, 9, 25]))
CODES = st.sampled_from(here.CODES)
ASSIGNMENTS = st.sampled_from(["soft", "hard"])


def random_stats(rng, n_components, n_features):
    n = rng.integers(1, 20)
    x = rng.normal(size=(n, n_features)) * rng.uniform(0.1, 10) + rng.normal(size=n_features) * 5
    return Stats.of(x, rng.dirichlet(np.ones(n_components), size=n))


def random_mixture(rng, alias, n_components, n_features):
    return here.mixture_of(alias, k=n_components, d=n_features, seed=rng.integers(2**32), spread=3.0)


def assert_same(a: Stats, b: Stats, rtol=1e-10):
    """Equal but for rounding, far above what some hundred rows and condition numbers of some thousands leave of it."""
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
@given(SEEDS, LARGER, CODES, ASSIGNMENTS, st.integers(2, 5))
def test_statistics_of_chunks_add_up_to_those_of_the_whole(seed, size, alias, assign, chunks):
    rng = np.random.default_rng(seed)
    mixture, x = random_mixture(rng, alias, *size), 4 * rng.normal(size=(60, size[1]))
    w = rng.uniform(0, 2, 60)
    whole = e_step(x, mixture, w, assign=assign)[1]
    total = Stats.zero(*size)
    for part, weights in zip(np.array_split(x, chunks), np.array_split(w, chunks), strict=True):
        total += e_step(part, mixture, weights, assign=assign)[1]
    assert_same(meaningful(total, whole, alias), whole)


def meaningful(stats, like, alias):
    """Statistics without what means nothing: the mean of no rows, and what diagonal factors leave off the diagonal."""
    means = np.where(like.counts[:, None] > 0, stats.means, like.means)
    diagonal = alias in ("diag", "spherical")
    return Stats(stats.counts, means, stats.scatters * np.eye(stats.n_features) if diagonal else stats.scatters)


@FEW
@given(SEEDS, LARGER, CODES, ASSIGNMENTS)
def test_a_case_weight_is_a_number_of_rows(seed, size, alias, assign):
    rng = np.random.default_rng(seed)
    mixture, x = random_mixture(rng, alias, *size), 4 * rng.normal(size=(40, size[1]))
    times = rng.integers(0, 4, size=40)
    log_prob, weighted = e_step(x, mixture, case_weights=times, assign=assign)
    repeated_log_prob, repeated = e_step(np.repeat(x, times, axis=0), mixture, assign=assign)
    assert_same(weighted, repeated)
    np.testing.assert_allclose(np.repeat(log_prob, times), repeated_log_prob, rtol=1e-12)


@FEW
@given(SEEDS, LARGER, CODES, ASSIGNMENTS)
def test_the_order_of_the_rows_does_not_matter(seed, size, alias, assign):
    rng = np.random.default_rng(seed)
    mixture, x = random_mixture(rng, alias, *size), 4 * rng.normal(size=(300, size[1]))
    order = rng.permutation(300)
    log_prob, stats = e_step(x, mixture, assign=assign)
    other_log_prob, other = e_step(x[order], mixture, assign=assign)
    assert_same(other, stats)
    np.testing.assert_allclose(other_log_prob, log_prob[order], rtol=1e-12)


def structure_preserving_map(rng, alias, d):
    """A matrix under which the family is closed: any, of the features one by one, or of all of them by one factor."""
    if alias in ("full", "tied"):
        return np.linalg.qr(rng.normal(size=(d, d)))[0] * rng.uniform(0.2, 5, d)
    return np.diag(rng.choice([-1, 1], d) * (rng.uniform(0.2, 5, d) if alias == "diag" else rng.uniform(0.2, 5)))


@FEW
@given(SEEDS, LARGER, CODES, ASSIGNMENTS)
def test_statistics_follow_an_affine_map(seed, size, alias, assign):
    rng = np.random.default_rng(seed)
    d = size[1]
    mixture, x = random_mixture(rng, alias, *size), 3 * rng.normal(size=(50, d))
    turn, shift = structure_preserving_map(rng, alias, d), 10 * rng.normal(size=d)
    whitening = family(alias).whitening(turn @ mixture.covariances @ turn.T)
    moved = Mixture.from_whitening(mixture.weights, mixture.means @ turn.T + shift, whitening)
    log_prob, stats = e_step(x, mixture, assign=assign)
    moved_log_prob, moved_stats = e_step(x @ turn.T + shift, moved, assign=assign)
    mapped = Stats(stats.counts, stats.means @ turn.T + shift, turn @ stats.scatters @ turn.T)
    # The covariances, of condition numbers up to a million once mapped, are rounded before they are factored.
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
