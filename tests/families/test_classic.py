"""Covariance families: their M-steps maximise what they say, among their own kind."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import invgamma, invwishart

from bayesgmm.families import WITH_PRIORS as FAMILIES
from bayesgmm.families import family
from bayesgmm.kernel import Stats

MCLUST = json.loads((Path(__file__).parents[1] / "reference" / "faithful_mclust.json").read_text())
FEW = settings(max_examples=10, derandomize=True, deadline=None)
SEEDS = st.integers(0, 10_000)
EACH = pytest.mark.parametrize("kind", FAMILIES, ids=lambda f: f.alias)


def random_stats(rng, k=3, d=2):
    x = rng.normal(size=(60, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    return Stats.of(x, rng.dirichlet(np.full(k, 0.5), size=60) + 0.01)


def expected_log_joint(covariances, stats):
    """Q as a function of Σ at μ = x̄: −½ Σ_k [N_k log|Σ_k| + tr Σ_k⁻¹ S_k] and a constant."""
    trace = np.trace(np.linalg.solve(covariances, stats.scatters), axis1=1, axis2=2)
    return float(-0.5 * (stats.counts * np.linalg.slogdet(covariances)[1] + trace).sum())


def neighbours(alias, covariances, rng, size):
    """Other covariances of the same structure, made without the package's help."""
    k, d = covariances.shape[:2]
    if alias == "full":
        turn = np.eye(d) + size * rng.normal(size=(k, d, d))
        return turn @ covariances @ turn.swapaxes(1, 2)
    if alias == "tied":
        turn = np.eye(d) + size * rng.normal(size=(d, d))
        return np.repeat((turn @ covariances[0] @ turn.T)[None], k, axis=0)
    shape = (k, d) if alias == "diag" else (k, 1)
    return covariances * np.exp(size * rng.normal(size=shape))[:, :, None] * np.eye(d)


def conjugate_log_prior(alias, covariances, dof, scale):
    d = len(scale)
    if alias == "full":
        return sum(invwishart(dof, scale).logpdf(c) for c in covariances)
    if alias == "tied":
        return invwishart(dof, scale).logpdf(covariances[0])
    variances = np.diagonal(covariances, axis1=1, axis2=2)
    if alias == "diag":
        return invgamma(dof / 2, scale=np.diag(scale) / 2).logpdf(variances).sum()
    return invgamma(dof / 2, scale=np.trace(scale) / (2 * d)).logpdf(variances[:, 0]).sum()


@EACH
@FEW
@given(SEEDS)
def test_m_step_cannot_be_bettered(kind, seed):
    rng = np.random.default_rng(seed)
    stats = random_stats(rng)
    best = kind.m_step(stats.scatters, stats.counts)
    top = expected_log_joint(best, stats)
    for size in (1e-3, 0.05, 0.5):
        for _ in range(5):
            assert expected_log_joint(neighbours(kind.alias, best, rng, size), stats) <= top + 1e-10 * abs(top)


@EACH
@FEW
@given(SEEDS)
def test_conjugate_mode_cannot_be_bettered(kind, seed):
    rng = np.random.default_rng(seed)
    stats, dof, scale = random_stats(rng), 4.5, np.array([[2.0, 0.3], [0.3, 1.0]])
    best = kind.conjugate_mode(stats.scatters, stats.counts, dof, scale)

    def objective(covariances):
        # The prior of the means, at its best μ_k, leaves −½ log|Σ_k| for every component.
        means = -0.5 * np.linalg.slogdet(covariances)[1].sum()
        return expected_log_joint(covariances, stats) + means + conjugate_log_prior(kind.alias, covariances, dof, scale)

    top = objective(best)
    for size in (1e-3, 0.05, 0.5):
        for _ in range(5):
            assert objective(neighbours(kind.alias, best, rng, size)) <= top + 1e-10 * abs(top)


@EACH
def test_the_results_have_their_structure(kind):
    stats = random_stats(np.random.default_rng(0), k=3, d=4)
    for result in (kind.m_step(stats.scatters, stats.counts),
                   kind.conjugate_mode(stats.scatters, stats.counts, 6.0, np.eye(4))):  # fmt: skip
        assert result.shape == (3, 4, 4)
        if kind.alias in ("diag", "spherical"):
            np.testing.assert_array_equal(result, result * np.eye(4))
        if kind.alias == "spherical":
            np.testing.assert_array_equal(result, result[:, :1, :1] * np.eye(4))
        if kind.alias == "tied":
            np.testing.assert_array_equal(result, result[[0, 0, 0]])
        whitening = kind.whitening(result)
        factors = np.broadcast_to(whitening.scale_trils, result.shape)
        np.testing.assert_allclose(factors @ factors.swapaxes(1, 2), result, rtol=1e-12, atol=1e-12)
        assert whitening.is_diagonal == (kind.alias in ("diag", "spherical"))


@EACH
def test_log_density_is_scipys_with_every_constant(kind):
    scale = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.0], [0.1, 0.0, 0.5]])
    stats = random_stats(np.random.default_rng(1), k=2, d=3)
    covariances = kind.m_step(stats.scatters, stats.counts)
    expected = conjugate_log_prior(kind.alias, covariances, 5.5, scale)
    np.testing.assert_allclose(kind.log_conjugate(covariances, 5.5, scale), expected, rtol=1e-11)


@EACH
def test_parameters_are_counted_as_mclust_counts_them(kind):
    for k, total in MCLUST["npar"][kind.code].items():
        assert int(k) - 1 + 2 * int(k) + kind.n_parameters(int(k), 2) == total


@EACH
def test_a_covariance_without_volume_has_no_whitening(kind):
    flat = np.zeros((2, 2, 2))
    flat[:, 0, 0] = 0.0 if kind.alias == "spherical" else 1.0
    with pytest.raises(np.linalg.LinAlgError):
        kind.whitening(flat)


def test_families_are_looked_up_by_name_code_or_value():
    codes = {"full": "VVV", "tied": "EEE", "diag": "VVI", "spherical": "VII"}
    for alias, code in codes.items():
        assert family(alias) is family(code) is family(family(alias))
        assert (family(alias).alias, family(alias).code) == (alias, code)
    for wrong in ("round", None, 3, "Full"):
        with pytest.raises(ValueError, match="'full', 'tied', 'diag', 'spherical'"):
            family(wrong)
