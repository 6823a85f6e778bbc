"""Of 200 000 rows, figures draw counts, never a marker each."""

import numpy as np
import pytest

from bayesgmm import plots
from bayesgmm.plots.plane import MOST_MARKERS

from .conftest import made_up

pytestmark = pytest.mark.usefixtures("labels_that_hold")


@pytest.fixture(scope="module")
def many():
    return made_up(3, 2, 200_000)


def heaviest(axes) -> int:
    """Markers, or vertices, of the heaviest thing drawn."""
    most = 0
    for ax in axes:
        most = max([most, *(len(line.get_xdata()) for line in ax.lines), *map(elements, ax.collections)], default=0)
    return most


def elements(collection) -> int:
    paths = collection.get_paths()
    return max(len(collection.get_offsets()), len(paths), *(len(path.vertices) for path in paths), 0)


@pytest.mark.parametrize("plot, options", [
    ("plot_components", {}), ("plot_components", {"features": "width"}), ("plot_density", {}),
    ("plot_density", {"features": 0}), ("plot_pairs", {}), ("plot_membership", {}),
    ("plot_membership", {"kind": "bars"}),
])  # fmt: skip
def test_figures_stay_light(many, plot, options):
    mixture, x, draws = many
    made = getattr(plots, plot)(*((draws,) if plot != "plot_pairs" else (mixture, x)), **options)
    axes = [ax for ax in np.atleast_1d(made).flat if ax is not None]
    assert 0 < heaviest(axes) <= MOST_MARKERS
