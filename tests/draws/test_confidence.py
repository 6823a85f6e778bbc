"""The probability that a label is right: calibrated where the truth is known, and the laws it keeps."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from bayesgmm.draws import label_report, relabel
from bayesgmm.draws.confidence import confidence
from bayesgmm.draws.mixtures import MixtureDraws, read
from bayesgmm.draws.permute import permute

synthetic = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("synthetic.py"))))


def clouds(apart, m=20_000, seed=0, spread=1.0):
    """Two components whose means and weights are normal about different places, in their true labels."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.0], [apart]]) + spread * rng.standard_normal((m, 2, 1))
    share = expit(0.4 + 0.4 * rng.standard_normal(m))
    return MixtureDraws(np.stack([share, 1 - share], axis=1), means, np.ones((m, 2, 1, 1)), ("x0",))


def truth_of(draws, apart):
    """log p(d | labels right) − log p(d | exchanged), from the densities that `clouds` draws from."""
    gap = draws.means[:, 0, 0] - draws.means[:, 1, 0]
    logit = np.log(draws.weights[:, 0] / draws.weights[:, 1])
    by_means = ((gap - apart) ** 2 - (gap + apart) ** 2) / (2 * 2.0)
    by_weights = ((logit + 0.4) ** 2 - (logit - 0.4) ** 2) / (2 * 0.4**2)
    return by_means + by_weights


@pytest.mark.parametrize("apart", [0.5, 1.0, 2.0, 4.0])
def test_it_is_the_posterior_probability_where_differences_are_normal(apart):
    draws = clouds(apart)
    odds = truth_of(draws, apart)
    cut = draws.permute(np.where((odds < 0)[:, None], [1, 0], [0, 1]))  # what the best matching would do
    found, exact = confidence(cut), expit(np.abs(odds))
    assert np.array_equal(found[:, 0], found[:, 1])
    # a, C are known to about 1/√M, and odds are at most about 30 of their units.
    assert np.abs(found[:, 0] - exact).max() < 0.05 and np.abs(found[:, 0] - exact).mean() < 0.01
    # So many labels are wrong: five standard errors of a share.
    wrong = (odds < 0).mean()
    assert abs((1 - found).mean() - wrong) < 5 * np.sqrt(wrong * (1 - wrong) / len(odds)) + 0.005


@pytest.mark.parametrize("k", [2, 3, 5])
def test_components_that_nothing_tells_apart_have_one_chance_in_k(k):
    rng = np.random.default_rng(1)
    m = 20_000
    same = MixtureDraws(np.full((m, k), 1 / k), rng.standard_normal((m, k, 1)), np.ones((m, k, 1, 1)), ("x0",))
    # EM comes near a = 0 as one over the square root of its steps.
    assert np.allclose(confidence(same).mean(axis=0), 1 / k, atol=0.06)


def test_labels_exchanged_in_a_few_draws_are_found():
    draws = synthetic.posterior(synthetic.truth(3, 2), n=300)
    orders = np.tile([0, 1, 2], (1200, 1))
    orders[:30] = [1, 0, 2]
    found = confidence(read(permute(draws, orders)))
    assert (found[:30, :2] < 0.01).all() and (found[:30, 2] > 0.99).all() and (found[30:] > 0.99).all()


def test_it_is_permuted_with_the_components():
    mixtures = read(synthetic.posterior(synthetic.truth(3, 2, apart=1.0), n=200, noise=0.5))
    order = np.array([2, 0, 1])
    assert np.allclose(confidence(mixtures.permute(order)), confidence(mixtures)[:, order], rtol=1e-6)


@pytest.mark.parametrize("n", [50, 500])  # with few draws determinants have to do
def test_affine_maps_of_the_data_do_not_change_it(n):
    mixtures = read(synthetic.posterior(synthetic.truth(3, 2, apart=1.0), n=n, noise=0.5))
    by = np.array([[1e3, 0.0], [-2.0, 1e-2]])
    moved = MixtureDraws(mixtures.weights, mixtures.means @ by.T + 7.0, by @ mixtures.covariances @ by.T,
                         mixtures.features)  # fmt: skip
    assert np.allclose(confidence(moved), confidence(mixtures), atol=1e-7)
    assert 0.01 < (1 - confidence(mixtures)).mean() < 0.5  # or nothing was tried


def test_crossed_ellipses_with_one_centre_are_told_apart():
    rng = np.random.default_rng(2)
    shape = np.array([[[2.0, 1.8], [1.8, 2.0]], [[2.0, -1.8], [-1.8, 2.0]]])
    stretch = np.eye(2) + 0.1 * np.tril(rng.standard_normal((1000, 2, 2, 2)))
    draws = MixtureDraws(np.full((1000, 2), 0.5), 0.1 * rng.standard_normal((1000, 2, 2)),
                         stretch @ shape @ stretch.swapaxes(-1, -2), ("x0", "x1"))  # fmt: skip
    assert confidence(draws).min() > 0.99


@pytest.mark.parametrize("draws", [
    MixtureDraws(np.ones((5, 1)), np.zeros((5, 1, 1)), np.ones((5, 1, 1, 1)), ("x0",)),
    MixtureDraws(np.full((1, 2), 0.5), np.array([[[0.0], [1.0]]]), np.ones((1, 2, 1, 1)), ("x0",)),
    MixtureDraws(np.full((5, 2), 0.5), np.tile([[0.0], [1.0]], (5, 1, 1)), np.ones((5, 2, 1, 1)), ("x0",)),
    MixtureDraws(np.tile([1.0, 0.0], (5, 1)), np.tile([[0.0], [1.0]], (5, 1, 1)), np.ones((5, 2, 1, 1)), ("x0",)),
], ids=["one component", "one draw", "constant", "empty"])  # fmt: skip
def test_what_never_varies_is_certain(draws):
    assert (confidence(draws) == 1).all()


def test_components_that_are_one_and_the_same_are_even():
    draws = MixtureDraws(np.full((5, 2), 0.5), np.zeros((5, 2, 1)), np.ones((5, 2, 1, 1)), ("x0",))
    assert (confidence(draws) == 0.5).all()


def test_the_report_has_r_hat_before_and_after():
    clean = synthetic.posterior(synthetic.truth(3, 2))
    orders = np.repeat([[0, 1, 2], [0, 1, 2], [1, 0, 2], [0, 1, 2]], 300, axis=0)
    raw = synthetic.shuffled(clean, orders)
    for draws in (raw, relabel(raw)):
        table = label_report(draws)
        moved = table["moved"].to_numpy()
        assert (table["r_hat_before"].to_numpy()[moved > 0] > 1.5).all() and (table["r_hat_after"] < 1.02).all()
        assert sorted(moved) == [0.0, 0.25, 0.25] and (table["confidence"] > 0.999).all()
        assert (table["doubtful"] == 0).all() and table.attrs["labelling"] == "ecr"
    untouched = table[table["moved"] == 0].iloc[0]
    assert untouched["r_hat_before"] == untouched["r_hat_after"]


def test_the_report_shows_doubt_that_r_hat_does_not():
    table = label_report(relabel(synthetic.posterior(synthetic.truth(2, 1, apart=0.3), noise=0.3)))
    assert (table["r_hat_after"] < 1.05).all() and (table["confidence"] < 0.9).all() and (table["doubtful"] > 0.1).all()
