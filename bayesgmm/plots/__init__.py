"""Figures: one a function. Each takes `ax` (or `axes`) and gives back what it drew on; none shows or saves by itself.

The only room that imports matplotlib. Nothing here changes matplotlib's global settings.
"""

from .calibration import plot_calibration
from .checks import plot_predictive_check
from .comparison import plot_comparison
from .components import plot_components
from .diagnostics import plot_ranks, plot_trace
from .memberships import plot_membership
from .prior import plot_prior
from .style import component_colors, look, save

__all__ = [
    "component_colors",
    "look",
    "plot_calibration",
    "plot_comparison",
    "plot_components",
    "plot_membership",
    "plot_predictive_check",
    "plot_prior",
    "plot_ranks",
    "plot_trace",
    "save",
]
