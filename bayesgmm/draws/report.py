"""What matching labels did: R-hat before and after, and how sure the labels are."""

from __future__ import annotations

import numpy as np

from bayesgmm.draws.confidence import confidence
from bayesgmm.draws.convergence import convergence
from bayesgmm.draws.diagnose import parameters
from bayesgmm.draws.labels import relabel
from bayesgmm.draws.mixtures import MixtureDraws, group_of
from bayesgmm.draws.parts import read_any

# A label is in doubt in a draw where its probability of being right is less than this.
DOUBTFUL = 0.9


def label_report(draws):
    """A row a component: what matching its labels did, and how sure they are.

    Parameters
    ----------
    draws : xarray.DataTree
        As `relabel` returns them; draws without its record are relabelled first.

    Returns
    -------
    pandas.DataFrame
        Over components: ``r_hat_before`` and ``r_hat_after``, the largest R-hat of the parameters under this label as
        they were sampled and as they are; ``moved``, the share of draws in which the component had another number;
        ``confidence``, the posterior mean of the probability that its label is right (`bayesgmm.draws.confidence`),
        and ``doubtful``, the share of draws in which that is below 0.9. ``.attrs["labelling"]`` is the method.

    Raises
    ------
    ValueError
        If `draws` is no posterior of a mixture.

    Notes
    -----
    A small R-hat after matching does not show that labels are right: where components overlap, every chain is cut in
    the same wrong place. That is what ``confidence`` is for.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesgmm.draws import from_arrays
    >>> rng = np.random.default_rng(0)
    >>> means = np.array([[0.0], [9.0]]) + 0.1 * rng.standard_normal((4, 500, 2, 1))
    >>> means[3] = means[3, :, ::-1]
    >>> label_report(from_arrays(np.full((4, 500, 2), 0.5), means, np.ones((4, 500, 2, 1, 1)))).round(2)
               r_hat_before  r_hat_after  moved  confidence  doubtful
    component
    0                  1.53          1.0   0.25         1.0       0.0
    1                  1.53          1.0   0.25         1.0       0.0
    """
    import pandas as pd

    stats = group_of(draws, "sample_stats")
    matched = draws if stats is not None and "permutation" in stats else relabel(draws)
    mixtures = read_any(matched)
    orders = matched["sample_stats"]["permutation"].transpose("chain", "draw", "component").values
    orders = orders.reshape(mixtures.weights.shape)
    sure = confidence(mixtures)
    columns = {
        "r_hat_before": _worst(mixtures.permute(np.argsort(orders, axis=1))),
        "r_hat_after": _worst(mixtures),
        "moved": (orders != _usual(orders)).mean(axis=0),
        "confidence": sure.mean(axis=0),
        "doubtful": (sure < DOUBTFUL).mean(axis=0),
    }
    table = pd.DataFrame(columns, index=pd.RangeIndex(mixtures.n_components, name="component"))
    table.attrs["labelling"] = matched.attrs.get("labelling", "unknown")
    return table


def _worst(mixtures: MixtureDraws) -> list[float]:
    """The largest R-hat among the parameters of each component; NaN if none varies."""
    found = convergence(parameters(mixtures), mixtures.n_chains)["r_hat"]
    component = [int(name.partition("[")[2].rstrip("]").partition(",")[0]) for name in found.index]
    return found.groupby(component).max().tolist()


def _usual(orders: np.ndarray) -> np.ndarray:
    """The most frequent order (K,)."""
    found, counts = np.unique(orders, axis=0, return_counts=True)
    return found[counts.argmax()]
