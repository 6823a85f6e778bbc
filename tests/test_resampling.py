"""Bootstrap and jackknife against closed forms, the observed information, SciPy, and the laws that they keep."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

import bayesgmm as bg
from bayesgmm.kernel import set_threads
from bayesgmm.resampling import refits

KINDS = ("nonparametric", "parametric", "weighted")
EACH = pytest.mark.parametrize("kind", KINDS)


@cache
def separated(n, k=2):
    truth = bg.Mixture([0.4, 0.6], [[0.0], [6.0]], [[[1.0]], [[2.0]]])
    x = truth.sample(n, seed=1)[0]
    return x, bg.fit_mle(x, k, seed=0, progress=False)


def resampled(fit, x, **options):
    return bg.bootstrap(fit, x, progress=False, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n", "b"), [("nonparametric", 20_000, 1000), ("parametric", 500, 400)])
def test_agrees_with_the_information(kind, n, b):
    x, fit = separated(n)
    found = resampled(fit, x, kind=kind, replicates=b, seed=1)
    ratio = found.table["se"] / bg.standard_errors(fit, x).table["se"]
    # A standard deviation of 1000 draws is off by 2.2 %, one of 400 by 3.5 %.
    assert (np.abs(ratio - 1) < (0.1 if b == 1000 else 0.15)).all() and found.text == f"{b} of {b} {kind} refits."


def test_weighted_refits_agree_with_the_jackknife():
    x, fit = separated(200)
    found = resampled(fit, x, kind="weighted", replicates=500, seed=1)
    ratio = found.table["se"] / bg.jackknife(fit, x, progress=False).table["se"]
    # A standard deviation of 500 draws is off by 3.2 %; both let the rows say how they are spread.
    assert (np.abs(ratio - 1) < 0.13).all()


@EACH
def test_one_gaussian_varies_as_theory_says(kind):
    x, fit = separated(100, k=1)
    found = resampled(fit, x, kind=kind, replicates=300, seed=2)
    n, variance = len(x), x.var()
    mean = {"nonparametric": variance / n, "parametric": variance / n, "weighted": variance / (n + 1)}[kind]
    fourth = ((x - x.mean()) ** 4).mean()
    spread = {"parametric": 2 * variance**2}.get(kind, fourth - variance**2) / n
    # A standard deviation of 300 draws is off by 4.1 %, one of squares by more.
    np.testing.assert_allclose(found.se[1][0, 0], np.sqrt(mean), rtol=0.15)
    np.testing.assert_allclose(found.se[2][0, 0, 0], np.sqrt(spread), rtol=0.2)
    assert (found.weights == 1).all() and found.means.shape == (300, 1, 1)


def test_jackknife_of_one_gaussian_is_exact():
    x, fit = separated(100, k=1)
    found = bg.jackknife(fit, x, progress=False)
    n, unbiased = len(x), x.var(ddof=1)
    np.testing.assert_allclose(found.table.loc["means[0, x0]", "se"], np.sqrt(unbiased / n))
    # The bias of the maximum likelihood variance is −σ²/N, and the jackknife finds it.
    np.testing.assert_allclose(found.table.loc["covariances[0, x0, x0]", "bias"], -unbiased / n)
    third = ((x - x.mean()) ** 3).sum() / (6 * ((x - x.mean()) ** 2).sum() ** 1.5)
    np.testing.assert_allclose(found.acceleration[1], third)


def test_jackknife_takes_weights_for_rows():
    x, _ = separated(60)
    weights = np.tile([1.0, 2.0, 1.0], 20)
    counted, repeated = (x, weights), (np.repeat(x, weights.astype(int), axis=0), None)
    tables = []
    for rows, w in (counted, repeated):
        fit = bg.fit_mle(rows, 2, case_weights=w, seed=0, progress=False)
        tables.append(bg.jackknife(fit, rows, case_weights=w, progress=False).table)
    np.testing.assert_allclose(tables[0]["se"], tables[1]["se"], rtol=1e-3)


def test_jackknife_agrees_with_refits_from_scratch():
    x, fit = separated(40)
    found = bg.jackknife(fit, x, progress=False)
    for n in (0, 7):
        again = bg.fit_mle(np.delete(x, n, axis=0), 2, seed=0, progress=False).mixture
        np.testing.assert_allclose(found.means[n], again.means, rtol=1e-4, atol=1e-4)


def test_bca_bounds_are_scipys():
    x, fit = separated(100, k=1)
    drawn = resampled(fit, x, replicates=1000, seed=3)
    lower, upper = drawn.interval(bg.jackknife(fit, x, progress=False))
    at = drawn.names.index("covariances[0, x0, x0]")
    theirs = stats.bootstrap((x[:, 0],), np.var, n_resamples=4000, method="BCa", rng=np.random.default_rng(0))
    # Bounds at the tails of 1000 draws are off by about 8 % of a standard error, the correction's as much again.
    apart = np.array([lower[at], upper[at]]) - theirs.confidence_interval
    assert (np.abs(apart) < 0.5 * theirs.standard_error).all()


@EACH
def test_equal_seeds_give_equal_replicates_for_any_number_of_threads(kind):
    x, fit = separated(500)
    before = set_threads(1)
    try:
        one = resampled(fit, x, kind=kind, replicates=5, seed=1)
        set_threads(2)
        two = resampled(fit, x, kind=kind, replicates=5, seed=1)
    finally:
        set_threads(before)
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert (one.vectors != resampled(fit, x, kind=kind, replicates=5, seed=2).vectors).any()


def test_case_weights_count_rows():
    x, _ = separated(200)
    weights = np.tile([1.0, 3.0], 100)
    fit = bg.fit_mle(x, 2, case_weights=weights, seed=0, progress=False)
    errors = bg.standard_errors(fit, x, case_weights=weights).table["se"]
    for kind in KINDS:
        found = resampled(fit, x, case_weights=weights, kind=kind, replicates=200, seed=1)
        # 200 draws: 5 %; and the rows are not exactly normal.
        assert (np.abs(found.table["se"] / errors - 1) < 0.3).all(), kind


@pytest.mark.parametrize("kind", ["nonparametric", "weighted"])
def test_permuting_components_permutes_replicates(kind):
    x, fit = separated(200)
    turned = replace(fit, mixture=fit.mixture.permute([1, 0]))
    here, there = (resampled(f, x, kind=kind, replicates=5, seed=1) for f in (fit, turned))
    np.testing.assert_allclose(there.means[:, ::-1], here.means, rtol=1e-6, atol=1e-6)


def test_units_do_not_matter():
    x, fit = separated(200)
    far = bg.fit_mle(1e3 * x + 5, 2, seed=0, progress=False)
    here, there = (resampled(f, y, kind="weighted", replicates=5, seed=1) for f, y in ((fit, x), (far, 1e3 * x + 5)))
    np.testing.assert_allclose(there.means, 1e3 * here.means + 5, rtol=1e-6, atol=1e-2)


def test_labels_that_moved_are_matched(monkeypatch):
    x, fit = separated(200)
    plain, climb_each = resampled(fit, x, replicates=6, seed=1), refits.climb_each

    def turned(*args):
        return [e._replace(mixture=e.mixture.permute([i % 2, 1 - i % 2])) for i, e in enumerate(climb_each(*args))]

    monkeypatch.setattr(refits, "climb_each", turned)
    np.testing.assert_array_equal(resampled(fit, x, replicates=6, seed=1).means, plain.means)


def test_labels_that_cannot_be_matched_are_counted():
    x = bg.load_dataset("faithful")
    fit = bg.fit_mle(x, 3, starts="hierarchy", progress=False)  # not the highest mode, which has no broad component
    with pytest.warns(UserWarning, match="could not be matched surely, most often that of component"):
        found = resampled(fit, x, replicates=60, kind="weighted", seed=1)
    assert 0 < found.unsure < 30 and f"The labels of {found.unsure} " in found.text
    assert found.confidence.mean(axis=0).argmin() == 1  # the broad one of 9 % of the rows, between the others


def test_collapsed_refits_are_counted_and_left_out():
    x = np.concatenate([np.random.default_rng(0).normal(size=20), [10.0, 10.5, 11.0]])[:, None]
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    with pytest.warns(UserWarning, match="more ended with a collapsed component and are left out"):
        found = resampled(fit, x, replicates=50, seed=1)
    # No row, one row, or one row repeated, of the three.
    p = sum(stats.binom.pmf(n, 23, 3 / 23) * (3.0 ** (1 - n) if n else 1) for n in range(24))
    assert abs(found.degenerate / 50 - p) < 4 * np.sqrt(p * (1 - p) / 50)
    assert len(found) == 50 - found.degenerate == len(found.mixtures) and len(set(found.numbers)) == len(found)
    assert np.isfinite(found.table.to_numpy()).all()


@pytest.mark.parametrize("verb", ["bootstrap", "jackknife"])
def test_an_interrupt_keeps_what_is_finished(monkeypatch, verb):
    x, fit = separated(60)
    climb_each, made = refits.climb_each, []
    monkeypatch.setattr(refits, "_MOST", 7)

    def interrupted(*args):
        made.append(1)
        if len(made) > 1:
            raise KeyboardInterrupt
        return climb_each(*args)

    monkeypatch.setattr(refits, "climb_each", interrupted)
    with pytest.warns(UserWarning, match="interrupted, and are incomplete"):
        found = getattr(bg, verb)(fit, x, progress=False)
    assert found.incomplete and len(found) == 7 and found.numbers.tolist() == list(range(7))
    assert np.isfinite(found.table["se"]).all()
    with pytest.raises(KeyboardInterrupt, match="no .* refit was finished"):
        getattr(bg, verb)(fit, x, progress=False)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_families_and_missing_cells_are_kept(covariance_type):
    x = bg.load_dataset("faithful").to_numpy(dtype=float, copy=True)
    x[::9, 0], x[4::9, 1] = np.nan, np.nan
    fit = bg.fit_mle(x, 2, covariance_type=covariance_type, missing="marginalise", seed=0, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in KINDS:
            found = resampled(fit, x, kind=kind, replicates=3, seed=1)
            assert found.text == f"3 of 3 {kind} refits."
            if covariance_type == "tied":
                np.testing.assert_array_equal(found.covariances[:, 0], found.covariances[:, 1])
            if covariance_type in ("diag", "spherical"):
                assert not found.covariances[:, :, 0, 1].any()


def test_a_map_estimate_is_refitted_under_its_prior():
    x, _ = separated(60)
    fit = bg.fit_mle(x, 2, prior="conjugate", seed=0, progress=False)
    assert bg.scale_prior("conjugate", x, 2).shrinkage == fit.prior.shrinkage
    found = bg.jackknife(fit, x, progress=False)
    again = bg.fit_mle(x[1:], 2, prior=fit.prior, seed=0, progress=False).mixture
    np.testing.assert_allclose(found.means[0], again.means, atol=1e-4)


def test_rows_are_those_of_every_other_table():
    x = bg.load_dataset("faithful")
    fit = bg.fit_mle(x, 2, seed=0, progress=False)
    table = bg.compare(fit).table
    for found in (resampled(fit, x, replicates=3, seed=0), bg.jackknife(fit, x, progress=False)):
        assert list(found.table.index) == list(table.index)
        np.testing.assert_array_equal(found.table["estimate"], table["mle"])


def test_errors_teach():
    x, fit = separated(60)
    with pytest.raises(ValueError, match="kind must be one of 'nonparametric', 'parametric', 'weighted', not 'bayes'"):
        resampled(fit, x, kind="bayes")
    with pytest.raises(ValueError, match="replicates must be an integer of at least 1, not 0"):
        resampled(fit, x, replicates=0)
    weights = np.full(60, 0.5)
    half = bg.fit_mle(x, 2, case_weights=weights, seed=0, progress=False)
    with pytest.raises(ValueError, match="jackknife leaves out one row at a time, but a case weight is 0.5"):
        bg.jackknife(half, x, case_weights=weights)
