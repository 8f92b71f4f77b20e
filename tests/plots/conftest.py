"""Plots are drawn without a screen; a figure that a test opens is closed after it."""

import matplotlib as mpl
import pytest

mpl.use("agg")


@pytest.fixture(autouse=True)
def closed_figures(monkeypatch):
    from matplotlib import pyplot as plt

    from sendblue_data import plots

    def shown(*_args, **_options):
        pytest.fail("a plot called show")

    monkeypatch.setattr(plt, "show", shown)
    yield
    plt.close("all")
    plots.use_style("light")
    mpl.rcdefaults()
    mpl.use("agg")
