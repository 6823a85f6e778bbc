"""The log density of a story that declares nothing, as a program of `bayesgmm.tape`, or in PyTensor's Python code."""

from __future__ import annotations

import numpy as np

from bayesgmm.ppl.surface import Surface


class Traced:
    """log p(u, x) and its gradient, as `native.Density` gives them, of any story.

    Parameters
    ----------
    surface : Surface
        Raises `Untraceable` if an operation of the story has no instruction.
    """

    def __init__(self, surface: Surface):
        self._surface, self._program = surface, surface.density()

    @property
    def size(self) -> int:
        """p, the length of u."""
        return self._program.size

    def variables(self, u) -> dict[str, np.ndarray]:
        """The story's free and deterministic variables, and the mixture's parameters, at points u (…, p)."""
        return self._surface.variables(u)

    @property
    def pointer(self) -> tuple[int, int]:
        """Addresses of the C function (p, u, gradient, value, program) and of its program, valid while this lives."""
        return self._program.pointer

    def __call__(self, u) -> tuple[float, np.ndarray]:
        """Log density at u (p,) and gradient (p,); −inf and zeros where it is not finite."""
        return self._program(u)


class Interpreted:
    """The same where a tape cannot hold an operation: slow, and nothing that a sampler could call.

    Parameters
    ----------
    surface : Surface
    """

    pointer = 0, 0

    def __init__(self, surface: Surface):
        self._surface, self.variables, self.size = surface, surface.variables, len(surface.start)

    def __call__(self, u) -> tuple[float, np.ndarray]:
        """Log density at u (p,) and gradient (p,); −inf and zeros where there is no mixture."""
        try:
            return self._surface.log_posterior(u, jacobian=True)[:2]
        except np.linalg.LinAlgError:
            return -np.inf, np.zeros(self.size)
