"""One browser and one JupyterLab for all tests here: each opens notebooks of its own, with kernels of their own."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser.desk import PATIENCE, Desk
from tests.browser.jupyter import jupyter_lab

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium():
    if not Path(CHROMIUM).is_file():
        pytest.fail(
            f"no browser at {CHROMIUM}: `apt-get install -y chromium`, or set CHROMIUM to another one."
        )
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def desk(chromium, tmp_path_factory):
    """A JupyterLab without keys, without settings and without runs of before."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "files").mkdir()
    with jupyter_lab(folder, {"SENDBLUE_DATA_JOURNAL": str(folder / "runs")}) as (url, token):
        yield Desk(chromium, url, token, folder / "files")
