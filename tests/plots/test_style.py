import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from bayesgmm.plots import component_colors, plot_comparison, plot_components, plot_ranks, save
from bayesgmm.plots.style import PALETTE

# How the three kinds of dichromats see linear RGB: Machado, Oliveira & Fernandes (2009), severity 1.
VISIONS = {
    "usual": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(color, vision):
    c = np.array(to_rgb(color))
    linear = np.clip(vision @ np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4), 0, 1)
    xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]] @ linear
    f = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(f > 0.008856, np.cbrt(f), 7.787 * f + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_stay_apart_in_colour_blindness(vision):
    seen = [lab(c, np.array(VISIONS[vision])) for c in PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 8
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen[:6], 2)) > 14


def test_a_component_keeps_its_colour():
    assert component_colors(12)[:5] == component_colors(5) == list(PALETTE[:5])
    assert len(set(component_colors(30))) == 30


def test_figures_are_light_on_dark_pages(plane):
    with plt.style.context("dark_background"):
        ax = plot_components(plane[2])
        assert to_rgb(ax.figure.get_facecolor()) == (1.0, 1.0, 1.0)
        assert sum(to_rgb(ax.xaxis.label.get_color())) < 1


def test_save_takes_whatever_a_plot_gives_back(plane, tmp_path):
    mixture, _, draws = plane
    made = {"axes": plot_components(draws), "array": plot_comparison(mixture, draws), "collection": plot_ranks(draws),
            "figure": plt.figure()}  # fmt: skip
    for name, obj in made.items():
        assert save(obj, tmp_path / f"{name}.png").stat().st_size > 0
    assert plt.get_fignums() == []
    assert save(plot_components(draws), str(tmp_path / "a.svg")).exists()
    with pytest.raises(TypeError, match="str"):
        save("figure", tmp_path / "b.png")


def test_what_a_backend_sets_when_it_is_loaded_outlasts_the_first_figure(tmp_path):
    """A notebook's turns interactive mode on, without which no later cell shows its figure."""
    source = "from matplotlib.backends.backend_agg import *\nimport matplotlib\nmatplotlib.interactive(True)\n"
    (tmp_path / "notebooks_own.py").write_text(source)
    code = "import matplotlib, bayesgmm as bg; bg.plot_gaussian(kind='contours'); assert matplotlib.is_interactive()"
    environment = {**os.environ, "MPLBACKEND": "module://notebooks_own", "PYTHONPATH": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_the_package_is_light_until_something_is_drawn():
    code = "import bayesgmm, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
