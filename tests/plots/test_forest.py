from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import bayesgmm as bg
from bayesgmm.plots import component_colors, plot_forest


def lines(ax, gid):
    """Ends (K, 2) of horizontal lines, from the top down."""
    return np.concatenate([[s[:, 0] for s in c.get_segments()] for c in ax.collections if c.get_gid() == gid])


def points(ax, gid):
    return np.concatenate([c.get_offsets()[:, 0] for c in ax.collections if c.get_gid() == gid])


def errors_of(mixture, *, columns=("se", "lower", "upper"), scale=0.1):
    """A table such as standard errors and the bootstrap have, with ends that name their row."""
    rows = {f"weights[{k}]": w for k, w in enumerate(mixture.weights)}
    for k in range(mixture.n_components):
        rows |= {f"means[{k}, {a}]": m for a, m in zip(mixture.features, mixture.means[k])}
        rows |= {f"covariances[{k}, {a}, {a}]": v for a, v in zip(mixture.features, np.diag(mixture.covariances[k]))}
    values = pd.Series(rows)
    table = pd.DataFrame({"se": scale * values, "lower": values * (1 - scale), "upper": values * (1 + 2 * scale)})
    return SimpleNamespace(table=table[list(columns)])


def test_posteriors_are_medians_with_equal_tailed_intervals(plane):
    mixture, _, draws = plane
    axes = plot_forest(mixture, draws)
    names = ["weight", "mean of length", "mean of width", "sd of length", "sd of width"]
    assert [ax.get_xlabel() for ax in axes] == names
    values = draws.posterior["means"].values[..., 1].reshape(-1, 2)
    np.testing.assert_allclose(lines(axes[2], "posterior-1.3"), np.quantile(values, [0.025, 0.975], axis=0).T)
    np.testing.assert_allclose(lines(axes[2], "posterior-3.6"), np.quantile(values, [0.25, 0.75], axis=0).T)
    np.testing.assert_allclose(points(axes[2], "posterior"), np.median(values, axis=0))
    sds = np.sqrt(draws.posterior["covariances"].values[..., 0, 0]).reshape(-1, 2)
    np.testing.assert_allclose(points(axes[3], "posterior"), np.median(sds, axis=0))
    faces = [c.get_facecolor() for c in axes[0].collections if c.get_gid() == "posterior"][0]
    from matplotlib.colors import to_rgba

    np.testing.assert_allclose(faces, [to_rgba(c) for c in component_colors(2)])


def test_estimates_and_their_intervals_follow_the_labels_of_the_posterior(plane):
    mixture, _, draws = plane
    turned = mixture.permute([1, 0])
    axes = plot_forest(turned, draws, errors=errors_of(turned))
    sds = np.sqrt(mixture.covariances[:, 1, 1])
    truths = (mixture.weights, *mixture.means.T, None, sds)
    for ax, truth in zip(axes, truths):
        if truth is not None:
            np.testing.assert_allclose(points(ax, "mixture"), truth)
    np.testing.assert_allclose(lines(axes[0], "mixture-1.3"), mixture.weights[:, None] * [0.9, 1.2])
    np.testing.assert_allclose(lines(axes[4], "mixture-1.3"), sds[:, None] * np.sqrt([0.9, 1.2]))


def test_standard_errors_alone_give_normal_intervals_and_derived_tables_count(make):
    mixture, _, draws = make(2, 1)
    errors = errors_of(mixture, columns=["se"])
    errors.derived = pd.DataFrame(
        {"lower": [1.0, 2.0], "upper": [3.0, 4.0]}, index=["sds[0, length]", "sds[1, length]"]
    )
    axes = plot_forest(mixture, draws, errors=[errors])
    half = 1.959963984540054 * 0.1 * mixture.weights
    expected = np.column_stack([mixture.weights - half, mixture.weights + half])
    np.testing.assert_allclose(lines(axes[0], "mixture-1.3"), expected)
    np.testing.assert_allclose(lines(axes[2], "mixture-1.3"), [[1, 3], [2, 4]])


def test_takes_the_tables_of_standard_errors_and_bootstrap(make):
    _, x, draws = make(2, 2)
    x = bg.as_table(x, features=("length", "width"))
    fit = bg.fit_mle(x, 2, starts=2, seed=0, progress=False)
    by_curvature = bg.standard_errors(fit, x)
    by_refits = bg.bootstrap(fit, x, replicates=30, seed=1, progress=False)
    axes = plot_forest(fit, fit, draws, errors=[by_curvature, by_refits], names=["se", "boot", "posterior"])
    weights = [f"weights[{k}]" for k in range(2)]
    for name, found in (("se", by_curvature), ("boot", by_refits)):
        expected = found.table.loc[weights, ["lower", "upper"]].to_numpy()
        drawn = lines(axes[0], f"{name}-1.3")
        np.testing.assert_allclose(drawn[np.argsort(drawn[:, 0])], expected[np.argsort(expected[:, 0])])
    sds = by_curvature.derived.loc[[f"sds[{k}, length]" for k in range(2)], ["lower", "upper"]]
    np.testing.assert_allclose(np.sort(lines(axes[3], "se-1.3"), axis=0), np.sort(sds.to_numpy(), axis=0))


def test_one_component_has_no_panel_of_weights(make):
    mixture, _, draws = make(1, 5)
    assert len(plot_forest(mixture, draws)) == 10


def test_names_of_several(plane):
    mixture, _, draws = plane
    axes = plot_forest(mixture, draws, draws)
    assert {"mixture", "posterior 1", "posterior 2"} <= {c.get_gid() for c in axes[0].collections}


def test_says_where_labels_are_uncertain(plane):
    from .test_checks import overlapping

    assert plot_forest(overlapping())[0].figure.get_suptitle().startswith("Labels uncertain")
    assert not plot_forest(plane[0], plane[2])[0].figure.get_suptitle()


def test_takes_axes(make):
    mixture, _, draws = make(2, 1)
    figure, given = plt.subplots(1, 3)
    assert list(plot_forest(mixture, draws, axes=given)) == list(given) and plt.get_fignums() == [figure.number]
    with pytest.raises(ValueError, match="3 panels"):
        plot_forest(mixture, draws, axes=given[:2])


def test_errors_say_what_to_do(plane, make):
    mixture, _, draws = plane
    with pytest.raises(ValueError, match="nothing to draw"):
        plot_forest()
    with pytest.raises(ValueError, match="point estimates"):
        plot_forest(draws, errors=[errors_of(mixture)] * 2)
    with pytest.raises(ValueError, match="one name each"):
        plot_forest(draws, names=["a", "b"])
    with pytest.raises(ValueError, match="number"):
        plot_forest(make(5, 2)[0], draws)
