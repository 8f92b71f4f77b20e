import io

import pytest
from PIL import Image

from sendblue_data.explorer import tab_plots


@pytest.fixture(autouse=True)
def journals(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(folder))
    return folder


@pytest.fixture
def unrendered(monkeypatch):
    """Plots are made and closed, and their words with them, but not painted: that is most of their time."""
    from matplotlib import pyplot as plt

    def save(axes, _dpi):
        file = io.BytesIO()
        Image.new("RGB", (2, 2), "white").save(file, "PNG")
        plt.close(axes.get_figure(root=True))
        return file, 1, 1

    monkeypatch.setattr(tab_plots, "save_png", save)
