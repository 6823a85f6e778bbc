"""Rows, labels and groups as they are read, and what is said where they cannot be."""

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm.classify.held_out import folds_of
from bayesgmm.classify.labelled import Grouped, Labelled
from bayesgmm.data import DataError

from .made_up import sequences


def test_sums_are_over_the_rows_of_each_group():
    x, _, groups = sequences()
    rows = Grouped.of(x, groups)
    values = np.random.default_rng(1).standard_normal((5, len(x)))
    expected = pd.DataFrame(values.T).groupby(groups, sort=False).sum().T
    assert rows.index.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(rows.sums(values), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(rows.sums(values[0]), expected.loc[0], rtol=1e-12, atol=1e-13)


def test_rows_without_groups_are_their_own():
    rows = Grouped.of(np.zeros((3, 1)))
    assert rows.index.tolist() == [0, 1, 2] and rows.sums(np.arange(3.0)).tolist() == [0, 1, 2]


def test_some_groups_keep_all_their_rows():
    x, _, groups = sequences()
    rows = Grouped.of(x, groups)
    keep = np.arange(rows.n_groups) % 3 == 0
    some = rows.take(keep)
    wanted = np.isin(groups, rows.index[keep])
    np.testing.assert_array_equal(some.table.values, x[wanted])
    assert some.index[some.at].tolist() == groups[wanted].tolist()


def test_folds_never_split_a_group_and_deal_classes_out_evenly():
    x, labels, groups = sequences(n_groups=50)
    known = Labelled.of(x, labels, groups)
    fold = folds_of(known, 5, np.random.default_rng(0))
    of_row = fold[known.rows.at]
    assert pd.Series(of_row).groupby(groups).nunique().eq(1).all()
    dealt = pd.crosstab(known.of_group, fold).to_numpy()
    assert dealt.shape == (3, 5) and (np.ptp(dealt, axis=1) <= 1).all() and np.ptp(dealt.sum(axis=0)) <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a"] * 6}, "labels names one class alone, 'a'"),
        ({"labels": ["a", "b"]}, r"labels must name one for each of the 6 rows of x, and has shape \(2,\)"),
        ({"labels": ["a", "b", None, "a", "b", "a"]}, "labels is missing in row 3"),
        ({"labels": np.array(["a", 1, 1, "a", 1, "a"], dtype=object)}, "labels mixes kinds of names"),
        ({"groups": [1, 1, 2, 2, 3, 3]}, r"labels has both 'a' and 'b' in group 1 \(row 2\)"),
        ({"model": "trees"}, "model must be one of 'mixtures', 'gaussians', not 'trees'"),
        ({"criterion": "aic"}, "criterion must be one of 'bic', 'cv', not 'aic'"),
        ({"exponent": 0}, "exponent must be a number above 0"),
        ({"class_prior": [0.5, 0.6]}, "class_prior must have a probability above 0 for each of the 2 classes"),
        ({"class_prior": {"a": 1.0}}, "class_prior must have a probability above 0 for each of the 2 classes"),
        ({"n_components": {"a": 1}}, r"n_components must have a key for every class and no other; look at \['b'\]"),
        ({"n_components": {"a": 1, "b": 1}, "criterion": "cv"}, "tries the same numbers of components in all classes"),
        ({"criterion": "cv", "folds": 4}, "folds is 4, and class 'a' has 3 groups"),
        ({"n_components": 9}, r"class 'a' \(3 rows\): not one of 1 fits came through"),
        ({"model": "gaussians", "prior": "conjugate"}, "model='gaussians' takes neither a prior nor missing cells"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(change, message):
    x = [[0.0], [5.0], [1.0], [6.0], [2.5], [7.5]]
    asked = {"labels": list("ababab"), "n_components": 1} | change
    with pytest.raises(ValueError, match=message):
        bg.fit_classifier(x, asked.pop("labels"), covariance_types="full", progress=False, **asked)


def test_a_class_with_a_constant_column_is_named():
    x = [[0.0, 1.0], [5.0, 2.0], [1.0, 1.0], [6.0, 3.0]]
    with pytest.raises(DataError, match=r"x in class 'a': column 'x1' is constant \(1.0\)"):
        bg.fit_classifier(x, list("abab"), n_components=1, progress=False)
    with pytest.raises(DataError, match="x in class 'b' has 1 row"):
        bg.fit_classifier(x[:3], list("aab"), n_components=1, progress=False)
