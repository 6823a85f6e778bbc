"""What a component answers for: its share of each row, the rows most probably its own, or rows drawn."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from bayesgmm import Mixture
from bayesgmm.kernel import Stats, e_step, set_threads

here = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mixtures.py"))))
CODES, parameters, mixture_of, rows = here.CODES, here.parameters, here.mixture_of, here.rows
CASES = [*((alias, 3) for alias in CODES), ("full", 25)]
# A test at a fixed seed that holds with this probability if the draws are right.
UNLIKELY = 1e-3


def drawn(x, mixture, seed=0, **options):
    """Labels of drawn rows."""
    r = e_step(x, mixture, assign="draw", seed=seed, responsibilities=True, **options)[2]
    assert_one_hot(r)
    return r.argmax(axis=1)


def assert_one_hot(r):
    assert np.isin(r, (0.0, 1.0)).all()
    np.testing.assert_array_equal(r.sum(axis=1), 1.0)


def assert_statistics_of(stats, x, r, mixture, diagonal):
    """Sums over n rows in two orders differ by n eps, of numbers up to the largest square."""
    brute, n = Stats.of(x, r), len(x)
    np.testing.assert_allclose(stats.counts, brute.counts, rtol=n * 2.3e-16)
    some = brute.counts > 0
    size = np.abs(x).max()
    mask = np.eye(x.shape[1]) if diagonal else np.ones((x.shape[1], x.shape[1]))
    np.testing.assert_allclose(stats.means[some], brute.means[some], atol=n * 1e-15 * size)
    np.testing.assert_allclose(stats.scatters, brute.scatters * mask, atol=n * 1e-14 * size**2 * max(1, r.max()))
    np.testing.assert_array_equal(stats.means[~some], mixture.means[~some])


@pytest.mark.parametrize(("alias", "d"), CASES)
def test_a_hard_assignment_is_to_the_largest_joint_density(alias, d):
    x, mixture = rows(500, d), mixture_of(alias, d=d)
    log_prob, stats, r = e_step(x, mixture, assign="hard", responsibilities=True)
    assert_one_hot(r)
    np.testing.assert_array_equal(r.argmax(axis=1), here.log_joint(x, *parameters(alias, d=d)).argmax(axis=1))
    np.testing.assert_array_equal(log_prob, e_step(x, mixture)[0])
    assert_statistics_of(stats, x, r, mixture, alias in ("diag", "spherical"))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("alias", CODES)
def test_of_equal_components_the_first_gets_the_row(alias, single):
    weights, means, covariances = parameters(alias, k=2)
    same = [0, 1, 1, 0]
    mixture = here.made(alias, weights[same] / 2, means[same], covariances[same])
    r = e_step(rows(), mixture, assign="hard", responsibilities=True, single=single)[2]
    assert_one_hot(r)
    assert (r[:, 2:] == 0).all() and (r[:, :2].sum(axis=0) > 0).all()


@pytest.mark.parametrize("assign", ["hard", "draw"])
@pytest.mark.parametrize("alias", CODES)
def test_case_weights_multiply_what_is_assigned(alias, assign):
    x, w, mixture = rows(), np.random.default_rng(2).uniform(0, 3, 200), mixture_of(alias)
    _, stats, r = e_step(x, mixture, w, assign=assign, seed=5, responsibilities=True)
    np.testing.assert_array_equal(r, e_step(x, mixture, assign=assign, seed=5, responsibilities=True)[2])
    assert_statistics_of(stats, x, w[:, None] * r, mixture, alias in ("diag", "spherical"))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(("alias", "d"), CASES)
def test_a_drawn_assignment_depends_on_seed_row_number_and_responsibilities_alone(alias, d, single):
    # Row 40 is the same in other company: alone with those before it, among others, under any number of threads.
    x, mixture = rows(3000, d), mixture_of(alias, d=d, spread=0.5)
    labels = drawn(x, mixture, 7, single=single)
    np.testing.assert_array_equal(drawn(x[:41], mixture, 7, single=single), labels[:41])
    others = rows(3000, d, seed=6)
    others[40] = x[40]
    assert drawn(others, mixture, 7, single=single)[40] == labels[40]
    before = set_threads(1)
    try:
        np.testing.assert_array_equal(drawn(x, mixture, 7, single=single), labels)
    finally:
        set_threads(before)
    assert (drawn(x, mixture, 8, single=single) != labels).any()
    assert (drawn(x, mixture, [7, 1], single=single) != labels).any()
    np.testing.assert_array_equal(e_step(x, mixture, assign="draw", seed=7)[0], e_step(x, mixture)[0])


@pytest.mark.parametrize("seed", [0, 1, 2**40, [3, 4]])
@pytest.mark.parametrize("single", [False, True])
def test_drawn_assignments_are_as_frequent_as_the_responsibilities_say(seed, single):
    # Twenty thousand equal rows are a multinomial sample, and neighbouring ones are independent.
    mixture, n = mixture_of("full", d=2, k=4, spread=0.5), 20_000
    x = np.repeat([[0.2, -0.1]], n, axis=0)
    r = mixture.responsibilities(x[:1])[0]
    assert r.min() > 0.01
    labels = drawn(x, mixture, seed, single=single)
    assert chisquare(np.bincount(labels, minlength=4), n * r).pvalue > UNLIKELY
    for lag in (1, 2, 64, 256):
        table = np.zeros((4, 4))
        np.add.at(table, (labels[:-lag], labels[lag:]), 1)
        assert chi2_contingency(table).pvalue > UNLIKELY


def test_one_row_under_many_seeds_is_drawn_by_its_responsibilities():
    mixture = mixture_of("full", d=2, k=3, spread=0.5)
    x = rows(5, 2) / 10
    labels = np.array([drawn(x, mixture, seed) for seed in range(2000)])
    for row, found in zip(mixture.responsibilities(x), labels.T, strict=True):
        assert chisquare(np.bincount(found, minlength=3), 2000 * row).pvalue > UNLIKELY


def test_varied_rows_are_drawn_by_their_own_responsibilities():
    # Σ (z − r) over rows has mean zero and variance Σ r (1 − r); four standard deviations are rarer than 1e-4.
    x, mixture = rows(20_000, 2), mixture_of("full", d=2, spread=0.5)
    r = mixture.responsibilities(x)
    labels = drawn(x, mixture, 1)
    for k in range(3):
        for part in (x[:, 0] > 0, x[:, 0] <= 0, x[:, 1] > 2):
            gap = ((labels == k) - r[:, k])[part].sum()
            assert abs(gap) <= 4 * np.sqrt((r[:, k] * (1 - r[:, k]))[part].sum())


@pytest.mark.parametrize("assign", ["hard", "draw"])
def test_a_component_of_weight_zero_is_never_assigned(assign):
    mixture = Mixture([0.0, 0.6, 0.4, 0.0], np.zeros((4, 1)), np.ones((4, 1, 1)))
    r = e_step(rows(1000, 1), mixture, assign=assign, seed=1, responsibilities=True)[2]
    assert_one_hot(r)
    assert (r[:, [0, 3]] == 0).all()
