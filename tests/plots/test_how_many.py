import numpy as np
from matplotlib import pyplot as plt

from bayesgmm import plots

from .conftest import answered


def test_rows_are_those_of_the_table_and_bars_the_probabilities():
    found = answered()
    ax = plots.plot_how_many(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found.table.index)
    expected = np.concatenate([one["probability"] for one in found.numbers.values()])
    heights = np.array([bar.get_height() for bar in ax.patches])
    np.testing.assert_allclose(heights / heights.max(), expected / expected.max())
    values = np.concatenate([one.index.get_level_values("value") for one in found.numbers.values()])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in ax.patches], values)


def test_dots_stand_where_the_numbers_are_and_lines_reach_as_far_as_the_ranges():
    found = answered(1)
    ax = plots.plot_how_many(found)
    dots = [line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() == "o"]
    rows = found.table.drop(index=["K₊, mfm"])
    assert dots == rows["number"].tolist()
    spans = [tuple(line.get_xdata()) for line in ax.get_lines() if line.get_solid_capstyle() == "round"]
    wide = rows[rows["lower"].notna() & (rows["lower"] != rows["upper"])]
    assert spans == list(zip(wide["lower"], wide["upper"]))


def test_bars_are_open_where_chains_do_not_agree():
    found = answered()
    ax = plots.plot_how_many(found)
    is_open = [bar.get_facecolor()[:3] == (1.0, 1.0, 1.0) for bar in ax.patches]
    rough = found.table["r_hat"] > 1.05
    expected = [rough[f"K₊, {name}"] for name, numbers in found.numbers.items() for _ in range(len(numbers))]
    assert is_open == expected and any(is_open) and not all(is_open)


def test_small_axes_of_others():
    _, ax = plt.subplots(figsize=(3.2, 2.4), layout="constrained")
    assert plots.plot_how_many(answered(), ax=ax) is ax
    ax.figure.draw_without_rendering()
    labels = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(below.y1 <= above.y0 + 1 for above, below in zip(labels, labels[1:]))
