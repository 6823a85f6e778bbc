"""The census of starts: ends that are one mode are told as one, with how high it is, how often, and from where."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.fit.census import End, apart, gather, told
from bayesgmm.fit.degenerate import Degeneracy

FAITHFUL = bg.load_dataset("faithful").to_numpy(dtype=float)
LEFT, RIGHT = [[0.0, 0.0], [5.0, 0.0]], [[0.0, 0.0], [5.5, 0.0]]


def mixture(means=LEFT, weights=(0.5, 0.5), sd=1.0):
    return bg.Mixture(weights, means, [np.eye(2), sd**2 * np.eye(2)])


def end(objective, m=None, kind="random", wrong=None):
    return End(kind, m or mixture(), objective, objective, 5, True, degeneracy=wrong)


def gathered(*ends, n_obs=100.0):
    return gather(list(ends), n_obs, 5.0, lambda covariances: np.linalg.eigvalsh(covariances)[:, 0])


# ---- which ends are one mode


def test_labels_do_not_tell_modes_apart():
    of_end, modes = gathered(end(-10.0), end(-10.0 - 1e-6, mixture().permute([1, 0]), kind="kmeans++"))
    assert of_end == [0, 0] and len(modes) == 1
    assert modes[0].kinds == {"random": 1, "kmeans++": 1} and modes[0].n_starts == 2


def test_height_and_parameters_both_tell_modes_apart():
    of_end, modes = gathered(end(-10.0), end(-12.0), end(-10.0, mixture(RIGHT)), end(-10.0))
    assert of_end == [0, 2, 1, 0] and [m.objective for m in modes] == [-10.0, -10.0, -12.0]


def test_collapsed_ends_are_in_no_mode_and_degenerate_ones_come_last():
    wrong = Degeneracy(1, True, 2.0, np.array([3, 4]), 2, 1e-9, 1e8, "")
    lost = End("random", None, np.nan, np.nan, 0, False, "collapsed")
    of_end, modes = gathered(end(-5.0, wrong=wrong), lost, end(-10.0))
    assert of_end == [1, -1, 0]
    assert [m.is_degenerate for m in modes] == [False, True] and "component 1 collapsed" in modes[1].doubt
    text = told(modes, modes[0].mixture, ["", "", ""])
    assert text == "1 of 3 starts reached this mode\n  others ended: 2 starts degenerate"


@pytest.mark.parametrize("n_obs", [50.0, 5000.0])
def test_the_distance_is_that_of_the_information_with_labels_known(n_obs):
    # One mean moved by δ: N π δ² / σ²; a standard deviation times 1 + ε in both features: about N π 2 · ½ · (2 ε)².
    a = mixture()
    assert apart(a, mixture(RIGHT), n_obs) == pytest.approx(n_obs * 0.5 * 0.25)
    assert apart(a, mixture(sd=1.001), n_obs) == pytest.approx(n_obs * 0.5 * 0.002**2, rel=0.01)
    assert apart(a, a, n_obs) == 0.0


# ---- doubts


def test_one_start_alone_in_a_small_or_thin_component_is_near_spurious():
    small, thin = mixture(weights=(0.95, 0.05)), mixture(sd=0.005)
    for m, why in ((small, "component 1 has about 5.0 rows"), (thin, "component 1 is thin (2.5e-05")):
        (mode,) = gathered(end(-1.0, m))[1]
        assert mode.doubt.startswith("near-spurious: one start alone came here, and ") and why in mode.doubt
        (mode,) = gathered(end(-1.0, m), end(-1.0, m))[1]
        assert mode.doubt == ""
    assert gathered(end(-1.0))[1][0].doubt == ""


def test_a_thin_component_of_many_rows_is_there():
    assert gathered(end(-1.0, mixture(sd=0.005)), n_obs=1000)[1][0].doubt == ""


def test_mass_prefers_full_components_where_heights_are_equal():
    _, modes = gathered(end(-1.0, mixture(weights=(0.9, 0.1))), end(-1.0))
    even, uneven = (m.log_mass for m in sorted(modes, key=lambda m: m.mixture.weights[0]))
    # ½ V log of the rows that the components' variables are known from: narrow is what many rows are behind.
    assert uneven - even == pytest.approx(0.5 * 5.0 * np.log(50 * 50 / (90 * 10)))


# ---- in a fit


def test_a_fits_census_is_of_its_starts():
    fit = bg.fit_mle(FAITHFUL, 4, seed=0, progress=False)
    assert sum(m.n_starts for m in fit.census) == sum(s.mode >= 0 for s in fit.starts)
    for g, mode in enumerate(fit.census):
        ends = [s for s in fit.starts if s.mode == g]
        assert mode.n_starts == len(ends) and mode.objective == max(s.objective for s in ends)
        assert {kind: [s.kind for s in ends].count(kind) for kind in mode.kinds} == mode.kinds
    assert fit.census[0].mixture is fit.mixture and fit.census[0].objective == fit.log_likelihood
    table = fit.modes
    assert list(table.columns) == ["objective", "below", "starts", "kinds", "log_mass", "doubt"]
    assert (np.diff(table["below"]) >= 0).all() and table["log_mass"].max() == 0.0
    assert f"{fit.census[0].n_starts} of 10 starts reached this mode" in str(fit)


def test_a_posterior_modes_census_counts_density():
    fit = bg.fit_mle(FAITHFUL, 3, prior="conjugate", seed=0, progress=False)
    assert fit.census[0].objective == fit.log_posterior and not any(m.is_degenerate for m in fit.census)


def test_a_story_climbed_the_general_way_has_a_census_too():
    from bayesgmm.models import finite_mixture

    fit = bg.fit_map(finite_mixture(FAITHFUL[::4], 2, prior="lkj"), starts=4, seed=0, progress=False)
    assert sum(m.n_starts for m in fit.census) == 4 and fit.census[0].objective == pytest.approx(fit.log_posterior)
    assert "starts reached this mode" in str(fit)


def test_interrupted_it_keeps_what_is_finished(monkeypatch):
    from bayesgmm.fit import best

    done, paths_from = [], best.paths_from

    def interrupted(x, starts, *args, **options):
        if len(done) + len(starts) > limit:
            raise KeyboardInterrupt
        done.extend(starts)
        return paths_from(x, starts, *args, **options)

    monkeypatch.setattr(best, "paths_from", interrupted)
    monkeypatch.setattr(best, "threads", lambda: 2)
    limit = 3
    with pytest.warns(UserWarning, match="interrupted: the fit is the best of the 2 starts finished so far"):
        fit = bg.fit_mle(FAITHFUL, 2, progress=False)
    assert fit.converged and len(fit.starts) == 2
    done.clear()
    limit = 1
    with pytest.raises(KeyboardInterrupt, match="no start was finished"):
        bg.fit_mle(FAITHFUL, 2, progress=False)
