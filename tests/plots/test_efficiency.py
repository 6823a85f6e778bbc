import numpy as np
import pytest

from bayesgmm.plots import plot_energy, plot_ess


@pytest.mark.parametrize("kind", ["evolution", "local", "quantile"])
def test_ess_of_every_parameter_that_varies(make, kind):
    draws = make(2, 1)[2]
    collection = plot_ess(draws, "means", kind=kind)
    ax = collection.get_target("means", {"component": 1, "feature": "length"})
    assert ax.get_title() == "mean of length, component 1"
    assert len(collection.viz["figure"].item().axes) == 2


def test_ess_ends_at_what_arviz_says_of_all_draws(make):
    import arviz as az

    draws = make(2, 1)[2]
    collection = plot_ess(draws, "means")
    ax = collection.get_target("means", {"component": 0, "feature": "length"})
    values = draws.posterior["means"].values[..., 0, 0]
    ends = [line.get_ydata()[-1] for line in ax.lines if len(line.get_xdata()) > 2]
    assert np.isclose(ends, float(az.ess(values, method="bulk")), rtol=1e-6).any()


def test_energy_has_a_point_a_chain(make):
    axes = plot_energy(make(1, 1)[2]).viz["figure"].item().axes
    assert [ax.get_xlabel() for ax in axes] == ["BFMI", "energy, less its mean"]
    assert list(axes[0].get_yticks()) == [0, 1]


def test_errors_say_what_to_do(make):
    draws = make(2, 1)[2]
    with pytest.raises(ValueError, match="'evolution'"):
        plot_ess(draws, kind="rank")
    del draws["sample_stats"]
    with pytest.raises(ValueError, match="no energy"):
        plot_energy(draws)
