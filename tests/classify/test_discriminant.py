"""One Gaussian a class: linear and quadratic discriminant analysis, by scikit-learn and written out."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import bayesgmm as bg


@pytest.fixture(scope="module")
def wine():
    from sklearn.datasets import load_wine

    data = load_wine()
    return data.data[:, :6], np.array(["barolo", "grignolino", "barbera"])[data.target]


@pytest.mark.parametrize("class_prior", ["frequencies", {"barolo": 0.2, "grignolino": 0.5, "barbera": 0.3}])
def test_a_shared_covariance_is_linear_discriminant_analysis(wine, class_prior):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x, labels = wine
    found = bg.fit_classifier(x, labels, model="gaussians", covariance_types="EEE", class_prior=class_prior,
                              progress=False)  # fmt: skip
    # Its lsqr solver weighs the covariances of the classes by their priors; frequencies make that the MLE.
    lda = LinearDiscriminantAnalysis(solver="lsqr").fit(x, labels)
    assert list(found.classes) == lda.classes_.tolist()
    scores = lda.decision_function(x) - np.log(lda.priors_) + np.log(found.class_prior)
    expected = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
    np.testing.assert_allclose(found.predict_proba(x), expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("how", [{"model": "gaussians"}, {"model": "mixtures", "n_components": 1}])
def test_covariances_of_their_own_are_quadratic_discriminant_analysis(wine, how):
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    x, labels = wine
    found = bg.fit_classifier(x, labels, covariance_types="VVV", progress=False, **how)
    qda = QuadraticDiscriminantAnalysis().fit(x, labels)
    # Releases of scikit-learn divide by N or by N − 1: the MLE divides by N.
    sizes = [np.trace(np.cov(x[labels == c].T, bias=True)) for c in qda.classes_]
    qda.scalings_ = [s * size / s.sum() for s, size in zip(qda.scalings_, sizes)]
    np.testing.assert_allclose(found.predict_proba(x), qda.predict_proba(x), rtol=1e-6, atol=1e-12)
    assert (found.predict(x) == qda.predict(x)).all()


def test_bic_of_gaussians_written_out(wine):
    x, labels = wine
    found = bg.fit_classifier(x, labels, model="gaussians", covariance_types=["EEE", "VVV"], progress=False)
    (n, d), classes = x.shape, np.unique(labels)
    own = [np.cov(x[labels == c].T, bias=True) for c in classes]
    pooled = sum((labels == c).sum() * s for c, s in zip(classes, own)) / n
    for code, covariances, free in (("EEE", [pooled] * 3, 21), ("VVV", own, 3 * 21)):
        height = sum(multivariate_normal(x[labels == c].mean(axis=0), s).logpdf(x[labels == c]).sum()
                     for c, s in zip(classes, covariances))  # fmt: skip
        row = found.tried.set_index("covariance_type").loc[code]
        assert row["log_likelihood"] == pytest.approx(height, rel=1e-10)
        assert row["bic"] == pytest.approx(-2 * height + (3 * d + free) * np.log(n), rel=1e-10)
    assert found.chosen["covariance_type"].unique().tolist() == [found.tried.iloc[0]["covariance_type"]]


def test_bic_chooses_for_each_class_on_its_own():
    rng = np.random.default_rng(3)
    one = rng.normal(0.0, 1.0, size=(200, 1))
    two = np.concatenate([rng.normal(-6.0, 1.0, size=(100, 1)), rng.normal(6.0, 1.0, size=(100, 1))])
    x, labels = np.concatenate([one, two]), np.repeat([1, 2], 200)
    found = bg.fit_classifier(x, labels, n_components=[1, 2, 3], covariance_types="E", starts=3, seed=0, progress=False)
    assert found.chosen["n_components"].to_dict() == {1: 1, 2: 2}
    alone = bg.select(two, [1, 2, 3], covariance_types="E", starts=3, seed=0, progress=False)
    assert found.tried.loc[2, "bic"].iloc[0] == pytest.approx(alone.best.bic, abs=1e-6)
    # A mixture can be right in the middle and outside, where one Gaussian a class cannot.
    assert found.predict([[0.0], [6.0], [-6.0]]).tolist() == [1, 2, 2]


def test_numbers_by_class():
    x = np.random.default_rng(0).normal(size=(60, 2))
    asked = {"a": 1, "b": [2]}
    found = bg.fit_classifier(x, np.repeat(["a", "b"], 30), n_components=asked, covariance_types="spherical", starts=2,
                              seed=0, progress=False)  # fmt: skip
    assert found.chosen["n_components"].to_dict() == {"a": 1, "b": 2}
    assert [found.mixtures[c].n_components for c in found.classes] == [1, 2]
