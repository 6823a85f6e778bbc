"""The fourteen families: M-steps that cannot be bettered, penalties, what mclust counts, and names."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.optimize import minimize

import bayesgmm as bg
from bayesgmm.families import ANY_MAP, EACH_SCALE, FAMILIES, ROTATION, UNIVARIATE, WITH_PRIORS, family
from bayesgmm.families.coordinates import Coordinates
from bayesgmm.kernel import Stats

REFERENCE = Path(__file__).parents[1] / "reference"
CODES = "EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV".split()
NEW = [code for code in CODES if code not in ("VII", "VVI", "EEE", "VVV")]
EVERY = pytest.mark.parametrize("code", CODES)
FEW = settings(max_examples=8, derandomize=True, deadline=None)
SEEDS = st.integers(0, 10_000)
SCALE = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.0], [0.1, 0.0, 0.5]])


def random_stats(rng, k=3, d=3, n=60):
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    return Stats.of(x, rng.dirichlet(np.full(k, 0.5), size=n) + 0.01)


def expected_log_joint(covariances, scatters, counts):
    """Q as a function of Σ: −½ Σ_k [N_k log|Σ_k| + tr Σ_k⁻¹ S_k]."""
    trace = np.trace(np.linalg.solve(covariances, scatters), axis1=1, axis2=2)
    return float(-0.5 * (counts * np.linalg.slogdet(covariances)[1] + trace).sum())


def decomposed(code, covariances):
    """Volumes (K,), values of shapes (K, D) and axes (K, D, D) as columns, made without the package's help."""
    k, d = covariances.shape[:2]
    volumes = np.exp(np.linalg.slogdet(covariances)[1] / d)
    shapes = covariances / volumes[:, None, None]
    if code[2] == "I":
        return volumes, np.diagonal(shapes, axis1=1, axis2=2), np.repeat(np.eye(d)[None], k, axis=0)
    if code[2] == "V":
        return volumes, *np.linalg.eigh(shapes)
    # Shared axes: of a sum in which components count differently.
    axes = np.linalg.eigh(np.tensordot(np.linspace(1.0, 2.0, k), shapes, 1))[1]
    return volumes, np.diagonal(axes.T @ shapes @ axes, axis1=1, axis2=2), np.repeat(axes[None], k, axis=0)


def neighbours(code, covariances, rng, size):
    """Other covariances of the same structure."""
    k, d = covariances.shape[:2]
    volumes, values, axes = decomposed(code, covariances)

    def moved(letter, shape):
        each = rng.normal(size=(1 if letter == "E" else k, *shape)) * (0.0 if letter == "I" else size)
        return np.broadcast_to(each, (k, *shape))

    volumes = volumes * np.exp(moved(code[0], ()))
    if code[1] == code[2]:  # any matrix in place of values and axes
        turn = np.array([expm(m) for m in moved(code[1], (d, d))])
        shapes = turn @ (axes * values[:, None, :]) @ axes.mT @ turn.mT
        shapes /= np.exp(np.linalg.slogdet(shapes)[1] / d)[:, None, None]
        return volumes[:, None, None] * shapes
    values = values * np.exp(moved(code[1], (d,)))
    values = values / np.exp(np.log(values).mean(axis=1, keepdims=True))
    axes = axes @ np.array([expm(m - m.T) for m in moved(code[2], (d, d))])
    return (volumes[:, None] * values)[:, None, :] * axes @ axes.mT


@EVERY
@FEW
@given(SEEDS)
def test_m_step_cannot_be_bettered(code, seed):
    rng = np.random.default_rng(seed)
    stats = random_stats(rng)
    best = family(code).m_step(stats.scatters, stats.counts)
    top = expected_log_joint(best, stats.scatters, stats.counts)
    np.testing.assert_allclose(neighbours(code, best, rng, 0.0), best, rtol=1e-8, atol=1e-10)
    for size in (1e-4, 1e-2, 0.3):
        for _ in range(5):
            near = neighbours(code, best, rng, size)
            assert expected_log_joint(near, stats.scatters, stats.counts) <= top + 1e-10 * abs(top)


@pytest.mark.parametrize("code", ["VEI", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV"])
def test_m_step_is_what_a_general_optimiser_finds(code):
    rng = np.random.default_rng(7)
    stats = random_stats(rng, k=2, d=3, n=80)
    kind = family(code)
    best = expected_log_joint(kind.m_step(stats.scatters, stats.counts), stats.scatters, stats.counts)
    found = []
    for _ in range(2):
        begin = kind.m_step(random_stats(rng, k=2, n=80).scatters, stats.counts)
        coordinates = Coordinates(code, begin)

        def cost(v, coordinates=coordinates):
            with np.errstate(all="ignore"):
                covariances = coordinates.at(np.clip(v, -20, 20))  # a line search may go far
                return -expected_log_joint(covariances, stats.scatters, stats.counts)

        found.append(-minimize(cost, np.zeros(coordinates.size), method="BFGS", options={"gtol": 1e-6}).fun)
    assert best >= max(found) - 1e-7 and best - max(found) < 1e-4


@pytest.mark.parametrize("code", ["VEE", "VEI", "EVE", "VVE", "VEV"])
def test_a_search_that_begins_nearby_is_no_worse_than_that(code):
    rng = np.random.default_rng(3)
    for _ in range(10):
        stats, other = random_stats(rng, d=4), random_stats(rng, d=4)
        near = family(code).m_step(other.scatters, other.counts)
        found = family(code).m_step(stats.scatters, stats.counts, near)
        ours, theirs = (expected_log_joint(c, stats.scatters, stats.counts) for c in (found, near))
        assert ours >= theirs


@EVERY
def test_what_maximises_given_a_covariance_is_that_covariance(code):
    rng = np.random.default_rng(5)
    stats = random_stats(rng, d=4)
    known = family(code).m_step(stats.scatters, stats.counts)
    again = family(code).m_step(stats.counts[:, None, None] * known, stats.counts)
    np.testing.assert_allclose(again, known, rtol=1e-9, atol=1e-11)


@EVERY
def test_units_are_as_they_are_said_to_be(code):
    rng, kind = np.random.default_rng(1), family(code)
    stats = random_stats(rng, d=3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    maps = {ROTATION: [3.0 * turn], EACH_SCALE: [np.diag([0.01, 3.0, 200.0])], ANY_MAP: [rng.normal(size=(3, 3))]}
    maps[ANY_MAP] += maps[ROTATION] + maps[EACH_SCALE]
    plain = kind.m_step(stats.scatters, stats.counts)
    for matrix in maps[kind.units]:
        mapped = kind.m_step(matrix @ stats.scatters @ matrix.T, stats.counts)
        np.testing.assert_allclose(mapped, matrix @ plain @ matrix.T, rtol=1e-7, atol=1e-9 * np.abs(matrix).max() ** 2)
    if kind.units != ANY_MAP:
        mapped = kind.m_step(maps[ANY_MAP][0] @ stats.scatters @ maps[ANY_MAP][0].T, stats.counts)
        gap = mapped - maps[ANY_MAP][0] @ plain @ maps[ANY_MAP][0].T
        assert np.abs(gap).max() > 1e-3 * np.abs(mapped).max(), "it is closed under no more than that"


@pytest.mark.parametrize("code", NEW)
@pytest.mark.parametrize("like_mclust", [False, True])
def test_a_penalised_step_cannot_be_bettered(code, like_mclust):
    rng, kind, dof = np.random.default_rng(2), family(code), 5.5
    stats = random_stats(rng)
    best = kind.conjugate_mode(stats.scatters, stats.counts, dof, SCALE, like_mclust=like_mclust)

    def objective(covariances):
        # The prior of the means, at its best μ_k, leaves −½ log|Σ_k| for every component.
        means = -0.5 * np.linalg.slogdet(covariances)[1].sum()
        penalty = kind.log_conjugate(covariances, dof, SCALE, like_mclust)
        return expected_log_joint(covariances, stats.scatters, stats.counts) + means + penalty

    top = objective(best)
    for size in (1e-4, 1e-2, 0.3):
        for _ in range(10):
            assert objective(neighbours(code, best, rng, size)) <= top + 1e-10 * abs(top)


def test_penalties_of_families_with_priors_are_the_kernels_of_these():
    rng = np.random.default_rng(4)
    for kind in WITH_PRIORS:
        one, other = (kind.m_step(s.scatters, s.counts) for s in (random_stats(rng), random_stats(rng)))
        said = kind.log_conjugate(one, 5.5, SCALE) - kind.log_conjugate(other, 5.5, SCALE)
        more, scatter = kind.penalty(3, 5.5, SCALE)
        kernels = [expected_log_joint(c, scatter, more) for c in (one, other)]
        np.testing.assert_allclose(kernels[0] - kernels[1], said, rtol=1e-10)


def test_mclusts_denominators():
    """What its M-steps under `priorControl` divide by (mclust 6.1, ``me*p``), written out family by family."""
    rng = np.random.default_rng(6)
    stats, nu, psi = random_stats(rng), 5.0, 0.7 * np.eye(3)
    s, n, (k, d) = stats.scatters, stats.counts, (3, 3)
    diag = np.diagonal(s, axis1=1, axis2=2)

    def found(code):
        return family(code).conjugate_mode(s, n, nu, psi, like_mclust=True)

    volume = np.trace(s, axis1=1, axis2=2).sum() / (nu + (n.sum() + k) * d + 2)
    np.testing.assert_allclose(found("EII")[0], volume * np.eye(d), rtol=1e-12)
    np.testing.assert_allclose(np.diag(found("EEI")[1]), (0.7 + diag.sum(axis=0)) / (nu + 2 + n.sum()), rtol=1e-12)
    sizes = np.exp(np.log(diag + 0.7).mean(axis=1))
    equal = sizes.sum() / (nu + 2 + n.sum())
    np.testing.assert_allclose(np.diag(found("EVI")[2]), equal * (diag[2] + 0.7) / sizes[2], rtol=1e-12)
    values = np.linalg.eigvalsh(s + psi).sum(axis=0)
    np.testing.assert_allclose(np.linalg.eigvalsh(found("EEV")[0]), values / (nu + d + 2 + n.sum()), rtol=1e-10)
    # VEI and VEV go to and fro between volumes and the shape; where they end, both stay.
    shape = np.exp(np.log(np.diag(found("VEI")[0])) - np.log(np.diag(found("VEI")[0])).mean())
    volumes = ((diag + 0.7) / shape).sum(axis=1) / (nu + 3 + d * n)
    np.testing.assert_allclose(np.diagonal(found("VEI"), axis1=1, axis2=2), volumes[:, None] * shape, rtol=1e-8)
    omega, values = np.linalg.eigvalsh(s + psi), np.linalg.eigvalsh(found("VEV"))
    shape = values[0] / np.exp(np.log(values[0]).mean())
    np.testing.assert_allclose(values, ((omega / shape).sum(axis=1) / (d * n))[:, None] * shape, rtol=1e-8)


@cache
def counted():
    return json.loads((REFERENCE / "mclust_npar.json").read_text())


@EVERY
def test_parameters_are_counted_as_mclust_counts_them(code):
    for name, (d, npar) in counted().items():
        for k, total in npar[code].items():
            k = int(k)
            assert k - 1 + d * k + family(code).n_parameters(k, d) == total, name


@EVERY
def test_coordinates_are_free_and_lead_nowhere_else(code):
    rng = np.random.default_rng(8)
    stats = random_stats(rng, d=3)
    here = family(code).m_step(stats.scatters, stats.counts)
    coordinates = Coordinates(code, here)
    if code in ("EII", "VII"):
        return
    assert coordinates.size == family(code).n_parameters(3, 3)
    np.testing.assert_allclose(coordinates.at(np.zeros(coordinates.size)), here, rtol=1e-12, atol=1e-12)
    there = coordinates.at(0.2 * rng.normal(size=(4, coordinates.size)))
    for covariances in there:
        again = family(code).m_step(stats.counts[:, None, None] * covariances, stats.counts)
        np.testing.assert_allclose(again, covariances, rtol=1e-7, atol=1e-9)
    slopes = [(coordinates.at(h) - coordinates.at(-h)).ravel() for h in 1e-5 * np.eye(coordinates.size)]
    assert np.linalg.matrix_rank(np.array(slopes), tol=1e-8) == coordinates.size


def test_one_feature_has_a_volume_and_nothing_else():
    rng = np.random.default_rng(9)
    stats = random_stats(rng, d=1)
    equal, varying = (kind.m_step(stats.scatters, stats.counts) for kind in UNIVARIATE)
    for code in CODES:
        expected = equal if code[0] == "E" else varying
        np.testing.assert_allclose(family(code).m_step(stats.scatters, stats.counts), expected, rtol=1e-12)
        assert family(code, 1).n_parameters(3, 1) == (1 if code[0] == "E" else 3)
    assert [family(code, 1).code for code in ("E", "EVI", "VEV", "EEE", "VVI")] == ["E", "E", "V", "EEE", "VVI"]
    with pytest.raises(ValueError, match="'E' is for one feature, and x has 2: use EII, EEI or EEE"):
        family("E", 2)
    with pytest.raises(ValueError, match="'V' is for one feature, and x has 2: use VII, VVI or VVV"):
        bg.fit_mle(np.random.default_rng(0).normal(size=(20, 2)), 2, covariance_type="V")


def test_names_are_case_sensitive_and_listed():
    assert [f.code for f in FAMILIES] == CODES
    assert [family(code).alias for code in ("VVV", "EEE", "VVI", "VII", "VEI")] == [
        "full", "tied", "diag", "spherical", "VEI"]  # fmt: skip
    for wrong in ("vei", "VEE ", "EIV", 3, None):
        with pytest.raises(ValueError, match="EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV; E or V"):
            family(wrong)


def test_stories_name_the_four_that_they_can_tell():
    from bayesgmm.models import finite_mixture

    x = np.random.default_rng(0).normal(size=(20, 2))
    for prior in ("conjugate", "independent", "hierarchical", "lkj"):
        with pytest.raises(ValueError, match="'VEI' has no prior to sample from: use 'full', 'tied', 'diag' or 'sphe"):
            finite_mixture(x, 2, covariance_type="VEI", prior=prior)
    with pytest.raises(ValueError, match="'EVE' has a penalty but no prior to draw from"):
        bg.scale_prior("conjugate", x, 2).draw(3, 2, family("EVE"))


def test_descriptions_say_what_is_equal():
    said = {f.code: f.description for f in FAMILIES}
    assert said["EII"] == "spherical: equal volume"
    assert said["VVE"] == "ellipsoidal: varying volume, varying shape, equal orientation"
    assert len(set(said.values())) == 14
