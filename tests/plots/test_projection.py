"""What the figure of a projection shows, in numbers."""

import numpy as np
import pytest
from scipy.stats import chi2

import bayesgmm as bg

from .conftest import made_up


def test_rows_and_ellipses_are_those_of_the_projection():
    mixture, x, _ = made_up(3, 5)
    found = bg.project(mixture, x)
    ax = bg.plot_projection(found, level=0.8)
    drawn = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(found.scores[:, 0]))
    for k in range(3):
        (curve,) = (line for line in ax.lines if line.get_gid() == f"point-{k}")
        gap = curve.get_xydata() - found.mixture.means[k, :2]
        precision = np.linalg.inv(found.mixture.covariances[k][:2, :2])
        np.testing.assert_allclose(np.einsum("ni,ij,nj->n", gap, precision, gap), chi2.ppf(0.8, 2))
    assert found.named(0) in ax.get_xlabel() and found.named(1) in ax.get_ylabel()


def test_mistakes_get_a_sentence():
    mixture, _, _ = made_up(3, 5)
    with pytest.raises(ValueError, match="directions must be two of"):
        bg.plot_projection(mixture, directions=(1, 1))
    with pytest.raises(ValueError, match="level"):
        bg.plot_projection(mixture, level=1.0)
    flat = bg.Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 0.0]], np.tile(np.eye(2), (2, 1, 1)))
    with pytest.raises(ValueError, match="one direction alone"):
        bg.plot_projection(flat)
