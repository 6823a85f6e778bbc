"""The tree of rows: cuts that nest, units that do not matter, equal rows, samples of many rows."""

import numpy as np
import pytest

from bayesgmm import load_dataset
from bayesgmm.fit.hierarchy import CRITERIA, hierarchy, most_rows
from bayesgmm.kernel import Incomplete

FAITHFUL = load_dataset("faithful").to_numpy(dtype=float)


def groups(labels):
    return {frozenset(np.flatnonzero(labels == k)) for k in np.unique(labels)}


def blobs(n):
    """Four groups, ten standard deviations and more apart."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, n)
    return 10 * np.vstack([np.zeros(3), np.eye(3)])[labels] + rng.standard_normal((n, 3)), labels


def same_share(a, b):
    """The share of pairs of rows on which two partitions agree, for 300 rows."""
    some = np.linspace(0, len(a) - 1, 300).astype(int)
    a, b = a[some], b[some]
    return ((a[:, None] == a) == (b[:, None] == b)).mean()


@pytest.mark.parametrize("criterion", CRITERIA)
def test_cuts_nest_and_are_numbered_in_the_order_of_the_rows(criterion):
    tree = hierarchy(FAITHFUL)
    before = groups(tree.labels(1, criterion))
    assert before == {frozenset(range(len(FAITHFUL)))}
    for k in range(2, 10):
        labels = tree.labels(k, criterion)
        first = np.unique(labels, return_index=True)[1]
        assert len(first) == k and (np.diff(first) > 0).all()
        now = groups(labels)
        assert len(now - before) == 2 and len(before - now) == 1  # one group became two
        before = now


@pytest.mark.parametrize("criterion", CRITERIA)
def test_no_linear_map_changes_a_label(criterion):
    rng, tree = np.random.default_rng(3), hierarchy(FAITHFUL)
    for _ in range(5):
        x = FAITHFUL @ (rng.standard_normal((2, 2)) * [1e-3, 1e4]) + rng.standard_normal(2)
        moved = hierarchy(x)
        for k in (2, 3, 9):
            assert (moved.labels(k, criterion) == tree.labels(k, criterion)).all()


def test_groups_that_stand_apart_are_found():
    x, labels = blobs(300)
    for criterion in CRITERIA:
        assert groups(hierarchy(x).labels(4, criterion)) == groups(labels)


def test_an_equal_row_counts_as_a_weight_does():
    x = np.unique(FAITHFUL, axis=0)[:40]
    counts = np.random.default_rng(0).integers(1, 4, 40)
    once, often = hierarchy(x, counts.astype(float)), hierarchy(np.repeat(x, counts, axis=0))
    assert often.n_leaves == 40
    for k in range(1, 10):
        assert (np.repeat(once.labels(k), counts) == often.labels(k)).all()


def test_no_more_groups_than_different_rows():
    tree = hierarchy(np.array([[1.0], [1.0], [2.0]]))
    assert tree.labels(2).tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="k must be from 1 to 2, the number of different rows, not 3"):
        tree.labels(3)


def test_a_column_that_others_determine_is_no_obstacle():
    x = np.column_stack([FAITHFUL, FAITHFUL @ [2.0, -1.0]])
    assert (hierarchy(x).labels(5) == hierarchy(FAITHFUL).labels(5)).all()


def test_a_feature_of_few_values_is_not_left_out():
    """Neighbours may all agree in it."""
    x, labels = blobs(300)
    x[:, 2] = (labels % 2) * 10.0
    tree = hierarchy(x)
    assert tree.units.shape == (3, 3) and np.isfinite(tree.units).all()
    for criterion in CRITERIA:
        assert groups(tree.labels(4, criterion)) == groups(labels)


def test_many_rows_are_classified_by_a_samples_groups():
    x, labels = blobs(5000)
    tree = hierarchy(x, seed=1)
    assert len(tree.chosen) == most_rows(3) == 2000
    assert same_share(tree.labels(4), labels) == 1.0
    assert (tree.labels(7)[tree.chosen] == tree.groups(7)).all()
    assert (hierarchy(x, seed=1).labels(7) == tree.labels(7)).all()


def test_memory_and_time_are_bounded_where_features_are_many():
    assert most_rows(2) == 2000 and 300 <= most_rows(100) < most_rows(30) < 2000


def test_missing_cells_are_filled():
    x, labels = blobs(200)
    x[::10, 1] = np.nan
    assert same_share(hierarchy(Incomplete.of(x)).labels(4), labels) > 0.97
