"""One look for every figure: colours, type, legends and how a figure is saved."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib import colors as mpl_colors
from matplotlib import patheffects
from matplotlib import pyplot as plt
from matplotlib.transforms import ScaledTranslation

from bayesgmm.draws.diagnose import diagnose

#: Colours of components 0, 1, 2, …. Six of Okabe & Ito's, the most distant ones first (their yellow is lost on white
#: and their black is the ink); then a dark red, indigo, olive and brown, told apart by lightness as well as hue.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#661100", "#332288", "#999933", "#8C510A")
#: Colours of chains: greys of blue and brown, so that a chain is never mistaken for a component.
CHAINS = ("#22313F", "#7F8FA6", "#B08968", "#A9C1D9", "#6D4C41", "#5E7A99", "#D4B483", "#3E5C76")
INK = "#222222"
ALERT = "#D55E00"
PALE = "#8A8A8A"
WASH = "#D9DDE1"

_DARKER = 0.65
_LOOK = {
    "figure.facecolor": "white",
    "savefig.facecolor": "auto",
    "axes.facecolor": "white",
    "axes.edgecolor": "#777777",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": "#777777",
    "ytick.color": "#777777",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": False,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "normal",
    "axes.labelsize": 9.5,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 2.6,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.4,
    "figure.dpi": 100,
    "axes.prop_cycle": matplotlib.cycler(color=CHAINS),
}


@contextmanager
def look():
    """The package's look for as long as the block (or the function it decorates) lasts; the settings come back after.

    Examples
    --------
    >>> import matplotlib
    >>> before = matplotlib.rcParams["font.size"]
    >>> with look():
    ...     inside = matplotlib.rcParams["font.size"]
    >>> inside, matplotlib.rcParams["font.size"] == before
    (9.0, True)
    """
    # A backend that is loaded for the first figure sets what it likes, as a notebook's does to show figures at the end
    # of a cell; were it loaded within the context, that would be undone. This loads it, and does nothing else.
    plt.draw_if_interactive()
    with matplotlib.rc_context(_LOOK):
        yield


def component_colors(n_components: int) -> list[str]:
    """The colours of components 0 … K−1, the same in every figure.

    The first ten stay apart in common forms of colour blindness; each further ten are the same made darker.

    Parameters
    ----------
    n_components : int
        K.

    Returns
    -------
    list of str
        K colours as hexadecimal strings.

    Examples
    --------
    >>> component_colors(3)
    ['#0072B2', '#D55E00', '#009E73']
    """
    rounds, places = np.divmod(np.arange(n_components), len(PALETTE))
    return [_darkened(PALETTE[place], _DARKER**turn) for turn, place in zip(rounds, places)]


def save(obj, path) -> Path:
    """Save a figure at 150 dots an inch, trimmed to what is drawn, and close it.

    Parameters
    ----------
    obj : Axes, array of Axes, Figure or arviz PlotCollection
        Whatever a plotting function gave back.
    path : str or path
        The ending says the format: ``.png``, ``.pdf``, ``.svg``, ….

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        If `obj` belongs to no matplotlib figure.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib import pyplot as plt
    >>> folder = tempfile.TemporaryDirectory()
    >>> save(plt.figure(), folder.name + "/empty.png").name
    'empty.png'
    >>> folder.cleanup()
    """
    figure, path = figure_of(obj), Path(path)
    with look():
        figure.savefig(path, dpi=150, bbox_inches="tight", pad_inches=0.08)
    plt.close(figure)
    return path


def figure_of(obj):
    """The matplotlib figure behind Axes, an array of Axes, a Figure or a PlotCollection."""
    if hasattr(obj, "viz"):
        obj = obj.viz["figure"].item()
    elif isinstance(obj, list | tuple | np.ndarray):
        obj = next(iter(np.asarray(obj, dtype=object).flat), None)
    figure = obj
    while not hasattr(figure, "savefig") and getattr(figure, "figure", None) not in (None, figure):
        figure = figure.figure
    if not hasattr(figure, "savefig"):
        raise TypeError(f"Axes, arrays of Axes, figures and PlotCollections can be saved, not {type(obj).__name__}")
    return figure


def new_axes(size: tuple[float, float], n_rows: int = 1, n_columns: int = 1, **options):
    """Axes (n_rows, n_columns) of a new figure, whose parts make room for each other."""
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False, **options)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    return axes


def legend(ax, handles, *, own: bool, n_columns: int = 3, below: float = 40.0):
    """A legend where it covers nothing: under a figure of our own, or small under the Axes that somebody gave."""
    if own:
        columns = min(n_columns, len(handles))
        return ax.figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.6)
    # So many points down, whatever the height of the Axes: forty are below tick labels and an axis label of two lines.
    under = ax.transAxes + ScaledTranslation(0.0, -below / 72.0, ax.figure.dpi_scale_trans)
    place = dict(loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=under)
    # Components are numbered where they lie, or named on an axis; a small figure has no room to list them again.
    handles = [h for h in handles if not str(h.get_label()).startswith("component ")] or handles
    # In as many columns as the widest label, in points, leaves room for, the margins of the Axes counted.
    widest = 3.9 * max(len(str(h.get_label())) for h in handles) + 26.0
    columns = int(np.clip(1.25 * 72.0 * inches(ax)[0] / widest, 1, len(handles)))
    return ax.legend(handles=handles, **place, ncols=columns, fontsize=7.0, borderaxespad=0.0, columnspacing=1.0,
                     handlelength=1.8)  # fmt: skip


def inches(ax) -> tuple[float, float]:
    """Width and height of Axes, as far as they are known before a layout is made."""
    return tuple(ax.get_window_extent().size / ax.figure.dpi)


def density_label(ax, name: str) -> str:
    """What the axis of a density of a feature is called, in two lines where one would be longer than the axis."""
    break_ = " " if inches(ax)[1] > 2.4 + 0.08 * max(0, len(name) - 8) else "\n"
    return f"density{break_}(per unit of {name})"


def doubt(ax, draws, *, own: bool, heading=None) -> None:
    """Say on a figure of single components, in the words of the verdict, if their labels are uncertain.

    Above the panels of a figure of our own, or over the `heading` if a legend is there; in a line of the title of Axes
    that somebody gave.
    """
    found = diagnose(draws)
    if found.labels_hold:
        return
    text = fill(found.verdict.capitalize() + ": " + found.text, int(ax.figure.get_figwidth() * 15))
    if heading is not None:
        heading.set_title(text, prop={"size": 8.0})
        heading.get_title().set(color=ALERT, ha="center", ma="center")
    elif own:
        ax.figure.suptitle(text, fontsize=8.0, color=ALERT)
    else:
        ax.set_title(f"{found.verdict}: see diagnose(draws)\n{ax.get_title()}".rstrip(), color=ALERT)


def halo(width: float = 2.0) -> list:
    """A white edge that keeps a line readable on points of any colour."""
    return [patheffects.withStroke(linewidth=width, foreground="white", alpha=0.8)]


def _darkened(color: str, factor: float) -> str:
    return mpl_colors.to_hex(np.array(mpl_colors.to_rgb(color)) * factor).upper()
