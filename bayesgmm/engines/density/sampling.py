"""A native density as nutpie's samplers take one: C functions, so that chains never wait for Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from nutpie import _lib
from nutpie.sample import CompiledModel

from bayesgmm.engines.density.blocks import KEEP
from bayesgmm.kernel.library import address

# The one variable of the draws: the unconstrained vector.
POINT, DIM = "u", "position"


@dataclass(frozen=True)
class NativeModel(CompiledModel):
    """What nutpie samples; `start` maps a seed to a starting point u (p,)."""

    density: object  # with a size and a C pointer
    start: Callable[[int], np.ndarray]

    @property
    def n_dim(self):
        """p."""
        return self.density.size

    @property
    def shapes(self):
        """The shape of each variable that a draw has."""
        return {POINT: (self.n_dim,)}

    @property
    def coords(self):
        """Positions in u."""
        return {DIM: np.arange(self.n_dim)}

    def _make_sampler(self, settings, init_mean, cores, progress_type, extra_callback, extra_callback_rate, store):
        model = self._make_model(init_mean)
        return _lib.PySampler.from_pymc(
            settings, cores, model, progress_type, extra_callback, extra_callback_rate, store
        )

    def _make_model(self, init_mean):
        n, (value_and_gradient, problem) = self.n_dim, self.density.pointer
        density = _lib.LogpFunc(value_and_gradient, problem, self)
        keep = _lib.ExpandFunc(n, n, address(KEEP), problem, self)
        sizes, dims = {DIM: n}, {POINT: (DIM,)}
        variables = _lib.PyVariable.new_variables([POINT], ["float64"], [(n,)], sizes, dims)
        return _lib.PyMcModel(density, keep, variables, n, sizes, self.coords, self.start, None)
