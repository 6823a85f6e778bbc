"""`scale_prior`: the formulas of the data-scaled constants, computed another way."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

import bayesgmm as bg


def faithful():
    return bg.load_dataset("faithful").to_numpy(dtype=float)


def test_pooled_constants_are_their_formulas():
    x, k = faithful(), 2
    n, d = x.shape
    within = GaussianMixture(k, covariance_type="tied", reg_covar=0, tol=1e-14, max_iter=1000, random_state=0).fit(x)
    sample, share = np.cov(x.T), d / (n + d)
    scale = (1 - share) * within.covariances_ + share * np.diag(np.diag(sample))
    p = bg.scale_prior("conjugate", x, k)
    np.testing.assert_allclose(p.scale, scale, rtol=1e-5)
    np.testing.assert_allclose(p.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(p.shrinkage, np.trace(np.linalg.inv(sample) @ scale) / d, rtol=1e-5)
    np.testing.assert_array_equal(p.concentration, np.ones(k))
    assert p.dof == d + 2 and p.is_scaled


def test_mclusts_constants():
    x = faithful()
    p = bg.scale_prior(bg.Conjugate.mclust(), x, 3)
    np.testing.assert_allclose(p.scale, np.cov(x.T) / 3 ** (2 / 2), rtol=1e-12)
    np.testing.assert_allclose(p.mean, x.mean(axis=0))
    assert p.shrinkage == 0.01 and p.dof == 4.0
    one = bg.scale_prior(bg.Conjugate.mclust(), x[:, 0], 3)
    np.testing.assert_allclose(one.scale, [[x[:, 0].var(ddof=1) / 9]], rtol=1e-12)


def test_constants_given_are_kept_and_the_rest_follow_them():
    x, scale = faithful(), np.array([[0.2, 0.0], [0.0, 30.0]])
    p = bg.scale_prior(bg.Conjugate(scale=scale, dof=7.0), x, 2)
    np.testing.assert_array_equal(p.scale, scale)
    np.testing.assert_allclose(p.shrinkage, np.trace(np.linalg.inv(np.cov(x.T)) @ scale) / 2, rtol=1e-10)
    assert p.dof == 7.0
    assert bg.scale_prior(p, x[:10], 2).shrinkage == p.shrinkage, "a prior with all its constants is not rescaled"


@pytest.mark.parametrize("prior", [bg.Conjugate(), bg.Conjugate.mclust()], ids=["pooled", "mclust"])
def test_case_weights_are_numbers_of_rows(prior):
    x, times = faithful(), np.random.default_rng(0).integers(0, 4, size=272)
    a = bg.scale_prior(prior, x, 2, case_weights=times.tolist())
    b = bg.scale_prior(prior, np.repeat(x, times, axis=0), 2)
    for name in ("mean", "scale", "shrinkage", "dof"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-4)


def test_units_scale_the_constants():
    x, units = faithful(), np.array([1e-7, 1e6])
    a, b = bg.scale_prior("conjugate", x, 2), bg.scale_prior("conjugate", x * units, 2)
    np.testing.assert_allclose(b.scale, a.scale * np.outer(units, units), rtol=1e-4)
    np.testing.assert_allclose(b.shrinkage, a.shrinkage, rtol=1e-4)


def test_what_does_not_fit_the_data_is_refused():
    x = faithful()
    with pytest.raises(ValueError, match="concentration has 3 values for 2 components"):
        bg.scale_prior(bg.Conjugate(concentration=[1.0, 1.0, 1.0]), x, 2)
    with pytest.raises(ValueError, match=r"mean has shape \(3,\), but x has 2 features"):
        bg.scale_prior(bg.Conjugate(mean=np.zeros(3)), x, 2)
    with pytest.raises(ValueError, match=r"scale has shape \(1, 1\), but x has 2 features"):
        bg.scale_prior(bg.Conjugate(scale=[[1.0]]), x, 2)
    with pytest.raises(ValueError, match="distinct rows"):
        bg.scale_prior("conjugate", [[0.0], [0.0], [1.0]], 3)
    with pytest.raises(ValueError, match="one weight a row"):
        bg.scale_prior("conjugate", x, 2, case_weights=[1.0])
    with pytest.raises(ValueError, match="more than 1"):
        bg.scale_prior("conjugate", x, 2, case_weights=np.full(272, 1 / 272))


def test_linearly_dependent_features_are_named_as_the_trouble():
    x = faithful()
    with pytest.raises(ValueError, match="linearly dependent"):
        bg.scale_prior("conjugate", np.column_stack([x, x @ [1.0, 2.0]]), 2)
    with pytest.raises(ValueError, match="linearly dependent"):
        bg.scale_prior("conjugate", np.column_stack([x[:, 0], 3 * x[:, 0]]), 2)


# ---- the other priors


def test_independent_and_lkj_constants_are_their_formulas():
    x = faithful()
    conjugate, p, q = (bg.scale_prior(name, x, 2) for name in ("conjugate", "independent", "lkj"))
    np.testing.assert_allclose(p.scale, conjugate.scale)
    assert p.dof == conjugate.dof and q.eta == 2.5
    for prior in (p, q):
        np.testing.assert_allclose(prior.mean, x.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(prior.mean_covariance, np.cov(x.T), rtol=1e-12)
    np.testing.assert_allclose(q.scales.median, np.sqrt(np.diag(conjugate.scale)))


@pytest.mark.parametrize(
    ("scales", "expected"),
    [
        (bg.priors.LogNormal(), lambda within, overall: within),
        (bg.priors.InverseGamma(shape=4.0), lambda within, overall: 4.0 * within),
        (bg.priors.HalfNormal(), lambda within, overall: overall),
        (bg.priors.HalfStudentT(), lambda within, overall: overall),
        (bg.priors.HalfNormal(scale=2.0), lambda within, overall: np.full(2, 2.0)),
        (bg.priors.HalfNormal(scale=[2.0, 9.0]), lambda within, overall: np.array([2.0, 9.0])),
    ],
    ids=["log-normal", "inverse gamma", "half-normal", "half-t", "a number", "one a feature"],
)
def test_standard_deviations_are_scaled_by_what_they_are_of(scales, expected):
    x = faithful()
    within, overall = np.sqrt(np.diag(bg.scale_prior("conjugate", x, 2).scale)), x.std(axis=0, ddof=1)
    found = bg.scale_prior(bg.priors.LKJ(scales=scales), x, 2).scales
    np.testing.assert_allclose(getattr(found, found.UNIT), expected(within, overall))


def test_hierarchical_constants_are_those_of_richardson_and_green():
    y = faithful()[:, 0]
    p, width = bg.scale_prior("hierarchical", y, 2), y.max() - y.min()
    assert (p.shape, p.rate_shape) == (2.0, 0.2)
    np.testing.assert_allclose(p.mean, [0.5 * (y.max() + y.min())])
    np.testing.assert_allclose([p.mean_covariance[0, 0], p.rate_rate[0, 0]], [width**2, 10 / width**2])


def test_hierarchical_constants_of_several_features():
    x = np.random.default_rng(0).normal(size=(40, 5)) * [1.0, 2.0, 3.0, 4.0, 5.0]
    p, width = bg.scale_prior("hierarchical", x, 3), np.ptp(x, axis=0)
    assert (p.shape, p.rate_shape) == (4.5, 2.5)
    np.testing.assert_allclose(p.mean, np.median(x, axis=0))
    np.testing.assert_allclose(p.mean_covariance, np.diag(width**2))
    np.testing.assert_allclose(p.rate_rate, np.diag(100 * 2.5 / 4.5 / width**2))
    again = bg.scale_prior("hierarchical", x, 7)
    np.testing.assert_array_equal(again.rate_rate, p.rate_rate), "nothing depends on K"


def constants(prior):
    """Every constant, the units' of the standard deviations among them."""
    return {name: np.asarray(value) for name, (_, value) in prior.constants.items()}


@pytest.mark.parametrize("name", ["conjugate", "independent", "hierarchical", "lkj"])
def test_case_weights_are_numbers_of_rows_for_every_prior(name):
    x, times = faithful(), np.random.default_rng(0).integers(0, 4, size=272)
    a = constants(bg.scale_prior(name, x, 2, case_weights=times))
    b = constants(bg.scale_prior(name, np.repeat(x, times, axis=0), 2))
    for key in a:
        np.testing.assert_allclose(a[key], b[key], rtol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", ["conjugate", "independent", "hierarchical", "lkj"])
def test_constants_go_with_the_units_of_each_feature(name):
    """Feature 1 in hundredths: what is in its units grows by 100, squares by 10 000, and pure numbers stay."""
    x, units = faithful(), np.array([1.0, 100.0])
    squared = np.outer(units, units)
    by = {"mean": units, "mean_covariance": squared, "scale": squared, "rate_rate": 1 / squared, "scales_median": units}
    a, b = (constants(bg.scale_prior(name, data, 2)) for data in (x, x * units))
    for key in a:
        np.testing.assert_allclose(b[key], a[key] * by.get(key, 1.0), rtol=1e-4, err_msg=key)


def test_what_is_independent_of_the_axes_turns_with_them():
    """B₀ of any linear map A of the rows is A B₀ Aᵀ."""
    x, a = faithful(), np.array([[1.0, 0.3], [-2.0, 0.1]])
    for name in ("independent", "lkj"):
        before, after = bg.scale_prior(name, x, 2), bg.scale_prior(name, x @ a.T, 2)
        np.testing.assert_allclose(after.mean_covariance, a @ before.mean_covariance @ a.T, rtol=1e-9)
        np.testing.assert_allclose(after.mean, a @ before.mean, rtol=1e-9)


@pytest.mark.parametrize("name", ["independent", "hierarchical", "lkj"])
def test_missing_cells_are_no_trouble(name):
    x = faithful()
    x[::7, 1] = np.nan
    prior = bg.scale_prior(name, x, 2, missing="marginalise")
    assert prior.is_scaled and all(np.isfinite(value).all() for value in constants(prior).values())


def test_constants_of_the_wrong_size_are_named():
    x = faithful()
    with pytest.raises(ValueError, match=r"mean_covariance has shape \(3, 3\), but x has 2 features"):
        bg.scale_prior(bg.priors.LKJ(mean_covariance=np.eye(3)), x, 2)
    with pytest.raises(ValueError, match=r"rate_rate has shape \(1, 1\)"):
        bg.scale_prior(bg.priors.Hierarchical(rate_rate=[[1.0]]), x, 2)
    with pytest.raises(ValueError, match=r"scales_scale has shape \(3,\)"):
        bg.scale_prior(bg.priors.LKJ(scales=bg.priors.HalfNormal(scale=np.ones(3))), x, 2)
