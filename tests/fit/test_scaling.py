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
