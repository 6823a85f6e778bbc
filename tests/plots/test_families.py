"""The picture of the fourteen families: what it draws is of the family it names."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from bayesgmm import plots
from bayesgmm.families import FAMILIES, UNIVARIATE
from bayesgmm.plots.families import example

COUNTS = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda f: f.code)
def test_examples_are_of_their_family_and_of_none_that_it_holds(kind):
    covariances = example(kind)
    for other in FAMILIES:
        again = other.m_step(COUNTS[:, None, None] * covariances, COUNTS)
        gap = np.abs(again - covariances).max() / covariances.max()
        # Another family holds it only if it may vary wherever this one does.
        wider = all(b in (a, "V") or (a == "I" and b == "E") for a, b in zip(kind.letters, other.letters, strict=True))
        assert (gap < 1e-8) == wider, other.code


def test_one_family_is_drawn_where_it_is_wanted():
    _, ax = plt.subplots()
    assert plots.plot_families("full", ax=ax) is ax and ax.get_title() == "VVV  (full)"
    with pytest.raises(ValueError, match="fourteen families do not fit into one Axes"):
        plots.plot_families(ax=ax)
    with pytest.raises(ValueError, match="for one feature"):
        plots.plot_families(UNIVARIATE[0])
    plt.close("all")
