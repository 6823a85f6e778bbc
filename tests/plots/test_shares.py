import numpy as np
import pytest
from matplotlib.colors import to_rgb

from bayesgmm.draws import membership
from bayesgmm.plots import component_colors, plot_membership
from bayesgmm.plots.shares import in_order


def test_rows_stand_by_component_and_falling_probability():
    p = np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    order, counts = in_order(p)
    assert order.tolist() == [1, 2, 0, 3] and counts.tolist() == [2, 2]


@pytest.mark.parametrize("n", [30, 90])
def test_bars_are_as_high_as_membership_says(make, n):
    _, _, draws = make(5, 1, n)
    ax = plot_membership(draws, kind="bars")
    p = membership(draws)["probability"].values
    p = p[in_order(p)[0]]
    for k, color in enumerate(component_colors(5)):
        if ax.images:  # as one picture, 200 pixels high
            is_k = (ax.images[0].get_array()[..., :3] == to_rgb(color)).all(axis=-1)
            np.testing.assert_allclose(is_k.mean(axis=0), p[:, k], atol=1 / 200)  # half a pixel at each end
        else:
            heights = np.zeros(n)
            for bar in ax.patches:
                if bar.get_facecolor()[:3] == to_rgb(color):
                    heights[round(bar.get_x() + bar.get_width() / 2)] += bar.get_height()
            np.testing.assert_allclose(heights, p[:, k], atol=1e-12)


def test_a_heat_map_is_as_deep_as_membership_says(make):
    _, _, draws = make(5, 2)
    ax = plot_membership(draws, kind="heatmap", ci_prob=0.8)
    found = membership(draws, ci_prob=0.8)
    p = found["probability"].values
    order = in_order(p)[0]
    picture = ax.images[0].get_array()
    np.testing.assert_allclose(picture[..., 3], p[order].T)
    np.testing.assert_allclose(picture[:, 0, :3], [to_rgb(c) for c in component_colors(5)])
    width = (found["upper"] - found["lower"]).values[np.arange(len(p)), p.argmax(axis=1)]
    np.testing.assert_allclose(ax.images[1].get_array()[0, :, 3], width[order])


def test_point_estimates_have_probabilities_without_intervals(make):
    mixture, x, _ = make(2, 2)
    ax = plot_membership(mixture, x, kind="heatmap")
    assert len(ax.images) == 1
    r = mixture.responsibilities(x)
    np.testing.assert_allclose(ax.images[0].get_array()[..., 3], r[in_order(r)[0]].T)
    assert "interval" not in " ".join(t.get_text() for t in plot_membership(mixture, x).figure.legends[0].texts)
    with pytest.raises(ValueError, match="give points as x"):
        plot_membership(mixture)


def test_errors_say_what_to_do(make):
    _, _, draws = make(2, 2)
    with pytest.raises(ValueError, match="'bars'"):
        plot_membership(draws, kind="pie")
    with pytest.raises(ValueError, match="every component"):
        plot_membership(draws, kind="bars", component=1)
