"""What `select` promises, on sweeps small enough to be quick."""

from dataclasses import replace
from functools import partial
from itertools import product
from threading import Event, Lock

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.data import DataError
from bayesgmm.fit import DegenerateFit
from bayesgmm.kernel import set_threads
from bayesgmm.selection import sweep, words
from bayesgmm.selection.ground import TOLERANCE
from bayesgmm.selection.workers import Stopped, flow, over_threads

QUIET = {"seed": 0, "starts": 4, "progress": False}


@pytest.fixture(scope="module")
def faithful():
    return bg.load_dataset("faithful")


@pytest.fixture(scope="module")
def found(faithful):
    return bg.select(faithful, [1, 2, 3], covariance_types=["full", "tied", "VVI"], **QUIET)


def test_the_table_holds_every_cell_once(found):
    cells = list(zip(found.table["n_components"], found.table["covariance_type"]))
    assert sorted(cells) == sorted(product([1, 2, 3], ["VVV", "EEE", "VVI"]))
    assert set(found.fits) == set(cells) and found.table["note"].eq("").all() and found.table["converged"].all()
    for row in found.table.to_dict("records"):
        fit = found.fits[row["n_components"], row["covariance_type"]]
        assert fit.n_components == row["n_components"]
        for name in ("log_likelihood", "n_parameters", "bic", "icl", "aic", "entropy"):
            assert getattr(fit, name) == row[name]


def test_criteria_are_those_of_the_formulas(found, faithful):
    """BIC, AIC and ICL from log density and responsibilities alone."""
    x, n = faithful.to_numpy(dtype=float), len(faithful)
    for fit in found.fits.values():
        log_likelihood = fit.mixture.log_prob(x).sum()
        r, p = fit.mixture.responsibilities(x), fit.n_parameters
        assert fit.log_likelihood == pytest.approx(log_likelihood, rel=1e-10)
        assert fit.bic == pytest.approx(-2 * log_likelihood + p * np.log(n), rel=1e-10)
        assert fit.aic == pytest.approx(-2 * log_likelihood + 2 * p, rel=1e-10)
        assert fit.icl == pytest.approx(fit.bic - 2 * np.log(r.max(axis=1)).sum(), rel=1e-10)


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic"])
def test_the_best_is_lowest(found, criterion):
    chosen = replace(found, criterion=criterion)
    values = found.table[criterion]
    assert getattr(chosen.best, criterion) == values.min()
    ranking = chosen.ranking
    assert ranking[criterion].is_monotonic_increasing and ranking["difference"].iloc[0] == 0
    np.testing.assert_allclose(ranking["difference"], ranking[criterion] - values.min())
    assert [getattr(fit, criterion) for fit in chosen.top(2)] == ranking[criterion].head(2).tolist()


def test_a_fit_is_fit_mle_s(found, faithful):
    """The best is climbed to the end: what `fit_mle` finds is no higher, and it tells of the same modes."""
    best, alone = found.best, bg.fit_mle(faithful, 3, covariance_type="tied", seed=3, progress=False)
    assert best.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(best.mixture.means, alone.mixture.means, rtol=1e-4)
    assert best.census and best.census[0].n_starts > 1 and best.converged


def test_a_family_is_never_below_one_that_it_contains(found):
    for k in (1, 2, 3):
        for smaller in ("EEE", "VVI"):
            # Half of Newton's decrement, at which climbs end, is left.
            assert found.fits[k, "VVV"].log_likelihood >= found.fits[k, smaller].log_likelihood - 0.5 * TOLERANCE


def test_threads_do_not_matter_and_a_seed_fixes_all(found, faithful):
    before = set_threads(3)
    try:
        again = bg.select(faithful, [3, 1, 2], covariance_types=["VVV", "EEE", "VVI"], **QUIET)
    finally:
        set_threads(before)
    pd.testing.assert_frame_equal(found.table.sort_values(["n_components", "covariance_type"], ignore_index=True),
                                  again.table.sort_values(["n_components", "covariance_type"], ignore_index=True),
                                  check_exact=True)  # fmt: skip


def test_weights_are_frequencies(faithful):
    some, counts = faithful.iloc[:60], np.arange(60) % 3
    weighted = bg.select(some, 2, covariance_types="full", case_weights=counts, **QUIET)
    repeated = bg.select(some.loc[some.index.repeat(counts)], 2, covariance_types="full", **QUIET)
    assert weighted.n_obs == repeated.n_obs == counts.sum()
    for name in ("log_likelihood", "bic", "icl"):
        assert weighted.table[name][0] == pytest.approx(repeated.table[name][0], abs=1e-3)


def test_missing_cells(faithful):
    x = faithful.iloc[:80].to_numpy(dtype=float)
    x[::9, 1] = np.nan
    with pytest.raises(DataError, match="marginalise"):
        bg.select(x, [1, 2], covariance_types="full", **QUIET)
    found = bg.select(x, [1, 2], covariance_types="full", missing="marginalise", **QUIET)
    assert found.best.n_components == 2 and len(found.merging.labels()) == 80


def test_a_prior(faithful):
    found = bg.select(faithful, [2], covariance_types=["full", "tied"], prior="conjugate", **QUIET)
    alone = bg.fit_mle(faithful, 2, prior="conjugate", seed=0, progress=False)
    fit = found.fit(2, "full")
    assert fit.estimator == "MAP" and fit.log_posterior == pytest.approx(alone.log_posterior, abs=1e-6)


def test_one_feature_has_two_families():
    x = np.random.default_rng(0).normal(size=(80, 1))
    x[:40] += 6
    found = bg.select(x, [1, 2, 3], **QUIET)
    assert set(found.table["covariance_type"]) == {"E", "V"} and len(found.table) == 6
    assert found.best.n_components == 2 and found.fit(2, "tied").n_parameters == 4
    assert bg.select(x, 2, covariance_types=["full", "diag", "VEI"], **QUIET).table["covariance_type"].tolist() == ["V"]


def test_collapsed_fits_are_noted_and_passed_over():
    """Twenty equal rows: full covariances collapse on them, one shared covariance does not."""
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[:20] = [6.0, 6.0]
    found = bg.select(x, [1, 2], covariance_types=["full", "tied"], **QUIET)
    row = found.table.set_index(["n_components", "covariance_type"]).loc[2, "VVV"]
    assert row["degenerate"] and "all equal" in row["note"] and np.isnan(row["bic"])
    assert (2, "VVV") not in found.fits and found.best.covariance_type == "tied"
    assert "degenerate" in str(found)
    with pytest.raises(KeyError, match="all equal"):
        found.fit(2, "full")
    with pytest.raises(DegenerateFit, match="not one of 1 fits"):
        bg.select(x, 2, covariance_types="full", **QUIET)


def test_a_component_with_hardly_any_rows_never_wins():
    """Two rows far away have no volume of their own under a shared covariance, but are no cluster of two features."""
    x = np.random.default_rng(1).normal(size=(60, 2))
    x[:2] += 30.0
    found = bg.select(x, [1, 2], covariance_types="tied", **QUIET)
    assert found.table.set_index("n_components")["degenerate"].tolist() == [False, True]
    assert found.best.n_components == 1 and found.fits[2, "EEE"].bic < found.best.bic
    assert found.fits[2, "EEE"].degeneracy is not None


def test_more_components_than_rows_can_hold_are_noted():
    x = np.arange(12.0).reshape(6, 2) ** 2
    found = bg.select(x, [1, 3, 9], covariance_types="tied", **QUIET)
    notes = found.table.set_index("n_components")["note"]
    assert notes[1] == "" and "too few" in notes[3] and "distinct rows" in notes[9]
    assert found.table["n_parameters"].tolist() == [5, 11, 29]


@pytest.mark.parametrize(
    ("options", "words_"),
    [
        ({"n_components": []}, "n_components is empty"),
        ({"n_components": [0, 1]}, "at least 1, not 0"),
        ({"n_components": [1.5]}, "not 1.5"),
        ({"n_components": True}, "not True"),
        ({"covariance_types": []}, "covariance_types is empty"),
        ({"covariance_types": "round"}, "'round' is not known"),
        ({"criterion": "mdl"}, "criterion must be one of 'bic', 'icl', 'aic', not 'mdl'"),
        ({"prior": "flat"}, "flat"),
        ({"starts": np.zeros(272, int)}, "give it to fit_mle"),
        ({"starts": {"guess": 3}}, "'guess'"),
        ({"starts": 0}, "starts"),
        ({"case_weights": [1.0]}, "case_weights has shape"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_wrong_arguments_are_one_sentence(faithful, options, words_):
    with pytest.raises(ValueError) as caught:
        bg.select(faithful, **{"n_components": [1], "covariance_types": "tied", "progress": False} | options)
    assert words_ in str(caught.value) and "\n" not in str(caught.value)


def test_an_interrupt_keeps_what_is_finished(faithful, monkeypatch):
    climbed = sweep.Problem.first

    def interrupted(self, cells, n_components, begin, family):
        if n_components == 3:
            raise KeyboardInterrupt
        return climbed(self, cells, n_components, begin, family)

    monkeypatch.setattr(sweep.Problem, "first", interrupted)
    found = bg.select(faithful, [1, 2, 3], covariance_types=["full", "tied"], **QUIET)
    assert found.incomplete and "interrupted" in str(found)
    assert set(found.table["n_components"]) == {1, 2} and len(found.table) == 4
    assert found.best.n_components == 2


def test_an_interrupt_before_anything_is_finished(faithful, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep.Problem, "first", interrupted)
    with pytest.raises(KeyboardInterrupt, match="nothing to keep"):
        bg.select(faithful, [1], covariance_types="full", **QUIET)


def test_jobs_wait_for_what_makes_them_possible():
    """Of a tree of jobs each runs once, after the one that it hangs on, and is counted once."""
    done, ticks, lock = [], [], Lock()

    def job(*path):
        with lock:
            done.append(path)
        return [partial(job, *path, i) for i in range(3)] if len(path) < 4 else ()

    flow([job], lambda: ticks.append(1), Event())
    assert len(done) == len(set(done)) == len(ticks) == 1 + 3 + 9 + 27 + 81
    assert all(done.index(path[:-1]) < i for i, path in enumerate(done) if path)


def test_work_that_fails_stops_the_rest():
    stopped, done = Event(), []

    def work(item):
        if stopped.is_set():
            raise Stopped
        if item == 1:
            raise ZeroDivisionError("a bug")
        done.append(item)
        return item

    with pytest.raises(ZeroDivisionError):
        over_threads(work, list(range(1000)), lambda: None, stopped)
    assert len(done) < 1000 and stopped.is_set()


def test_what_it_says(found):
    text = str(found)
    assert text.startswith("Selection by BIC (lower is better): 1 to 3 components, 3 families, N = 272.")
    assert "EEE with 3 components is" in text and "BIC and ICL disagree" in text and "climbs reached" in text
    assert "try more than 3" in text  # the most that were tried
    assert "<table>" in found._repr_html_() and "class=" not in found._repr_html_()
    assert found.choices.loc["BIC, merged", "n_clusters"] == found.merging.n_clusters
    assert found.choices.loc["ICL", "covariance_type"] == found.ranked("icl")["covariance_type"].iloc[0]
    with pytest.raises(ValueError, match="criterion"):
        found.ranked("mdl")


@pytest.mark.parametrize(("difference", "said"), [(1.9, "hardly"), (2.0, "some"), (7.0, "strong"), (10.0, "very")])
def test_words_for_differences(difference, said):
    assert words.evidence(difference).startswith(said)
