"""The stories' log densities as native functions: one file a prior.

`density_of` gives that of a model whose `Declaration` vouches for it. `native` lays out memory, `blocks` is the code
that all priors share, `weights`, `means` and `wishart` are the parts of u that several do, and `conjugate`,
`independent`, `hierarchical` and `lkj` each say what one prior does: ``ROUTINE``, its compiled code; ``constants``, what
that reads; ``variables`` and ``place``, from the unconstrained vector u to the story's variables and back.
"""

from bayesgmm.engines.density.native import Density, density_of

__all__ = ["Density", "density_of"]
