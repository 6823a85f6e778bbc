"""Quasi-Newton EM in compiled code: against Python's loop, mclust, and the laws of EM."""

import json
import os
from dataclasses import replace
from functools import cache
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.families import ANY_MAP, EACH_SCALE, FAMILIES, ROTATION, family
from bayesgmm.fit.climbs import climb_from, paths_from
from bayesgmm.fit.compiled import is_compiled
from bayesgmm.fit.em import Likelihood, Posterior, climb, em
from bayesgmm.fit.starts import start_statistics
from bayesgmm.kernel import Stats, e_step, set_threads, threads

EVERY = pytest.mark.parametrize("code", [f.code for f in FAMILIES])
FEATURES = ("a", "b")
REFS = Path(os.environ.get("BAYESGMM_REFERENCES", Path(__file__).parents[2].parent / "shared" / "refs"))


@cache
def faithful():
    return bg.load_dataset("faithful").to_numpy(dtype=float)


def target_of(code, prior=None, x=None, k=2):
    kind = family(code)
    if prior is None:
        return Likelihood(kind, FEATURES)
    return Posterior(kind, FEATURES, bg.scale_prior(prior, faithful() if x is None else x, k, covariance_type=kind))


def starts(x, k, n=2, seed=0):
    return list(start_statistics(x, k, n, np.random.default_rng(seed)))


@EVERY
@pytest.mark.parametrize("prior", [None, "conjugate", bg.Conjugate.mclust()], ids=["mle", "conjugate", "mclust"])
@pytest.mark.parametrize("k", [1, 2])
def test_it_ends_where_pythons_loop_does(code, prior, k):
    x, target = faithful(), target_of(code, prior, k=k)
    begin = starts(x, k)
    for stats, found in zip(begin, climb_from(x, begin, target, tolerance=1e-8), strict=True):
        step, history, converged = climb(x, target.update(stats), target)
        assert converged and found.converged and found.note == ""
        assert abs(found.objective - step.objective) < 1e-7
        np.testing.assert_allclose(found.mixture.means, step.mixture.means, rtol=1e-4)
        np.testing.assert_allclose(found.log_likelihood, e_step(x, found.mixture)[0].sum(), rtol=1e-12)
        expected = found.log_likelihood + target.log_prior(found.mixture)
        np.testing.assert_allclose(found.objective, expected, rtol=1e-12)


@EVERY
def test_it_takes_the_steps_of_pythons_loop(code):
    x, target = faithful(), target_of(code)
    begin = starts(x, 3, 1)
    ((_, history),) = paths_from(x, begin, target, tolerance=1e-8, most=25)
    steps = list(islice(em(x, target.update(begin[0]), target), len(history)))
    own = [step.objective for step in takewhile(lambda step: not step.accelerated, steps)]
    assert len(own) > 2
    if code in ("EVE", "VVE"):  # compiled M-steps turn shared axes a part of the way: they rise less, but rise
        assert history[0] == pytest.approx(own[0], rel=1e-10) and (np.diff(history) > -1e-9).all()
        return
    np.testing.assert_allclose(history[: len(own)], own, rtol=1e-10)
    # Quasi-Newton steps magnify rounding on the way.
    assert np.abs(np.subtract(history, [step.objective for step in steps])).max() < 0.5


@EVERY
def test_the_objective_never_falls(code):
    rng = np.random.default_rng(4)
    for k, d in ((3, 2), (2, 4)):
        x = rng.normal(size=(150, d)) @ rng.normal(size=(d, d)) + 3 * rng.integers(2, size=(150, 1))
        target = Likelihood(family(code), tuple(f"x{j}" for j in range(d)))
        for found, history in paths_from(x, starts(x, k, 3), target, tolerance=1e-8, most=2000):
            if found.mixture is not None:
                assert (np.diff(history) >= -1e-12 * (abs(history[-1]) + len(x))).all()
                assert history[-1] == found.objective and found.n_iter == len(history) - 1


@EVERY
def test_a_looser_tolerance_leaves_no_more_than_it_says(code):
    x, target = faithful(), target_of(code)
    begin = starts(x, 3, 3)
    for rough in climb_from(x, begin, target, tolerance=1e-3):
        if rough.mixture is not None and rough.converged:
            step, _, _ = climb(x, rough.mixture, target)
            # Newton's decrement is twice what is left; its estimate may be off by the curvature it has not seen.
            assert step.objective - rough.objective < 5e-3


MAPS = {
    ROTATION: 37.0 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]]),
    EACH_SCALE: np.diag([1e-6, 1e5]),
    ANY_MAP: np.array([[1e-3, 2e-4], [-40.0, 25.0]]),
}


@EVERY
@pytest.mark.parametrize("prior", [None, "conjugate"])
def test_maps_that_keep_the_family_carry_the_climb_along(code, prior):
    x, kind = faithful(), family(code)
    allowed = {ROTATION: [ROTATION], EACH_SCALE: [EACH_SCALE], ANY_MAP: [ROTATION, EACH_SCALE, ANY_MAP]}
    for name in allowed[kind.units]:
        turn, shift = MAPS[name], np.array([3.0, -2e4])
        y = x @ turn.T + shift
        begin = starts(x, 3)
        moved = [Stats(s.counts, s.means @ turn.T + shift, turn @ s.scatters @ turn.T) for s in begin]
        target = target_of(code, prior, x, 3)
        plain = climb_from(x, begin, target, tolerance=1e-8)
        if prior:
            p = target.prior
            p = replace(p, mean=turn @ p.mean + shift, scale=turn @ p.scale @ turn.T)
            target = Posterior(kind, FEATURES, p)
        mapped = climb_from(y, moved, target, tolerance=1e-8)
        jacobian = len(x) * np.log(abs(np.linalg.det(turn)))
        for one, other in zip(plain, mapped, strict=True):
            assert one.converged and other.converged
            # Under a prior it is the posterior density that has its maximum there.
            close = 1e-7 if prior else 1e-8
            np.testing.assert_allclose(other.log_likelihood + jacobian, one.log_likelihood, rtol=close)
            np.testing.assert_array_equal(other.mixture.predict(y), one.mixture.predict(x))


@EVERY
def test_a_case_weight_is_a_number_of_rows(code):
    x, times = faithful(), np.random.default_rng(0).integers(0, 4, size=len(faithful()))
    begin = starts(x, 2)
    weighted = climb_from(x, begin, target_of(code), case_weights=times.astype(float), tolerance=1e-8)
    repeated = climb_from(np.repeat(x, times, axis=0), begin, target_of(code), tolerance=1e-8)
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one.log_likelihood, other.log_likelihood, rtol=1e-10)


def test_a_climb_depends_on_nothing_but_its_own_start():
    x, before, begin = faithful(), threads(), starts(faithful(), 3, 4)
    try:
        set_threads(1)
        one = climb_from(x, begin, target_of("VEV"))
        set_threads(2)
        two = climb_from(x, begin[::-1], target_of("VEV"))[::-1]
    finally:
        set_threads(before)
    for a, b in zip(one, two, strict=True):
        assert a.log_likelihood == b.log_likelihood and (a.mixture.means == b.mixture.means).all()


def test_what_collapses_is_said():
    x = np.array([[0.0, 0.0], [0.1, 0.3], [0.2, 0.1], [5.0, 4.0], [5.0, 4.0], [9.0, 1.0], [8.5, 1.2], [9.1, 2.0]])
    stats = Stats.of(x, np.repeat(np.eye(3), [3, 2, 3], axis=0))
    for code in ("VVV", "VVI", "VII", "EVV", "VVE"):
        (found,) = climb_from(x, [stats], target_of(code))
        assert found.mixture is None and "collapsed" in found.note and np.isnan(found.log_likelihood)
        assert not found.converged


def test_what_compiled_code_cannot_take_goes_another_way():
    x = faithful()
    begin = starts(x, 2)
    single, holes = x.astype(np.float32), x.copy()
    holes[3, 1] = np.nan
    assert not is_compiled(single, target_of("VEI"))
    found = climb_from(single, begin, target_of("VEI"))
    exact = climb_from(single.astype(float), begin, target_of("VEI"))
    np.testing.assert_allclose(found[0].log_likelihood, exact[0].log_likelihood, atol=1e-3)
    fit = bg.fit_mle(holes, 2, covariance_type="VEI", missing="marginalise", starts=2, seed=0, progress=False)
    assert fit.converged
    independent = target_of("EEV", "independent")
    assert not is_compiled(x, independent)
    assert climb_from(x, begin, independent)[0].converged


def test_a_weight_that_goes_to_zero_under_a_prior_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    counts = np.array([38.0, 1e-3])
    stats = Stats(counts, np.array([[0.0, 0.0], [30.0, 30.0]]), counts[:, None, None] * np.eye(2))
    (found,) = climb_from(x, [stats], target_of("VVV", "conjugate", x, 2), tolerance=1e-8)
    assert found.converged and np.isfinite(found.objective)


# ---- mclust


def reference(name):
    path = REFS / "mclust" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not here; set BAYESGMM_REFERENCES to the folder of reference results")
    said = json.loads(path.read_text())
    header, *rows = (REFS / "data" / f"{name}.csv").read_text().strip().splitlines()
    columns = [c.strip('"') for c in header.split(",")]
    at = [columns.index(f) for f in said["features"]]
    return said, np.array([[float(row.split(",")[i]) for i in at] for row in rows])


@pytest.mark.parametrize("name", ["faithful", "iris", "thyroid", "wine", "diabetes", "galaxies", "acidity", "enzyme"])
def test_mclusts_selected_model_polished_has_our_parameters(name):
    said, x = reference(name)
    best, theirs = said["selected"], said["selected_polished_em_tol1e13"]
    target = Likelihood(family(best["model"], x.shape[1]), tuple(said["features"]))
    k, d = best["G"], x.shape[1]
    shapes = {"weights": (k,), "means": (k, d), "covariances": (k, d, d)}
    rough = bg.Mixture(*(np.reshape(best["parameters"][name], shape) for name, shape in shapes.items()))
    (found,) = climb_from(x, [e_step(x, rough)[1]], target, tolerance=1e-8)
    assert found.converged
    if name == "wine":
        # Its VVE ends at axes that its own M-step does not leave, but where Q has no maximum, and its log-likelihood
        # falls on the way there, from -3015.33 to -3015.45. Any step in earnest leads higher.
        assert best["model"] == "VVE" and theirs["loglik"] < best["loglik"] < found.log_likelihood - 4
        return
    np.testing.assert_allclose(found.log_likelihood, theirs["loglik"], atol=1e-4)
    parameters = theirs["parameters"]
    for ours, name in ((found.mixture.weights, "weights"), (found.mixture.means, "means"),
                       (found.mixture.covariances, "covariances")):  # fmt: skip
        expected = np.reshape(parameters[name], ours.shape)
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["faithful", "thyroid", "wine"])
def test_from_mclusts_labels_we_are_at_least_as_high(name):
    said, x = reference(name)
    cells = [*said["fixed"].values(), said["selected"]]
    for cell in cells:
        target = Likelihood(family(cell["model"], x.shape[1]), tuple(said["features"]))
        begin = Stats.of(x, np.eye(cell["G"])[np.unique(cell["classification"], return_inverse=True)[1]])
        (found,) = climb_from(x, [begin], target, tolerance=1e-8)
        assert found.log_likelihood >= cell["loglik"] - 1e-4, (name, cell["model"], cell["G"])
