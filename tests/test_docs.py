"""The documentation's examples run, with the outputs shown; its pictures exist; it leaves no public name out."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

import sendblue_data
from sendblue_data import errors, plots, sandbox
from sendblue_data.report import pdf

ROOT = Path(__file__).parent.parent
MADE = {"docs/gallery.md", "docs/cheat-sheet.pdf"}  # by docs/gallery.py and docs/cheat_sheet.py
PAGES = [page.relative_to(ROOT).as_posix() for page in sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if page not in MADE]
BLOCK = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(page):
    return "\n".join(BLOCK.findall((ROOT / page).read_text(encoding="utf-8")))


WITH_EXAMPLES = [page for page in PAGES if examples(page)]


def failures(text, name):
    """What doctest has to say; nothing when every example gives the output shown."""
    found = []
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, name, name, 0)
    assert test.examples
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=found.append)
    return "".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES)
def test_a_page_shows_what_its_examples_give(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(tmp_path / "runs"))
    assert failures(examples(page), page) == ""


def test_a_wrong_output_is_found():
    assert "Got:\n    4" in failures(">>> 2 + 2\n5\n", "wrong")


def test_no_example_hides_in_another_kind_of_block():
    assert len(WITH_EXAMPLES) >= 10
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert text.count(">>> ") == examples(page).count(">>> "), page


@pytest.mark.slow
def test_the_cheat_sheet_is_two_pages(tmp_path):
    pytest.importorskip("markdown", reason="comes with the extra docs")
    page = runpy.run_path(str(ROOT / "docs" / "cheat_sheet.py"))["page"]()
    assert "<code>a | b</code>" in page
    assert ".pdf)" not in page
    pdf.write_pdf(page, tmp_path / "cheat-sheet.pdf")
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", (tmp_path / "cheat-sheet.pdf").read_bytes())) == 2


@pytest.mark.parametrize("page", ["README.md", *PAGES])
def test_a_page_links_to_files_that_are_there(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        file = (ROOT / page).parent.joinpath(target).resolve()
        if not re.match(r"[a-z]+:", target) and file.relative_to(ROOT).as_posix() not in MADE:
            assert file.exists(), f"{page} links to {target}"


def test_the_reference_has_every_public_name():
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md")]
    listed = {name.rsplit(".", 1)[-1] for page in pages for name in re.findall(r"(?m)^::: (\S+)$", page)}
    public = {name for home in (sendblue_data, plots, sandbox) for name in home.__all__} - {"errors", "plots"}
    public |= {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.SendblueError)
    }
    assert len(public) > 90
    assert public - listed == set()


def test_the_readme_names_the_command_that_ci_runs():
    assert "$ make test\n" in (ROOT / "README.md").read_text()
    assert " make test\n" in (ROOT / ".ci" / "run").read_text()


def test_the_reliability_page_has_the_lines_that_are_kept_by_hand():
    """The page is made by a script; a line that is changed in one of the two only would be lost, or never shown."""
    lines = (ROOT / "docs" / "reliability-lines.txt").read_text(encoding="utf-8")
    assert lines.strip() in (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert lines.count("| `") > 15


NAMED = re.findall(
    r"`pytest ([^`]+)`|`make ([a-z0-9.-]+)",
    (ROOT / "docs" / "reliability-lines.txt").read_text(encoding="utf-8"),
)


@pytest.mark.parametrize(("tests", "target"), NAMED, ids=[tests or target for tests, target in NAMED])
def test_a_command_of_the_reliability_page_is_one(tests, target):
    if target:
        assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    paths, _, word = tests.partition(" -k ")
    for path in (ROOT / part for part in paths.split() if not part.startswith("-")):
        assert path.exists()
        modules = path.rglob("*.py") if path.is_dir() else [path]
        names = [
            name for module in modules for name in re.findall(r"^def (\w+)", module.read_text(), re.MULTILINE)
        ]
        assert any(word in name for name in names)
