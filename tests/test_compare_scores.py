"""What `compare` says of rows held out, of memberships, and of why estimates disagree."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayesgmm as bg
from bayesgmm.comparison import compare
from bayesgmm.draws import from_arrays
from bayesgmm.models import finite_mixture

N = 120


@pytest.fixture(scope="module")
def x():
    truth = bg.Mixture([0.4, 0.6], [[0.0, 0.0], [3.0, 1.0]], [np.eye(2), np.diag([0.5, 2.0])], features=("a", "b"))
    return pd.DataFrame(truth.sample(N, seed=1)[0], columns=["a", "b"])


@pytest.fixture(scope="module")
def mle(x):
    return bg.fit_mle(x, 2, seed=1, progress=False)


@pytest.fixture(scope="module")
def draws(x):
    return bg.sample(finite_mixture(x, 2), engine="gibbs", draws=500, tune=200, chains=2, seed=1, progress=False)


@pytest.fixture(scope="module")
def comparison(mle, draws):
    return compare(mle, draws)


def test_leaving_each_row_out_is_what_n_folds_do(x, mle):
    """Against fits to all rows but one, from starts of their own."""
    found = compare(mle, x=x, folds=N).held_out["mle"].log_density
    for n in (0, 17, 64):
        rest = bg.fit_mle(x.drop(index=n), 2, seed=2, starts=20, progress=False)
        assert rest.log_likelihood == pytest.approx(rest.mixture.log_prob(x.drop(index=n)).sum())
        assert found[n] == pytest.approx(rest.mixture.log_prob(x.iloc[[n]])[0], abs=2e-2)


def test_the_scores_of_draws_are_those_of_arviz(draws, comparison):
    import arviz as az

    known = az.loo(draws, pointwise=True)
    assert comparison.scores.loc["draws", "elpd"] == pytest.approx(known.elpd, abs=1e-6)
    assert comparison.scores.loc["draws", "se"] == pytest.approx(known.se, rel=5e-3)  # N − 1, not N
    np.testing.assert_allclose(comparison.held_out["draws"].pareto_k, known.pareto_k)
    np.testing.assert_allclose(comparison.held_out["draws"].log_density, known.elpd_i, atol=1e-9)


def test_differences_are_of_pairs(comparison):
    scores, held = comparison.scores, comparison.held_out
    best = scores["elpd"].idxmax()
    other = next(name for name in scores.index if name != best)
    off = held[other].log_density - held[best].log_density
    assert scores.loc[best, "difference"] == 0
    assert scores.loc[other, "difference"] == pytest.approx(off.sum())
    assert scores.loc[other, "difference_se"] == pytest.approx(np.sqrt(N) * off.std(ddof=1))


def test_a_right_model_is_calibrated_and_a_wrong_one_is_not(x, mle, comparison):
    assert (comparison.calibration > 1e-3).all(axis=None)
    one = bg.fit_mle(np.concatenate([x - 6, x + 6]), 1, progress=False)
    wrong = compare(one, x=np.concatenate([x - 6, x + 6])).calibration
    assert (wrong < 1e-3).all(axis=None)


def test_integral_transforms_of_a_gaussian_are_its_own(x):
    """K = 1: a fold's refit is the mean and covariance of the rows kept."""
    fit = bg.fit_mle(x, 1, progress=False)
    held = compare(fit, x=x, folds=4).held_out["mle"]
    part = np.random.default_rng(0).permutation(N) % 4
    kept = x.to_numpy()[part != 2]
    expected = stats.norm(kept.mean(axis=0), kept.std(axis=0)).cdf(x.to_numpy()[part == 2])
    np.testing.assert_allclose(held.pit[part == 2], expected, atol=1e-9)
    density = stats.multivariate_normal(kept.mean(axis=0), np.cov(kept.T, ddof=0)).logpdf(x.to_numpy()[part == 2])
    np.testing.assert_allclose(held.log_density[part == 2], density, atol=1e-8)


def test_case_weights_count_as_rows(x, mle):
    weights = np.where(np.arange(N) < 20, 2.0, 1.0)
    fit = bg.fit_mle(x, 2, case_weights=weights, seed=1, progress=False)
    found = compare(fit, x=x, case_weights=weights)
    assert found.scores.loc["mle", "elpd"] == pytest.approx(weights @ found.held_out["mle"].log_density)
    with pytest.raises(ValueError, match="give one weight a row"):
        compare(fit, x=x, case_weights=weights[1:])


def test_memberships_change_by_total_variation(mle, draws, comparison):
    found = comparison.memberships
    r = mle.mixture.responsibilities(draws["observed_data"]["x"].values)
    np.testing.assert_allclose(found["probability"].sel(item="mle"), r, atol=1e-12)
    np.testing.assert_allclose(
        found["probability"].sel(item="draws"),
        bg.membership(comparison.items[1])["probability"], atol=1e-12)  # fmt: skip
    p = found["probability"].values
    np.testing.assert_allclose(found["change"].values[1], np.abs(p[1] - p[0]).max(axis=1), atol=1e-12)  # K = 2
    assert (found["change"].values[0] == 0).all()


def test_numbers_of_components_may_differ(x, mle, draws):
    three = bg.fit_mle(x, 3, covariance_type="tied", seed=1, progress=False)
    found = compare(mle, three, draws)
    assert found.memberships.sizes["component"] == 3
    new = found.table.loc["weights[2]"]
    assert np.isnan(new["mle"]) and np.isnan(new["mean"]) and new["mle_2"] > 0
    assert found.table["mle_2"].filter(like="weights").sum() == pytest.approx(1)
    first = compare(three, mle)
    assert first.table["mle_2"].filter(like="weights").notna().sum() == 2


def test_standard_errors_and_intervals_follow_the_labels(x, mle, draws):
    plain = bg.standard_errors(mle, x)
    order = [1, 0]
    from bayesgmm.draws.permute import permute

    turned = compare(permute(draws, order if draws["posterior"]["means"].mean(["chain", "draw"])[0, 0] < 1.5
                             else [0, 1]), mle, bootstrap=bg.bootstrap(mle, x, replicates=50, seed=1))  # fmt: skip
    assert turned.table.loc["weights[1]", "mle"] == pytest.approx(mle.mixture.weights[0])
    assert turned.table.loc["means[1, b]", "mle_se"] == pytest.approx(plain.means[0, 1], rel=1e-6)
    known = bg.bootstrap(mle, x, replicates=50, seed=1).table.loc["means[0, b]"]
    assert turned.table.loc["means[1, b]", "mle_lower"] == pytest.approx(known["lower"])


def test_a_prior_that_draws_to_itself_is_named():
    """Posterior means half way between an MLE of 0 and a prior centre of 2, an sd of 0.1."""
    rng = np.random.default_rng(0)
    mle = bg.fit_mle(rng.normal(size=(200, 1)), 1, progress=False)
    at = float(mle.mixture.means[0, 0])
    means = 0.5 * (at + 2.0) + 0.1 * rng.standard_normal((2, 500, 1, 1))
    draws = from_arrays(np.ones((2, 500, 1)), means, 1 + 0.01 * rng.random((2, 500, 1, 1, 1)))
    prior = from_arrays(np.ones((1, 500, 1)), 2 + rng.standard_normal((1, 500, 1, 1)), np.ones((1, 500, 1, 1, 1)))
    draws["prior"] = prior["posterior"]
    row = compare(mle, draws).table.loc["means[0, x0]"]
    assert row["shrinkage"] == pytest.approx(0.5, abs=0.05) and "drawn by the prior" in row["flag"]


def test_labels_that_cannot_be_told_apart_are_said():
    rng = np.random.default_rng(0)
    same = rng.standard_normal((4, 500, 2, 1))
    draws = from_arrays(np.full((4, 500, 2), 0.5), same, np.ones((4, 500, 2, 1, 1)))
    found = compare(draws)
    assert any("labels" in note for note in found.notes) and found.notes[0] in str(found)


def test_what_cannot_be_told_is_said_and_the_rest_is_shown(x, mle, draws):
    other = compare(mle, x=x.iloc[:100])
    assert "mle has no standard errors" in " ".join(other.notes) and "mle_se" not in other.table
    bare = draws.drop_nodes("log_likelihood")
    found = compare(mle, bare)
    assert "draws has no held-out score" in " ".join(found.notes) and list(found.scores.index) == ["mle"]
    with pytest.raises(ValueError, match="bootstrap is of 2 components"):
        compare(bg.fit_mle(x, 3, seed=0, progress=False), x=x, bootstrap=bg.bootstrap(mle, x, replicates=20, seed=1))
    assert compare(mle, draws, folds=None).scores is None
