"""Made-up data and posteriors, quick to make and shaped like real ones."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest

from bayesgmm.draws.mixtures import from_arrays
from bayesgmm.mixture import Mixture

matplotlib.use("Agg")

NAMES = ("length", "width", "depth", "mass", "age")


def made_up(n_components, n_features, n_obs=90):
    """mixture, x, draws."""
    mixture = true_mixture(n_components, n_features)
    x, _ = mixture.sample(n_obs, seed=3)
    return mixture, x, posterior_like(mixture, x)


def true_mixture(n_components, n_features, seed=1):
    rng = np.random.default_rng(seed)
    means = 5.0 * rng.standard_normal((n_components, n_features)) + 40.0
    factors = 0.4 * rng.standard_normal((n_components, n_features, n_features)) + np.eye(n_features)
    weights = rng.dirichlet(np.full(n_components, 8.0))
    return Mixture(weights, means, factors @ factors.swapaxes(-1, -2), features=NAMES[:n_features])


def posterior_like(mixture, x, chains=2, n_draws=40, seed=0):
    """Draws scattered about a mixture about as widely as a posterior of N rows would be."""
    rng = np.random.default_rng(seed)
    counts, d, lead = len(x) * mixture.weights, mixture.n_features, (chains, n_draws)
    weights = rng.dirichlet(counts + 1.0, size=lead)
    noise = rng.standard_normal((*lead, *mixture.means.shape)) / np.sqrt(counts)[:, None]
    means = mixture.means + np.einsum("kij,...kj->...ki", mixture.scale_trils, noise)
    factor = np.tril(rng.standard_normal((*lead, *mixture.covariances.shape))) / np.sqrt(2 * counts)[:, None, None]
    scale = mixture.scale_trils @ (np.eye(d) + factor)
    stats = {"lp": rng.standard_normal(lead), "diverging": np.zeros(lead, bool)}
    stats["energy"] = rng.standard_normal(lead)
    return from_arrays(weights, means, scale @ scale.swapaxes(-1, -2), x=x, features=mixture.features,
                       sample_stats=stats)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Every test starts without figures; the global settings are the same after it."""
    from matplotlib import pyplot as plt

    plt.close("all")
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    plt.close("all")


@pytest.fixture
def labels_that_hold(monkeypatch):
    """Figures without their verdicts on labels, which take half of the time and are held by tests of their own."""
    monkeypatch.setattr("bayesgmm.plots.style.diagnose", lambda draws: SimpleNamespace(labels_hold=True))


SIZES = [(k, d) for k in (1, 2, 5) for d in (1, 2, 5)]


@pytest.fixture(params=SIZES, ids=lambda size: f"K{size[0]}-D{size[1]}")
def case(request):
    """mixture, x, draws for every pair of K and D."""
    return made_up(*request.param)


@pytest.fixture
def plane():
    """The same with two components in two features."""
    return made_up(2, 2)


@pytest.fixture
def make():
    """The maker itself: make(K, D, N)."""
    return made_up
