"""The notebooks are kept with their outputs, which give nothing away and are what a fresh run gives."""

import base64
import re
from pathlib import Path

import nbformat
import pytest

from notebooks import run

ROOT = Path(__file__).parent.parent
STORIES = [
    "01_first_look",
    "02_write_back",
    "03_segments",
    "04_opt_out_report",
    "05_verification",
    "06_opt_outs_over_time",
    "07_explorer",
    "08_import_a_list",
    "09_messages",
    "10_spark",
]
PLOTS = {
    "01_first_look": 3,
    "03_segments": 5,
    "04_opt_out_report": 4,
    "05_verification": 3,
    "06_opt_outs_over_time": 5,
    "09_messages": 4,
    "10_spark": 1,
}
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = re.compile(r'"image/png": "[^"]*"')
DRAWN = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
DRAWS = re.compile(r"^plots\.\w+\(", re.MULTILINE)
WIDGET = "application/vnd.jupyter.widget-view+json"
NEVER_SHOWN = {
    "a key or secret of the sandbox": re.compile(r"sandbox-[0-9a-f]{16}|\b(?!0{24})[0-9a-f]{32}\b"),
    "a path of this machine": re.compile(r"(?<![\w.<:/-])/(?:home|private|root|tmp|work|Users|usr|var|opt)/"),
    "a host's port": re.compile(r"(?:127\.0\.0\.1|localhost|0\.0\.0\.0):\d+"),
}


def kept(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def words(cell):
    """What another machine's run shows too: words and numbers, not pixels; of a widget, that it is there."""
    return [
        {kind: DRAWN.sub("", text) for kind, text in output.items() if kind not in {"image/png", WIDGET}}
        for output in run.shown(cell)
    ]


def given_away(text):
    return [what for what, pattern in NEVER_SHOWN.items() if pattern.search(text)]


def test_the_runner_finds_every_notebook():
    assert [path.stem for path in run.NOTEBOOKS] == STORIES


@pytest.mark.parametrize("name", STORIES)
def test_a_notebook_is_kept_as_it_ran(name):
    notebook = kept(name)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert len(cells) >= 10
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output.output_type for cell in cells for output in cell.outputs]
    assert len(kinds) >= 9
    assert "error" not in kinds
    assert not any("stderr" in output for cell in cells for output in run.shown(cell))


@pytest.mark.parametrize("name", STORIES)
def test_a_notebook_gives_nothing_away(name):
    text, pictures = PICTURE.subn("", (ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert pictures == PLOTS.get(name, 0)
    assert len(text) > 10_000
    assert given_away(text) == []


@pytest.mark.parametrize(
    "text", ["sandbox-0123456789abcdef", "0123456789abcdef" * 2, "at /tmp/x1", "http://127.0.0.1:40123/api"]
)
def test_what_is_given_away_is_found(text):
    assert len(given_away(text)) == 1


@pytest.mark.parametrize(("name", "plots"), PLOTS.items())
def test_a_cell_that_draws_shows_its_plot(name, plots):
    drawing = [cell for cell in code_cells(kept(name)) if DRAWS.search(cell.source)]
    assert len(drawing) == plots
    for cell in drawing:
        images = [output["image/png"] for output in run.shown(cell) if "image/png" in output]
        assert len(images) == 1, cell.source
        assert base64.b64decode(images[0]).startswith(PNG)


@pytest.mark.parametrize("name", STORIES)
def test_a_notebook_says_that_its_people_are_made_up(name):
    opening = kept(name).cells[0].source
    assert "sandbox on this machine: " in opening or "is a sandbox on this machine" in opening
    assert "synthetic people" in opening


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the kernel's client has its own
@pytest.mark.parametrize("name", STORIES)
def test_a_fresh_run_gives_the_outputs_that_are_kept(name):
    if name == "10_spark":
        pytest.importorskip("pyspark")
    fresh, old = code_cells(run.executed(ROOT / "notebooks" / f"{name}.ipynb")), code_cells(kept(name))
    assert len(fresh) == len(old) >= 10
    for now, then in zip(fresh, old, strict=True):
        assert words(now) == words(then), now.source
