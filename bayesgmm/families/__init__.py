"""How Σ_k may be built: one small value a structure. The only room that compares covariance-structure strings.

    `base`          what every family is and does; the M-steps themselves are `kernel.structure`
    `classic`       scikit-learn's four, which have a prior to sample from
    `parsimonious`  the other ten, with penalties in its place, and E and V of one feature
    `densities`     of covariances
    `coordinates`   free ones, where what is shared makes a family curved
    `factorial`     the eight of factors, Λ_kΛ_kᵀ + Ψ_k, which have statistics of their own
"""

from bayesgmm.families.base import ANY_MAP, EACH_SCALE, ONLY_FOUR, ROTATION, Family
from bayesgmm.families.classic import Diagonal, Full, Spherical, Tied
from bayesgmm.families.densities import draw_wishart
from bayesgmm.families.factorial import FACTOR_CODES, FactorModel, principal_loadings
from bayesgmm.families.parsimonious import Equal, Parsimonious, Varying

#: The four that have a prior to sample from.
WITH_PRIORS: tuple[Family, ...] = (Full(), Tied(), Diagonal(), Spherical())
_KNOWN = {kind.code: kind for kind in WITH_PRIORS}
_CODES = "EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV"
#: All fourteen of several features, the fewest parameters first, as mclust lists them.
FAMILIES: tuple[Family, ...] = tuple(_KNOWN.get(code) or Parsimonious(code) for code in _CODES.split())
#: The two of one feature.
UNIVARIATE: tuple[Family, ...] = (Equal(), Varying())
_NAMED = {name: kind for kind in (*FAMILIES, *UNIVARIATE) for name in (kind.alias, kind.code)}

__all__ = ["ANY_MAP", "EACH_SCALE", "FACTOR_CODES", "FAMILIES", "ROTATION", "UNIVARIATE", "WITH_PRIORS", "Diagonal",
           "Equal", "FactorModel", "Family", "Full", "Parsimonious", "Spherical", "Tied", "Varying", "draw_wishart",
           "family", "principal_loadings", "univariate"]  # fmt: skip


def family(covariance_type, n_features: int | None = None, *, sampled: bool = False) -> Family:
    """Look a family up by scikit-learn's name or mclust's code; a family is returned as it is.

    Parameters
    ----------
    covariance_type : str or Family
        "full" (VVV), "tied" (EEE), "diag" (VVI), "spherical" (VII), or a code: EII VII EEI VEI EVI VVI EEE VEE EVE
        VVE EEV VEV EVV VVV; for one feature, E or V.
    n_features : int, optional
        D. Of one feature there is nothing but a volume: codes of several are E or V there, by their first letter.
    sampled : bool
        Ask for a family that has a prior to sample from.

    Raises
    ------
    ValueError
        If there is no such family; the message lists those there are. If it is not one for D features, or has no prior.

    References
    ----------
    Banfield & Raftery (1993) and Celeux & Govaert (1995) for the codes.

    Examples
    --------
    >>> family("full").code, family("VVI").alias
    ('VVV', 'diag')
    >>> family("VEI", n_features=1).code
    'V'
    """
    found = covariance_type if isinstance(covariance_type, Family) else None
    if isinstance(covariance_type, str):
        found = _NAMED.get(covariance_type)
    if found is None:
        names = ", ".join(repr(f.alias) for f in WITH_PRIORS)
        raise ValueError(f"covariance_type {covariance_type!r} is not known; use one of {names}, or a code: {_CODES}; "
                         "E or V for one feature")  # fmt: skip
    if n_features == 1 and isinstance(found, Parsimonious):
        found = UNIVARIATE[found.letters[0] == "V"]
    if n_features is not None and n_features > 1 and found in UNIVARIATE:
        raise ValueError(f"covariance_type {found.code!r} is for one feature, and x has {n_features}: use "
                         f"{'EII, EEI or EEE' if found.is_shared else 'VII, VVI or VVV'}")  # fmt: skip
    if sampled and not isinstance(found, Full | Tied | Diagonal | Spherical):
        raise ValueError(f"covariance_type {found.alias!r} has no prior to sample from: {ONLY_FOUR}, or fit it with "
                         "fit_mle")  # fmt: skip
    return found


def univariate(covariance_type) -> Family:
    """What a family is of one feature: E or V, by whether volumes are equal.

    Examples
    --------
    >>> univariate("full").code, univariate("EVI").code
    ('V', 'E')
    """
    return UNIVARIATE[family(covariance_type).letters[0] == "V"]
