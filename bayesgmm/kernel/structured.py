"""The M-step of covariances that are built of volumes, shapes and axes, in compiled code."""

from __future__ import annotations

import numpy as np

from bayesgmm.kernel.evaluate import address
from bayesgmm.kernel.library import MSTEP, function

#: How a part of all Σ_k may be built: one for all components, one for each, or none of its own. As `structure` has it.
PARTS = {"E": 0, "V": 1, "I": 2}


def structured(code: str, scatters, counts, near=None) -> np.ndarray:
    """The Σ (K, D, D) of a structure that maximise −½ Σ_k (N_k log|Σ_k| + tr Σ_k⁻¹ S_k).

    Parameters
    ----------
    code : str
        Three letters, for volume, shape and axes, as Celeux & Govaert (1995) name them: "VEI".
    scatters, counts : ndarray (K, D, D), (K,)
        S and N.
    near : ndarray (K, D, D), optional
        Covariances of the structure, where the search for volumes or axes begins; what is found is no worse.

    Raises
    ------
    LinAlgError
        If a covariance has no volume.

    Examples
    --------
    >>> import numpy as np
    >>> structured("VEI", np.array([np.diag([2.0, 8.0]), np.diag([1.0, 4.0])]), np.array([2.0, 1.0])).tolist()
    [[[1.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 4.0]]]
    """
    scatters = np.ascontiguousarray(scatters, dtype=float)
    counts = np.ascontiguousarray(counts, dtype=float)
    near = None if near is None else np.ascontiguousarray(near, dtype=float)
    found, (k, d) = np.empty_like(scatters), scatters.shape[:2]
    begin = 0 if near is None else address(near)
    parts = (PARTS[letter] for letter in code)
    if function(MSTEP)(*parts, k, d, address(scatters), address(counts), begin, address(found)):
        raise np.linalg.LinAlgError("a covariance has no volume")
    return found
