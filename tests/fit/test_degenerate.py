"""Degenerate fits: each kind is found by the one rule, told in words, and mended by a prior."""

import pickle

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.fit import DegenerateFit
from bayesgmm.fit.degenerate import THINNEST, diagnose_fit
from bayesgmm.fit.relations import describe
from bayesgmm.kernel import Incomplete


def cloud(n=40, d=2, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def duplicates():
    return np.vstack([cloud(), [[9.0, 9.0]] * 4])


def collinear():
    t = np.linspace(0, 3, 8)
    return np.vstack([cloud(), np.column_stack([20 + t, 5 - 2 * t])])


def constant():
    return np.vstack([cloud(), np.column_stack([20 + np.linspace(0, 3, 8), np.full(8, 7.5)])])


def two_rows():
    return np.vstack([cloud(), [[30.0, 0.0], [30.5, 1.0]]])


def one_row():
    return np.vstack([cloud(), [[50.0, -50.0]]])


BATTERY = {
    "duplicates": (duplicates, "rows 40, 41, 42 and 43, counted from 0.: they are all equal"),
    "collinear": (
        collinear,
        r"about 8.0 rows .rows 40, 41, 42, 43, 44, 45, …, counted from 0.: there x0 = -0.5 x1 \+ 22.5",
    ),
    "constant": (constant, r"column 'x1' is constant there .7.5."),
    "two rows": (two_rows, "rows 40 and 41, counted from 0.: they are 2, and so few always lie in a hyperplane"),
    "one row": (one_row, "about 1.0 rows .row 40, counted from 0."),
}


@pytest.mark.parametrize("name", BATTERY)
def test_told_in_words_and_mended_by_a_prior(name):
    make, message = BATTERY[name]
    x = make()
    labels = (np.arange(len(x)) >= 40).astype(int)
    with pytest.raises(DegenerateFit, match=message) as caught:
        bg.fit_mle(x, 2, starts=labels, progress=False)
    wrong = caught.value.degeneracy
    assert wrong.rows.tolist() == list(range(40, len(x))) and wrong.points == pytest.approx(len(x) - 40, abs=0.01)
    assert wrong.collapsed and wrong.eigenvalue < THINNEST and wrong.ratio > 1
    assert wrong.n_distinct == len(np.unique(x[40:], axis=0))
    assert "; give prior='conjugate', use fewer components, or a covariance_type with fewer" in str(wrong)
    assert [s.kind for s in caught.value.starts] == ["labels"]
    fit = bg.fit_mle(x, 2, prior="conjugate", starts=labels, progress=False)
    assert fit.converged and fit.degeneracy is None and np.linalg.eigvalsh(fit.mixture.covariances).min() > 0


def test_a_sound_mode_is_taken_and_the_degenerate_one_told():
    x = np.vstack([cloud(60), cloud(60) + 8, [[30.0, 30.0]] * 4])
    apart = np.repeat([0, 0, 1], [60, 60, 4])
    fit = bg.fit_mle(x, 2, starts=[apart, np.repeat([0, 1, 1], [60, 60, 4])], progress=False)
    assert fit.degeneracy is None and fit.mixture.weights.min() > 0.4
    assert "they are all equal" in fit.starts[0].note or "collapsed" in fit.starts[0].note
    assert "1 start degenerate" in str(fit)


def test_a_component_of_hardly_any_rows_is_returned_with_its_diagnosis_where_volumes_are_shared():
    x = two_rows()
    labels = (np.arange(len(x)) >= 40).astype(int)
    fit = bg.fit_mle(x, 2, covariance_type="tied", starts=labels, progress=False)
    wrong = fit.degeneracy
    assert not wrong.collapsed and wrong.component == 1 and wrong.rows.tolist() == [40, 41]
    assert "component 1 rests on about 2.0 rows (rows 40 and 41, counted from 0)" in str(fit)
    assert fit.modes["doubt"].str.startswith("degenerate").all()


# ---- the rule


def mixture(sds, weights=(0.5, 0.5)):
    return bg.Mixture(weights, [[0.0, 0.0], [6.0, 0.0]], [np.eye(2), np.diag(np.square(sds))])


def rows(n=100):
    return np.vstack([cloud(n), cloud(n) + [6.0, 0.0]])


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_thin_is_below_a_millionth_of_all_rows_whatever_the_units(factor):
    x = rows()
    matrix = np.array([[3e4, 1.0], [0.0, 1e-3]])
    sphere = np.linalg.inv(np.linalg.cholesky(np.cov(x.T, ddof=0)))

    def thinnest(sd):  # by the definition
        return np.linalg.eigvalsh(sphere @ np.diag([1.0, sd**2]) @ sphere.T)[0]

    sd = np.sqrt(factor * 1e-6 / thinnest(1e-3) * 1e-6)
    assert thinnest(sd) == pytest.approx(factor * 1e-6, rel=1e-3)
    m = mixture([1.0, sd])
    moved = bg.Mixture(m.weights, m.means @ matrix.T, matrix @ m.covariances @ matrix.T)
    for found in (diagnose_fit(m, x), diagnose_fit(moved, x @ matrix.T)):
        assert found.component == 1 and found.collapsed == (factor < 1)  # no row is most probably its own, either


def test_few_is_fewer_than_d_plus_one_points():
    x = rows()
    assert diagnose_fit(mixture([1.0, 1.0], (1 - 3.01 / 200, 3.01 / 200)), x) is None
    found = diagnose_fit(mixture([1.0, 1.0], (1 - 2.99 / 200, 2.99 / 200)), x)
    assert found.component == 1 and not found.collapsed and found.points == pytest.approx(2.99)


def test_many_equal_rows_count_as_few():
    x = np.vstack([cloud(100), np.repeat([[6.0, 0.0], [6.5, 0.5]], 50, axis=0)])
    found = diagnose_fit(mixture([1.0, 1.0]), x)
    assert found.n_distinct == 2 and "only 2 of them are different" in found.text


def test_case_weights_are_points():
    x, m = np.vstack([cloud(100), [[6.0, 0.0], [6.5, 0.5], [6.2, -0.5]]]), mixture([1.0, 1.0], (0.99, 0.01))
    assert diagnose_fit(m, x).component == 1
    assert diagnose_fit(m, x, np.full(103, 3.0)) is None


def test_rows_with_missing_cells_are_looked_at():
    x = duplicates()
    x[::7, 0] = np.nan
    labels = (np.arange(len(x)) >= 40).astype(int)
    with pytest.raises(DegenerateFit, match="component 1 collapsed"):
        bg.fit_mle(x, 2, starts=labels, missing="marginalise", progress=False)
    gaps = np.where(np.arange(400).reshape(200, 2) % 9, rows(), np.nan)
    assert diagnose_fit(mixture([1.0, 1.0]), Incomplete.of(gaps)) is None


def test_the_error_travels_between_processes():
    with pytest.raises(DegenerateFit) as caught:
        bg.fit_mle(duplicates(), 2, starts=(np.arange(44) >= 40).astype(int), progress=False)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.degeneracy.text == caught.value.degeneracy.text


# ---- relations


def test_a_relation_holds_among_the_rows_it_is_told_of():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((12, 3)) * [1.0, 50.0, 0.01]
    x[:, 2] = 0.25 * x[:, 0] - 0.001 * x[:, 1] + 3
    said = describe(x, ("a", "b", "c"), np.array([1.0, 50.0, 0.3]))
    assert said == "there c = 0.25 a - 0.001 b + 3"
    free = x + np.column_stack([np.zeros((12, 2)), 0.1 * rng.standard_normal(12)])
    assert describe(free, ("a", "b", "c"), np.array([1.0, 50.0, 0.3])) == ""
