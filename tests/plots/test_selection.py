import numpy as np
import pytest
from matplotlib import pyplot as plt

from bayesgmm import plots
from bayesgmm.plots.selection import apart

from .conftest import clusters_of_two, swept


def lines(ax):
    """What is drawn of each family: its points, the one with markers."""
    return [line.get_xydata() for line in ax.get_lines() if line.get_marker() not in ("None", None, "")]


@pytest.mark.parametrize("criterion", ["bic", "icl", "aic"])
def test_every_fit_is_drawn_where_it_is(criterion):
    found = swept(2)
    ax = plots.plot_selection(found, criterion=criterion)
    ranking = found.ranked(criterion)
    drawn = np.concatenate(lines(ax))
    best = ranking.iloc[0]
    for row in ranking.to_dict("records"):
        place = [row["n_components"], row[criterion] - best[criterion]]
        assert np.isclose(drawn, place).all(axis=1).any()
    assert ax.get_title().startswith(f"best by {criterion.upper()}: {best['covariance_type']} with ")
    assert {text.get_text() for text in ax.texts} == set(found.table["covariance_type"])


def test_a_fit_that_collapsed_is_a_gap_and_one_of_few_rows_is_hollow():
    found = swept(2)
    gone = found.table[found.table["log_likelihood"].isna()]
    assert len(gone)  # made so
    ax = plots.plot_selection(found)
    whole = max(lines(ax), key=len)
    assert len(whole) == found.table["n_components"].nunique()
    hollow = [line for line in ax.get_lines() if line.get_markerfacecolor() == "white"]
    few = found.table["degenerate"] & found.table["log_likelihood"].notna()
    assert sum(np.isfinite(line.get_ydata()).sum() for line in hollow) == few.sum()


def test_names_of_lines_do_not_overlap():
    ax = plots.plot_selection(swept(2))
    ax.figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 + 1 for below, above in zip(boxes, boxes[1:]))


def test_small_axes_of_others():
    _, axes = plt.subplots(1, 2, figsize=(7.0, 2.6), layout="constrained")
    assert plots.plot_selection(swept(2), ax=axes[0]) is axes[0]
    assert plots.plot_merging(clusters_of_two(), ax=axes[1]) is axes[1]


def test_entropies_are_drawn_where_they_are():
    found = clusters_of_two()
    ax = plots.plot_merging(found)
    line, ring = ax.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([range(1, 7), found.entropies]))
    assert ring.get_xydata().tolist() == [[found.n_clusters, found.entropies[found.n_clusters - 1]]]
    told = [float(text.get_text()) for text in ax.texts]
    np.testing.assert_allclose(told, found.table["fall_per_row"].sort_index().to_numpy()[:-1], atol=0.006)


def test_heights_are_moved_apart_as_little_as_can_be():
    """Against all placements on a grid."""
    given, gap = np.array([0.0, 0.05, 0.5]), 0.3
    found = apart(given, gap)
    assert (np.diff(found) >= gap - 1e-9).all()
    grid = np.arange(-0.4, 1.0, 0.025)
    best = min((a - given[0]) ** 2 + (b - given[1]) ** 2 + (c - given[2]) ** 2
                for a in grid for b in grid for c in grid if b - a >= gap - 1e-9 and c - b >= gap - 1e-9)  # fmt: skip
    assert ((found - given) ** 2).sum() <= best + 1e-9
