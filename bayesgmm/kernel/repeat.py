"""One walk over the same rows after another, as a C function: a mixture a walk."""

from __future__ import annotations

from bayesgmm.kernel.compiler import external
from bayesgmm.kernel.library import WALK
from bayesgmm.kernel.views import i1

_walk = external(WALK["dd"])


def function(name):
    """The walks as a C function: what they say of each row; nothing is summed."""
    return _repeat


def _repeat(n_mixtures, x, row_stride, column_stride, n, n_components, n_features, n_factors, width,
            theta, step, log_prob, resp, n_resp, spare, memory):  # fmt: skip
    begin = i1(spare, (3,))
    means = theta + 8 * n_components
    factors = means + 8 * n_components * n_features
    for i in range(n_mixtures):
        for j in range(3):
            begin[j] = 0  # the counter of ranges, of which there is one, and a key that no draw asks for
        _walk(spare, x, row_stride, column_stride, n, n_components, n_features, n_factors, width,
              theta + i * step, means + i * step, factors + i * step, 0, 0, 0, spare + 8,
              log_prob + 8 * n * i, n, resp + 8 * n_resp * n_components * i, n_resp,
              1, spare + 24, 0, 0, 0, memory)  # fmt: skip
    return 0
