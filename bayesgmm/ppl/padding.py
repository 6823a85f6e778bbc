"""PyMC may hand parameters to a density with leading axes of length one."""


def unpadded(parameter, rank: int):
    """A parameter (1, …, 1, *shape) with only its last ``rank`` axes."""
    return parameter[(0,) * (parameter.ndim - rank)]
