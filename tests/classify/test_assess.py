"""Scores and reliability: scikit-learn's, formulas written out, and probabilities that are right by construction."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import bayesgmm as bg


@pytest.fixture(scope="module")
def said():
    """Probabilities, and labels drawn from them."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.6, 0.8, 1.0], size=2000)
    labels = np.array(["ant", "bee", "cat"])[(rng.random((2000, 1)) > p.cumsum(axis=1)).sum(axis=1)]
    return pd.DataFrame(p, columns=["ant", "bee", "cat"]), labels


def test_scores_are_scikit_learns(said):
    from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, log_loss

    p, labels = said
    found = bg.assess(p, labels)
    taken = p.idxmax(axis=1)
    assert found.accuracy == pytest.approx(accuracy_score(labels, taken))
    assert found.log_score == pytest.approx(-log_loss(labels, p.to_numpy()))
    one_against_the_rest = sum(brier_score_loss(labels == c, p[c]) for c in p)
    assert found.brier == pytest.approx(one_against_the_rest)
    np.testing.assert_array_equal(found.confusion, confusion_matrix(labels, taken))
    assert found.confusion.index.name == "true"


@pytest.mark.parametrize(("right", "n"), [(0, 7), (7, 7), (3, 7), (363, 370)])
def test_the_interval_is_where_a_score_test_does_not_reject(right, n):
    """Wilson's ends solve (p̂ − p)² = z² p (1 − p) / n."""
    labels = [0] * right + [1] * (n - right)
    ends = bg.assess([[0.9, 0.1]] * n, labels, ci_prob=0.9).interval
    z = 1.6448536269514722
    for end in ends:
        assert (right / n - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, abs=1e-12)
    assert ends[0] <= right / n <= ends[1]


@pytest.mark.parametrize("kind", ["top", "every"])
@pytest.mark.parametrize("bins", [10, [0, 0.2, 0.5, 0.8, 1]])
def test_right_probabilities_are_reliable_and_sharpened_ones_are_not(said, kind, bins):
    p, labels = said
    found = bg.reliability(p, labels, kind=kind, bins=bins, ci_prob=0.99)
    t = found.table
    assert t["n"].sum() == (2000 if kind == "top" else 6000)
    # The share in a bin is binomial about its mean probability, or a little narrower.
    chance = binom.cdf((t["observed"] * t["n"]).round(), t["n"], t["predicted"])
    assert ((chance > 1e-3) & (chance < 1 - 1e-3)).all()
    assert found.error < 0.05
    sharp = p**4
    sharp = sharp.div(sharp.sum(axis=1), axis=0)
    worse = bg.reliability(sharp, labels, kind=kind, bins=bins, ci_prob=0.99)
    outside = (worse.table["predicted"] < worse.table["lower"]) | (worse.table["predicted"] > worse.table["upper"])
    assert worse.error > 3 * found.error and outside.sum() >= 2
    if kind == "top":
        assert worse.confidence > 0.05 > abs(found.confidence)


def test_bins_of_equal_numbers_and_of_given_ends(said):
    p, labels = said
    equal = bg.reliability(p, labels, bins=7).table
    assert np.ptp(equal["n"]) <= 1 and (equal["to"].to_numpy()[:-1] <= equal["from_"].to_numpy()[1:]).all()
    top = p.max(axis=1).to_numpy()
    given = bg.reliability(p, labels, bins=[0, 0.5, 0.75, 1.0]).table
    assert given["n"].tolist() == np.histogram(top, [0, 0.5, 0.75, 1.0])[0].tolist()
    right = (p.idxmax(axis=1) == labels).to_numpy()
    assert given["observed"].iloc[0] == pytest.approx(right[top < 0.5].mean())


@pytest.mark.parametrize(
    ("p", "labels", "how", "message"),
    [
        ([[0.9, 0.2]], [0], {}, r"row 1 of the probabilities is no distribution: \[0.9, 0.2\] sums to 1.1"),
        ([[0.5, 0.5], [np.nan, 1.0]], [0, 1], {}, "row 2 of the probabilities is no distribution"),
        ([[0.5, 0.5]], [0, 1], {}, "labels must have one for each of the 1 rows of the probabilities"),
        ([[0.5, 0.5]], [2], {}, "labels has 2 in row 1, which is no class here; they are 0, 1"),
        ([[0.5, 0.5]], [0], {"bins": 0}, "bins must be a number of at least 1, or rising ends from 0 to 1, not 0"),
        ([[0.5, 0.5]], [0], {"bins": [0, 0.5]}, "bins must be"),
        ([[0.5, 0.5]], [0], {"kind": "all"}, "kind must be one of 'top', 'every'"),
        ([[0.5, 0.5]], [0], {"ci_prob": 95}, "ci_prob must be strictly between 0 and 1"),
    ],
)
def test_what_cannot_be_assessed_is_said(p, labels, how, message):
    with pytest.raises(ValueError, match=message):
        bg.reliability(p, labels, **how)


def test_they_say_what_they_are(said):
    assert "of 2000 right: accuracy" in str(bg.assess(*said))
    found = bg.reliability(*said)
    assert "2000 in 10 bins" in str(found) and "<table>" in found._repr_html_()
