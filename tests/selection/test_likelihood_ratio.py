import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.kernel import set_threads
from bayesgmm.selection import likelihood_ratio

QUIET = {"starts": 2, "seed": 0, "progress": False}


@pytest.fixture(scope="module")
def two():
    return bg.Mixture([0.4, 0.6], [[0.0], [5.0]], [[[1.0]], [[1.0]]]).sample(90, seed=1)[0]


@pytest.fixture(scope="module")
def found(two):
    return bg.bootstrap_lrt(two, [1, 2, 3], covariance_type="tied", replicates=19, **QUIET)


def test_two_clear_components_are_found(found, two):
    assert found.n_components == 2 and len(found.tests) == 2 and not found.incomplete
    assert found.table["p_value"].tolist()[0] == pytest.approx(1 / 20)
    one, more = (bg.fit_mle(two, k, covariance_type="tied", seed=0, progress=False) for k in (1, 2))
    assert found.table.loc[1, "statistic"] == pytest.approx(2 * (more.log_likelihood - one.log_likelihood), abs=2e-3)
    assert "2 components cannot be rejected" in str(found) and "<table>" in found._repr_html_()


def test_p_values_count_replicates(found):
    for test in found.tests:
        larger = sum(value >= test.statistic for value in test.replicates.tolist())
        assert test.p_value == (1 + larger) / 20 and test.left_out == 0
        assert test.row["p_se"] == pytest.approx(np.sqrt(test.p_value * (1 - test.p_value) / 20))
        assert (test.replicates >= 0).all() and len(test.replicates) == 19


def test_threads_do_not_matter(found, two):
    before = set_threads(1)
    try:
        again = bg.bootstrap_lrt(two, [1], covariance_type="tied", replicates=19, **QUIET)
    finally:
        set_threads(before)
    np.testing.assert_array_equal(again.tests[0].replicates, found.tests[0].replicates)


def test_an_interrupt_keeps_what_is_finished(two, monkeypatch):
    once, made = likelihood_ratio._Ladder.replicate, []

    def interrupted(self, *arguments):
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(once(self, *arguments))
        return made[-1]

    monkeypatch.setattr(likelihood_ratio._Ladder, "replicate", interrupted)
    found = bg.bootstrap_lrt(two, [1, 2], covariance_type="tied", replicates=30, **QUIET)
    assert found.incomplete and len(found.tests) == 1 and 1 <= len(found.tests[0].replicates) < 30
    assert "interrupted" in found.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": []}, "n_components is empty"),
        ({"replicates": 0}, "replicates"),
        ({"level": 1.5}, "level"),
        ({"starts": 0}, "starts"),
        ({"covariance_type": "round"}, "round"),
    ],
)
def test_wrong_arguments_are_one_sentence(two, options, words):
    with pytest.raises(ValueError) as caught:
        bg.bootstrap_lrt(two, **{"n_components": [1], "progress": False} | options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.slow
def test_p_values_are_uniform_where_the_null_is_true():
    """One Gaussian, tested against two of a common variance: of B = 19 replicates p is uniform over 1/20, …, 1."""
    from scipy.stats import chisquare, kstest

    n_sets, p = 100, []
    for seed in range(n_sets):
        x = np.random.default_rng(seed).normal(size=(40, 1))
        test = bg.bootstrap_lrt(x, [1], covariance_type="tied", replicates=19, starts=2, seed=seed, progress=False)
        p.append(test.tests[0].p_value)
    counts = np.bincount(np.round(20 * np.array(p)).astype(int), minlength=21)[1:]
    assert chisquare(counts.reshape(5, 4).sum(axis=1)).pvalue > 1e-3
    # Spread evenly within its step, a discrete uniform is a continuous one.
    spread = np.array(p) - np.random.default_rng(0).uniform(0, 1 / 20, n_sets)
    assert kstest(spread, "uniform").pvalue > 1e-3
