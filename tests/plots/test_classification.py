"""What the figures of classifiers show, in numbers."""

import numpy as np
import pandas as pd
import pytest

import bayesgmm as bg
from bayesgmm import plots

from .conftest import judged


def dots(ax):
    return [container[0] for container in ax.containers]


def test_dots_are_the_bins():
    found = judged().reliability(bins=6)
    ax = plots.plot_reliability(found)
    assert len(dots(ax)) == 1
    np.testing.assert_allclose(dots(ax)[0].get_xydata(), found.table[["predicted", "observed"]])
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose([s[:, 1] for s in segments], found.table[["lower", "upper"]])
    assert ax.get_xlim() == ax.get_ylim() and ax.get_xlim()[0] <= found.table["lower"].min()


def test_what_is_compared_has_a_legend():
    some = {"as it is": judged().reliability(), "sharper": judged(4.0).reliability()}
    ax = plots.plot_reliability(some)
    assert len(dots(ax)) == 2
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == list(some)
    assert ax.get_xlabel() == "probability of the class taken"
    assert plots.plot_reliability(judged().reliability(kind="every")).get_xlabel() == "probability of a class"


def test_on_the_scale_of_odds_the_surest_are_at_the_edge():
    p = [[0.9, 0.1]] * 50 + [[1 - 1e-9, 1e-9]] * 50
    ax = plots.plot_reliability(bg.reliability(p, [0] * 44 + [1] * 6 + [0] * 50, bins=2), scale="logit")
    np.testing.assert_allclose(dots(ax)[0].get_xydata(), [[0.9, 0.88], [0.9999, 0.9999]])
    assert ax.get_xlim()[1] > 0.9999 and [t.get_text() for t in ax.get_xticklabels()][-2:] == ["0.999", "0.9999"]
    with pytest.raises(ValueError, match="scale must be 'linear' or 'logit', not 'log'"):
        plots.plot_reliability(judged().reliability(), scale="log")


def test_confusion_has_its_counts_where_they_belong():
    found = judged()
    ax = plots.plot_confusion(found)
    shown = {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text()) for t in ax.texts}
    counts = found.confusion.to_numpy()
    assert shown == {at: value for at, value in np.ndenumerate(counts) if value}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["ant", "bee", "long-horned beetle"]
    assert ax.get_title().startswith(f"{np.trace(counts)} of {counts.sum()} right")
    tones = ax.images[0].get_array()
    assert (tones[counts == 0][:, :3] == 1).all() and (tones[counts > 0][:, :3] != 1).any(axis=1).all()
    same = plots.plot_confusion(pd.DataFrame(counts, found.confusion.index, found.confusion.columns))
    np.testing.assert_array_equal(same.images[0].get_array(), tones)


@pytest.mark.parametrize("plot", ["plot_reliability", "plot_confusion"])
def test_they_draw_on_the_axes_given(plot):
    from matplotlib import pyplot as plt

    given = plt.figure().add_subplot()
    found = judged()
    assert getattr(plots, plot)(found if plot == "plot_confusion" else found.reliability(), ax=given) is given
