"""Plain names of parameters, as titles say them."""

from __future__ import annotations

from textwrap import fill


def plain_name(variable: str, feature: str | None = None, other: str | None = None) -> str:
    """What a reader calls a parameter.

    Parameters
    ----------
    variable : str
        ``weights``, ``means``, ``covariances``, ``sds``, or any other variable's name.
    feature, other : str, optional
        The features it belongs to.

    Examples
    --------
    >>> plain_name("means", "waiting")
    'mean of waiting'
    >>> plain_name("covariances", "waiting", "waiting"), plain_name("covariances", "eruptions", "waiting")
    ('variance of waiting', 'covariance of eruptions, waiting')
    """
    if variable == "covariances" and other is not None:
        return f"variance of {feature}" if feature == other else f"covariance of {feature}, {other}"
    single = {"weights": "weight", "means": "mean", "covariances": "covariance", "sds": "sd"}.get(variable, variable)
    names = ", ".join(str(f) for f in (feature, other) if f is not None)
    return f"{single} of {names}" if names else single


def titled(name: str, component: int | None, width: int = 30) -> str:
    """A panel's title: the name and the component, in lines that fit a panel.

    Examples
    --------
    >>> titled("mean of waiting", 0)
    'mean of waiting, component 0'
    >>> titled("covariance of eruptions, waiting", 0)
    'covariance of eruptions,\\nwaiting, component 0'
    """
    whole = name if component is None else f"{name}, component {component}"
    # The last comma and what follows it stay together: "component" and its number never part.
    return fill(whole.replace("component ", "component\0"), width, break_long_words=False).replace("\0", " ")


def positions(known: tuple[str, ...], features, most: int) -> list[int]:
    """Positions of features given by name or position: one, or several, each once.

    Raises
    ------
    ValueError
        If one is unknown or named twice, or there are more than `most`.

    Examples
    --------
    >>> positions(("eruptions", "waiting"), "waiting", 2)
    [1]
    """
    asked = [features] if isinstance(features, str | int) else list(features)
    unknown = [f for f in asked if f not in known and f not in range(len(known))]
    places = [known.index(f) if f in known else int(f) for f in asked if f not in unknown]
    if unknown or not 1 <= len(places) <= most or len(set(places)) < len(places):
        how_many = {1: "one", 2: "one or two"}.get(most, f"one to {most}")
        raise ValueError(f"features must name {how_many} of {list(known)}, not {asked}")
    return places
