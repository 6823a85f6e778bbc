"""The E-step against 60 digits, where doubles run out: far points, small components, ill-conditioned covariances."""

from typing import NamedTuple

import numpy as np
import pytest
from mpmath import mp

from bayesgmm import Mixture
from bayesgmm.kernel import Whitening, e_step

EPS = np.finfo(float).eps
STRUCTURES = ["dense", "shared", "diagonal", "spherical"]
SOURCES = [*(("factors", s) for s in STRUCTURES), ("covariances", "dense"), ("covariances", "shared")]
CONDITIONS = [1e2, 1e5, 1e10]
SEEDS = range(4)


@pytest.fixture(autouse=True)
def sixty_digits():
    with mp.workdps(60):
        yield


class Case(NamedTuple):
    """Rows, the parameters as doubles, and the exact factors that they stand for."""

    x: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray  # (K, D, D), doubles
    covariances: np.ndarray  # (K, D, D), doubles whose exact factors are near ``factors``, not equal to them
    structure: str

    def mixture(self, source="factors"):
        if source == "covariances":
            return Mixture(self.weights, self.means, self.covariances)
        if self.structure in ("diagonal", "spherical"):
            sds = np.diagonal(self.factors, axis1=1, axis2=2)
            return Mixture.from_whitening(self.weights, self.means, Whitening.of(sds))
        return Mixture.from_scale_trils(self.weights, self.means, self.factors)

    def exact_factors(self, source="factors"):
        if source == "covariances":
            return [mp.cholesky(exactly(c)) for c in self.covariances]
        return [exactly(f) for f in self.factors]


def exactly(array):
    return mp.matrix([[mp.mpf(float(v)) for v in row] for row in array])


def random_case(seed, structure, condition, d=None, k=None):
    """Components in every scale and place; from each, a row one sd away and a row forty away, in its own metric."""
    rng = np.random.default_rng([seed, STRUCTURES.index(structure)])
    d, k = d or int(rng.integers(1, 11)), k or int(rng.integers(1, 5))
    scales = 10.0 ** (rng.choice([0.0, 1.0, 6.0]) * rng.uniform(-1, 1, k))
    spreads = np.geomspace(1, 1 / condition, d)
    if structure in ("dense", "shared"):
        turns = np.linalg.qr(rng.normal(size=(k, d, d)))[0]
        if structure == "shared":
            turns, scales = np.repeat(turns[:1], k, axis=0), np.repeat(scales[:1], k)
    else:
        turns = np.repeat(np.eye(d)[None], k, axis=0)
        spreads = np.ones(d) if structure == "spherical" else spreads
    covariances = (turns * (spreads * scales[:, None, None] ** 2)) @ turns.swapaxes(1, 2)
    covariances = np.tril(covariances) + np.tril(covariances, -1).swapaxes(1, 2)
    factors = np.array([np.array(mp.cholesky(exactly(c)).tolist(), dtype=float) for c in covariances])
    # Means a few sd of the first component apart, along its axes or in its own metric, up to 1e8 sd from the origin.
    steps = rng.normal(size=(k, d)) * rng.choice([0.3, 3.0])
    steps = steps @ factors[0].T if rng.integers(2) else steps * scales[0]
    means = steps + rng.choice([0.0, 1e4, 1e8]) * scales[0] * rng.normal(size=d)
    away = rng.normal(size=(2, k, d))
    away *= np.array([1.0, 40.0])[:, None, None] / np.linalg.norm(away, axis=2, keepdims=True)
    x = means + np.einsum("kij,nkj->nki", factors, away)
    return Case(x.reshape(-1, d), rng.dirichlet(np.full(k, 2.0)), means, factors, covariances, structure)


def solve(factor, row, mean):
    z = []
    for i in range(len(row)):
        rest = sum((factor[i, j] * z[j] for j in range(i)), mp.mpf(0))
        z.append((mp.mpf(float(row[i])) - mp.mpf(float(mean[i])) - rest) / factor[i, i])
    return z


def true_values(case, source="factors"):
    """log p as 60-digit numbers, and responsibilities rounded to doubles."""
    factors = case.exact_factors(source)
    norms = [sum((mp.log(f[i, i]) for i in range(f.rows)), f.rows * mp.log(2 * mp.pi) / 2) for f in factors]
    weights = [mp.log(mp.mpf(float(w))) for w in case.weights]
    log_prob, responsibilities = [], []
    for row in case.x:
        parts = zip(weights, norms, factors, case.means, strict=True)
        joint = [w - norm - mp.fsum(v * v for v in solve(f, row, m)) / 2 for w, norm, f, m in parts]
        total = mp.log(mp.fsum(mp.exp(j - max(joint)) for j in joint)) + max(joint)
        log_prob.append(total)
        responsibilities.append([float(mp.exp(j - total)) for j in joint])
    return log_prob, np.array(responsibilities)


def relative_errors(log_prob, true):
    return np.array([float(abs(mp.mpf(float(a)) - b) / max(1, abs(b))) for a, b in zip(log_prob, true, strict=True)])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize(("source", "structure"), SOURCES)
def test_log_densities_to_ten_digits_and_responsibilities_to_ten_decimals(source, structure, condition, seed):
    # Forward substitution is backward stable: z has a relative error of some D eps √cond at worst, which at a condition
    # number of 1e10 is 2e-11 D. A correctly rounded factor adds as much.
    case = random_case(seed, structure, condition)
    log_prob, _, r = e_step(case.x, case.mixture(source), responsibilities=True)
    true, true_r = true_values(case, source)
    assert relative_errors(log_prob, true).max() <= 1e-10
    near = np.array([abs(v) <= 1e5 for v in true])
    assert np.abs(r - true_r)[near].max(initial=0.0) <= 1e-10
    assert np.abs(r.sum(axis=1) - 1).max() <= 8 * EPS and (r >= 0).all()


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("structure", ["dense", "shared"])
def test_responsibilities_where_two_far_components_tie(structure, condition):
    # r changes by a quarter of what log p(x, 1) − log p(x, 2) is off by. Forward substitution in doubles alone would
    # lose D eps √cond of |log p|, 1e-5 at worst here; what is left is the rounding of two numbers of the size of log p.
    rng = np.random.default_rng(int(np.log10(condition)))
    for separation in (20.0, 80.0, 250.0, 600.0):
        case = random_case(int(separation), structure, condition, d=6, k=2)
        along = case.factors[0] @ rng.normal(size=6) * separation / np.sqrt(6)
        case = case._replace(means=case.means[:1] + np.array([np.zeros(6), along]))
        if structure == "dense":
            twist = np.eye(6) + np.tril(0.01 * rng.normal(size=(6, 6)))
            case = case._replace(factors=np.array([case.factors[0], case.factors[0] @ twist]))
        case = case._replace(x=tie(case.mixture()))
        log_prob, _, r = e_step(case.x, case.mixture(), responsibilities=True)
        true, true_r = true_values(case)
        assert 1e-6 < true_r.min()
        assert np.abs(r - true_r).max() <= 1e-10
        assert relative_errors(log_prob, true).max() <= 1e-10


def tie(mixture):
    """A row between two means at which the components' densities are as good as equal."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        first = mixture.predict(mixture.means[:1] + middle * np.diff(mixture.means, axis=0))[0] == 0
        low, high = (middle, high) if first else (low, middle)
    return mixture.means[:1] + low * np.diff(mixture.means, axis=0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("structure", STRUCTURES)
def test_statistics_are_the_sums_that_the_responsibilities_make(structure, condition, seed):
    # L z = x − μ holds to D eps |L| |z| an element, whatever the condition; so do weighted sums of it, where squares
    # are in question with the largest |z|² in place of |z|. A mean is rounded once more, to eps |x̄|.
    case = random_case(seed, structure, condition)
    _, stats, r = e_step(case.x, case.mixture(), responsibilities=True)
    n, d = case.x.shape
    x, wide = case.x.astype(np.longdouble), r.astype(np.longdouble)
    counts = wide.sum(axis=0)
    np.testing.assert_allclose(stats.counts, counts.astype(float), rtol=n * EPS)
    for k in np.flatnonzero(stats.counts > 1e-100):
        size = np.linalg.norm(case.factors[k], 2)
        square = float(sum(w * sum(v * v for v in solve(exactly(case.factors[k]), row, case.means[k]))
                           for w, row in zip(r[:, k], case.x, strict=True))) / stats.counts[k]  # fmt: skip
        mean = (wide[:, k] @ x) / counts[k]
        slack = 4 * (n + d) * EPS
        assert np.linalg.norm(stats.means[k] - mean) <= slack * (size * np.sqrt(square) + np.linalg.norm(case.means[k]))
        gap = x - mean
        scatter = (gap * wide[:, k : k + 1]).T @ gap
        if structure in ("diagonal", "spherical"):
            scatter = scatter * np.eye(d)
        assert np.linalg.norm((stats.scatters[k] - scatter).astype(float)) <= slack * size**2 * square * stats.counts[k]


@pytest.mark.filterwarnings("ignore:(overflow|invalid)")  # the scatter of such rows is beyond the largest double
@pytest.mark.parametrize("distance", [1e10, 1e155, 1e300])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_however_far_a_row_is_nothing_overflows(structure, distance):
    case = random_case(1, structure, 1e5, d=4, k=3)
    far = distance * np.random.default_rng(0).choice([-1.0, 1.0], size=(20, 4))
    log_prob, stats, r = e_step(np.vstack([case.x, far]), case.mixture(), responsibilities=True)
    assert np.isfinite(log_prob).all() and (log_prob[len(case.x) :] < -1e15).all()
    assert np.isfinite(r).all() and np.abs(r.sum(axis=1) - 1).max() <= 8 * EPS
    assert np.isfinite(stats.counts).all()
    np.testing.assert_array_equal(log_prob[: len(case.x)], e_step(case.x, case.mixture())[0])
    if distance <= 1e155:
        log_prob = e_step(far, case.mixture())[0]
        true = true_values(case._replace(x=far))[0]
        held = np.array([abs(v) < 1e300 for v in true])
        assert (
            relative_errors(log_prob[held], [v for v, kept in zip(true, held, strict=True) if kept]).max(initial=0)
            <= 1e-10
        )


@pytest.mark.parametrize("gap", [60.0, 68.0, 75.0])
def test_what_is_below_two_to_the_minus_hundred_of_the_largest_counts_as_zero(gap):
    mixture = Mixture([0.5, 0.5], [[0.0], [gap]], np.ones((2, 1, 1)))
    # At x the log densities differ by gap (gap / 2 − x); take 69 and 70 nats on either side of 100 log 2 = 69.3.
    for difference, kept in ((69.0, True), (70.0, False)):
        r = mixture.responsibilities([[0.5 * gap - difference / gap]])[0]
        assert (r[1] > 0) == kept and abs(r[1] - np.exp(-difference)) < 1e-29
