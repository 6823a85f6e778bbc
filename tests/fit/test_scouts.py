"""Many rows: starts climb over a sample first."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.fit import scouts
from bayesgmm.fit.census import LEFT
from bayesgmm.fit.degenerate import DegenerateFit

TRUTH = bg.Mixture([0.5, 0.3, 0.2], [[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]],
                   [[[1.0, 0.3], [0.3, 1.0]], [[0.5, 0.0], [0.0, 2.0]], [[1.0, -0.5], [-0.5, 1.0]]])  # fmt: skip
QUIET = {"seed": 0, "progress": False}


@pytest.fixture(scope="module")
def many():
    return TRUTH.sample(30_000, seed=1)[0]


@pytest.fixture(scope="module")
def fit(many):
    return bg.fit_mle(many, 3, **QUIET)


def test_it_ends_where_a_climb_from_the_truth_does(many, fit):
    from_truth = bg.fit_mle(many, 3, starts=TRUTH, progress=False)
    assert fit.converged and abs(fit.log_likelihood - from_truth.log_likelihood) < 1e-6
    assert fit.n_obs == len(many)


def test_every_start_is_accounted_for(fit):
    assert len(fit.starts) == 10
    left = [start for start in fit.starts if start.note.startswith(LEFT)]
    reached = [start for start in fit.starts if start.mode >= 0]
    assert reached and len(left) + len(reached) == 10
    assert sum(mode.n_starts for mode in fit.census) == len(reached)
    assert all(start.mode == -1 and "lower" in start.note and np.isnan(start.objective) for start in left)
    assert "left" not in str(fit) or "lower on a sample of 2000 rows" in str(fit)


def test_of_many_modes_a_few_are_climbed_from(many, fit):
    """Five components where there are three have many modes; each has room for what three have found."""
    found = bg.fit_mle(many, 5, **QUIET)
    tried = {start.mode for start in found.starts} - {-1}
    assert 1 <= len(tried) <= 5
    assert found.log_likelihood > fit.log_likelihood


@pytest.mark.parametrize("kind", ["full", "tied", "VEV"])
def test_it_moves_with_the_rows(many, kind):
    """A rotation and a common scale: the sample is of the same rows, and so is the fit."""
    turn = 3.0 * np.array([[0.6, -0.8], [0.8, 0.6]])
    one = bg.fit_mle(many, 3, covariance_type=kind, **QUIET)
    other = bg.fit_mle(many @ turn.T + 7.0, 3, covariance_type=kind, **QUIET)
    expected = one.log_likelihood - len(many) * np.log(9.0)
    np.testing.assert_allclose(other.log_likelihood, expected, rtol=1e-8)
    before, after = (m.responsibilities(x).argmax(axis=1) for m, x in
                     ((one.mixture, many), (other.mixture, many @ turn.T + 7.0)))  # fmt: skip
    assert bg.adjusted_rand_index(before, after) == 1.0


def test_a_weight_is_a_number_of_rows(many, fit):
    twice = bg.fit_mle(many, 3, case_weights=np.full(len(many), 2.0), **QUIET)
    np.testing.assert_allclose(twice.log_likelihood, 2 * fit.log_likelihood, rtol=1e-10)


@pytest.mark.parametrize("starts", [1, TRUTH, [3, TRUTH]], ids=["one", "own", "own among others"])
def test_few_starts_and_a_users_own_climb_over_all_rows(many, starts):
    assert not any(start.note for start in bg.fit_mle(many, 3, starts=starts, **QUIET).starts)


def test_few_rows_are_all_climbed_over(many):
    assert not any(start.note for start in bg.fit_mle(many[:5000], 3, **QUIET).starts)


def test_a_feature_that_is_constant_in_a_sample_is_looked_at_in_all_rows(many):
    """Five rows in 30 000 have another value: no sample is likely to hold them, and the error is that of all rows."""
    x = many.copy()
    x[:, 1] = 0.0
    x[:5, 1] = 1.0
    with pytest.raises(bg.fit.DegenerateFit, match="collapsed"):
        bg.fit_mle(x, 2, starts=3, **QUIET)


def test_where_all_modes_of_a_sample_collapse_over_all_rows_other_starts_are_tried(many, fit, monkeypatch):
    once, calls = bg.fit_mle.__globals__["best_climb"], []

    def collapsing(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise DegenerateFit("all starts collapsed")
        return once(*arguments)

    monkeypatch.setitem(bg.fit_mle.__globals__, "best_climb", collapsing)
    found = bg.fit_mle(many, 3, starts=2, **QUIET)
    assert len(calls) == 2 and abs(found.log_likelihood - fit.log_likelihood) < 1e-6


def test_a_mode_is_left_only_if_it_is_clearly_lower(many):
    """Behind by the mean log density of rows that the sample does not hold, told for all rows."""
    table = bg.as_table(many)
    target = bg.fit_mle.__globals__["Likelihood"](bg.family("full"), table.features)
    asked = bg.fit_mle.__globals__["wanted"](10, 5, *many.shape)
    found = scouts.scout(table, target, asked, 5, 0, progress=False)
    others = many[np.sort(np.random.default_rng(0).choice(len(many), 2 * found.n_rows, replace=False)[found.n_rows :])]
    modes = [mode.mixture for mode in found.fit.census if not mode.is_degenerate]
    best = max(modes, key=lambda m: m.log_prob(others).mean())
    gaps = [best.log_prob(others) - m.log_prob(others) for m in modes]
    means = np.array([gap.mean() for gap in gaps])
    np.testing.assert_allclose(found.behind, means * len(many), rtol=1e-9, atol=1e-6)
    near = [i for i in np.argsort(means) if means[i] <= 3 * gaps[i].std() / np.sqrt(len(others))]
    assert found.of_begin == near[:5] and len(found.begin) == len(found.of_begin)
