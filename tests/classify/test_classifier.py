"""What a classifier says of sequences, and how cross-validation chooses one."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

import bayesgmm as bg
from bayesgmm.classify.held_out import best_exponent
from bayesgmm.classify.labelled import Labelled

from .made_up import sequences

QUICK = {"covariance_types": ["full", "diag"], "n_components": [1, 2], "starts": 2, "seed": 1, "progress": False}


@pytest.fixture(scope="module")
def data():
    return sequences(n_groups=60, length=4)


@pytest.fixture(scope="module")
def chosen(data):
    x, labels, groups = data
    return bg.fit_classifier(x, labels, groups=groups, criterion="cv", exponent="cv", folds=4, **QUICK)


def test_scores_of_a_sequence_add_up_over_its_rows(data, chosen):
    x, _, groups = data
    one = chosen.tempered(0.3)
    rows = pd.DataFrame({c: one.mixtures[c].log_prob(x) for c in one.classes}).groupby(groups, sort=False).sum()
    expected = softmax(np.log(one.class_prior) + 0.3 * rows.to_numpy(), axis=1)
    found = one.predict_proba(x, groups)
    assert found.index.tolist() == rows.index.tolist() and found.index.name == "group"
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(one.log_likelihood(x, groups), rows, rtol=1e-10)


def test_a_group_twice_as_long_is_a_prior_squared(data, chosen):
    """Rows repeated are likelihoods squared: the same as the exponent doubled."""
    x, _, groups = data
    twice = chosen.tempered(0.4).predict_proba(np.repeat(x, 2, axis=0), np.repeat(groups, 2))
    np.testing.assert_allclose(chosen.tempered(0.8).predict_proba(x, groups), twice, rtol=1e-8, atol=1e-300)


def test_the_order_of_rows_and_the_names_of_groups_do_not_matter(data, chosen):
    x, _, groups = data
    order = np.random.default_rng(2).permutation(len(x))
    again = chosen.predict_proba(x[order], groups[order])
    expected = chosen.predict_proba(x, groups).loc[again.index]
    pd.testing.assert_frame_equal(again, expected, rtol=1e-9)


def test_scores_are_those_of_the_assessment(data, chosen):
    x, labels, groups = data
    truth = pd.Series(labels).groupby(groups, sort=False).first()
    found = chosen.assess(x, labels, groups)
    right = chosen.predict(x, groups).to_numpy() == truth.to_numpy()
    assert chosen.score(x, labels, groups) == found.accuracy == right.mean()
    p = chosen.predict_proba(x, groups)
    logs = [np.log(p.loc[g, c]) for g, c in truth.items()]
    assert chosen.log_score(x, labels, groups) == pytest.approx(np.mean(logs))


def test_held_out_scores_are_of_fits_without_the_group(data, chosen):
    """One fold done by hand: plain fits to the other folds, and their densities of its rows."""
    from bayesgmm.classify.held_out import folds_of

    x, labels, groups = data
    known = Labelled.of(x, labels, groups)
    seed = int(np.random.SeedSequence(QUICK["seed"]).generate_state(1)[0])
    fold = folds_of(known, 4, np.random.default_rng(seed))
    out = fold[known.rows.at] == 0
    best = chosen.tried.iloc[0]
    assert (best["n_components"], best["covariance_type"]) == tuple(chosen.chosen.iloc[0, :2])
    sums = {}
    for name in known.classes:
        rows = x[~out & (labels == name)]
        fit = bg.fit_mle(rows, int(best["n_components"]), covariance_type=best["covariance_type"], starts=2, seed=0,
                         progress=False)  # fmt: skip
        sums[name] = pd.Series(fit.mixture.log_prob(x[out])).groupby(groups[out], sort=False).sum()
    sums = pd.DataFrame(sums)
    expected = softmax(np.log(chosen.class_prior) + chosen.exponent * sums.to_numpy(), axis=1)
    assert best["n_components"] == 1  # which has one maximum, whatever the starts
    np.testing.assert_allclose(chosen.held_out.probabilities.loc[sums.index], expected, rtol=1e-6, atol=1e-9)
    assert chosen.held_out.log_score == pytest.approx(best["log_score"])
    assert chosen.held_out.accuracy == pytest.approx(best["accuracy"])


def test_the_exponent_is_that_of_a_logistic_regression():
    """β is the one coefficient of a multinomial regression on the sums: its gradient vanishes there."""
    x, labels, groups = sequences(n_groups=300, length=2, seed=5, spread=0.7)
    known = Labelled.of(x, labels, groups)
    fit = bg.fit_classifier(x, labels, model="gaussians", covariance_types="EII", progress=False)
    sums = 4.0 * fit.log_likelihood(x, groups).to_numpy()  # far too sure
    beta = best_exponent(sums, fit.class_prior, known.of_group)
    assert 0.1 < beta < 0.5
    p = softmax(np.log(fit.class_prior) + beta * sums, axis=1)
    slopes = sums[np.arange(len(p)), known.of_group] - (p * sums).sum(axis=1)
    assert abs(slopes.mean()) < 1e-3 * slopes.std()


def test_rows_that_repeat_each_other_ask_for_a_small_exponent():
    """Each frame five times over: β is a fifth of what it is without, and held-out log scores are the same."""
    x, labels, groups = sequences(n_groups=90, length=3, seed=4, spread=0.8)
    how = {"model": "gaussians", "covariance_types": "VVV", "exponent": "cv", "seed": 0, "progress": False}
    once = bg.fit_classifier(x, labels, groups=groups, **how)
    times = [np.repeat(a, 5, axis=0) for a in (x, labels, groups)]
    five = bg.fit_classifier(times[0], times[1], groups=times[2], **how)
    assert five.exponent <= 0.2 + 1e-6
    sums, known = once.log_likelihood(x, groups), Labelled.of(x, labels, groups)
    again = [best_exponent(n * sums.to_numpy(), once.class_prior, known.of_group) for n in (5, 10)]
    assert again[0] == pytest.approx(2 * again[1], rel=1e-4)
    if once.exponent < 1:
        assert five.exponent == pytest.approx(once.exponent / 5, rel=1e-3)
        assert five.held_out.log_score == pytest.approx(once.held_out.log_score, rel=1e-6)


def test_the_same_seed_gives_the_same_classifier(data, chosen):
    x, labels, groups = data
    again = bg.fit_classifier(x, labels, groups=groups, criterion="cv", exponent="cv", folds=4, **QUICK)
    pd.testing.assert_frame_equal(again.tried, chosen.tried)
    assert again.exponent == chosen.exponent


def test_class_priors_move_probabilities_as_bayes_rule_says(data):
    x, labels, groups = data
    how = {"model": "gaussians", "covariance_types": "VVV", "progress": False}
    plain = bg.fit_classifier(x, labels, class_prior="equal", **how).predict_proba(x)
    p = np.array([0.7, 0.2, 0.1])
    moved = bg.fit_classifier(x, labels, class_prior=p, **how).predict_proba(x)
    expected = plain.to_numpy() * p
    np.testing.assert_allclose(moved, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)
    shares = bg.fit_classifier(x, labels, groups=groups, **how).class_prior
    assert shares.tolist() == pytest.approx([1 / 3] * 3)  # of groups, not of rows


def test_missing_cells_are_summed_out(data):
    x, labels, _ = data
    how = {"covariance_types": "full", "n_components": 1, "missing": "marginalise", "progress": False}
    found = bg.fit_classifier(x, labels, **how)
    holes = x.copy()
    holes[:, 1] = np.nan
    one = [found.mixtures[c].marginal(["x0"]).log_prob(x[:, :1]) for c in found.classes]
    expected = softmax(np.log(found.class_prior) + np.stack(one, axis=1), axis=1)
    np.testing.assert_allclose(found.predict_proba(holes), expected, rtol=1e-8)
    with pytest.raises(ValueError, match="NaN in row 1"):
        bg.fit_classifier(x, labels, **how | {"missing": "raise"}).predict_proba(holes)


def test_an_interrupt_keeps_the_folds_that_are_finished(data, monkeypatch):
    from bayesgmm.classify import sweep

    x, labels, groups = data
    calls, real = [], sweep.select

    def stopped(*arguments, **options):
        calls.append(1)
        if len(calls) == 8:  # in the third of four folds, of three classes each
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(sweep, "select", stopped)
    with pytest.warns(UserWarning, match="interrupted: 2 of 4 folds were finished, and choose"):
        found = bg.fit_classifier(x, labels, groups=groups, criterion="cv", folds=4, **QUICK)
    assert found.incomplete and 0.4 < len(found.held_out.labels) / 60 < 0.6
    assert "It was interrupted" in found.text
    calls[:] = [1] * 6
    with pytest.raises(KeyboardInterrupt, match="no fold was finished"):
        bg.fit_classifier(x, labels, groups=groups, criterion="cv", folds=4, **QUICK)


def test_unseen_labels_and_other_features_are_said(data, chosen):
    x, labels, groups = data
    with pytest.raises(ValueError, match="labels has 'elk' in row 1, which is no class here; they are 'ant', 'bee'"):
        chosen.assess(x[:2], ["elk", "ant"])
    with pytest.raises(ValueError, match="x has 3 columns but features names 2"):
        chosen.predict(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="groups must name one for each of the 2 rows"):
        chosen.predict(x[:2], [1])


def test_fits_of_the_classes_are_kept(data, chosen):
    x, labels, _ = data
    for name in chosen.classes:
        fit = chosen.fits[name]
        assert fit.mixture is chosen.mixtures[name] and fit.n_obs == (labels == name).sum()
        assert (bg.standard_errors(fit, x[labels == name]).means > 0).all()


def test_it_says_what_it_is(chosen):
    text = str(chosen)
    assert text.startswith("A classifier of 3 classes, a mixture a class, chosen by cross-validation")
    assert "Held out:" in text and "ant" in text and "<table>" in chosen._repr_html_()
    with pytest.raises(AttributeError):
        chosen.exponent = 2.0
