"""Figures: one a function. Each takes `ax` (or `axes`) and gives back what it drew on; none shows or saves by itself.

The only room that imports matplotlib. Nothing here changes matplotlib's global settings.
"""

from .calibration import plot_calibration
from .checks import plot_predictive_check
from .classification import plot_confusion, plot_reliability
from .comparison import plot_comparison
from .components import plot_components
from .diagnostics import plot_ranks, plot_trace
from .efficiency import plot_energy, plot_ess
from .families import plot_families
from .forest import plot_forest
from .gaussian import plot_gaussian
from .how_many import plot_how_many
from .memberships import plot_membership
from .pairs import plot_pairs
from .partitions import plot_partition, plot_similarity
from .predictive import plot_density
from .prior import plot_prior
from .projection import plot_projection
from .selection import plot_merging, plot_selection
from .style import component_colors, look, save

__all__ = [
    "component_colors",
    "look",
    "plot_calibration",
    "plot_comparison",
    "plot_components",
    "plot_confusion",
    "plot_density",
    "plot_energy",
    "plot_ess",
    "plot_families",
    "plot_forest",
    "plot_gaussian",
    "plot_how_many",
    "plot_membership",
    "plot_merging",
    "plot_pairs",
    "plot_partition",
    "plot_predictive_check",
    "plot_prior",
    "plot_projection",
    "plot_ranks",
    "plot_reliability",
    "plot_selection",
    "plot_similarity",
    "plot_trace",
    "save",
]
