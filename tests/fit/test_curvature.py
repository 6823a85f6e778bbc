"""The curvature from one pass over the rows equals differences of the gradient."""

import numpy as np
import pytest

import bayesgmm as bg
from bayesgmm.engines.density import density_of
from bayesgmm.fit.curvature import observed_curvature
from bayesgmm.fit.mode import hessian, summit
from bayesgmm.models import finite_mixture
from bayesgmm.ppl.surface import Surface


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_equals_differences_of_the_gradient(covariance_type):
    x = bg.load_dataset("faithful")
    model = finite_mixture(x, 2, covariance_type=covariance_type, case_weights=np.tile([1.0, 2.0], len(x) // 2))
    density, surface = density_of(model), Surface(model)
    mode = summit(density, density.place(bg.fit_map(model, seed=0).mixture), len(x))
    for u in (mode.point, mode.point + 0.1 * np.random.default_rng(0).standard_normal(len(mode.point))):
        expected = -hessian(density, u)
        scale = np.sqrt(np.abs(np.outer(np.diag(expected), np.diag(expected))))
        assert (np.abs(observed_curvature(surface, u) - expected) < 1e-6 * scale).all()
