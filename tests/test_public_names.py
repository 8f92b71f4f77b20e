"""What is public is seen: by `dir`, by a type checker, and by whoever misspells a name; what is private is used by nobody."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import sendblue_data

ROOT = Path(__file__).parents[1]
STUB = ROOT / "sendblue_data" / "__init__.pyi"


def listed():
    """Names of the stub, each as often as it stands there."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    return [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]


def test_each_public_name_is_listed_once_and_dir_shows_no_other():
    assert len(listed()) > 70
    assert sorted(listed()) == sorted(set(listed())) == dir(sendblue_data)
    assert set(listed()) - set(sendblue_data.__all__) == {"sandbox"}
    assert {"errors", "plots", "sandbox"} <= set(listed())


def test_a_star_import_hides_no_sandbox_of_the_users():
    """The documentation calls one `sandbox`: a cell that is run again must not put the module in its place."""
    mine: dict[str, object] = {"sandbox": "mine"}
    exec("from sendblue_data import *", mine)
    modules = {name for name, value in mine.items() if inspect.ismodule(value)}
    assert modules == {"errors", "plots"}
    assert mine["sandbox"] == "mine"
    assert len(mine) > 70


def test_dir_is_the_same_after_everything_was_used():
    code = (
        "import sendblue_data\n"
        "for name in sendblue_data.__all__: getattr(sendblue_data, name)\n"
        "assert dir(sendblue_data) == sorted([*sendblue_data.__all__, 'sandbox'])\n"
        "assert sendblue_data.sandbox.Switches\n"
        "assert callable(sendblue_data.pull_contacts)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_text():
    assert isinstance(sendblue_data.__version__, str)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("opt_out_raet", "opt_out_rate"), ("pull_contact", "pull_contacts"), ("Sandbocks", "Sandbox")],
)
def test_a_misspelled_name_is_told_what_was_meant(wrong, meant):
    with pytest.raises(AttributeError, match=f"has no attribute '{wrong}'. Did you mean '{meant}'"):
        getattr(sendblue_data, wrong)
    assert not hasattr(sendblue_data, wrong)


@pytest.mark.slow
def test_a_misspelled_name_fails_in_a_type_checker(tmp_path):
    code = tmp_path / "notebook.py"
    code.write_text(
        "from sendblue_data import opt_out_raet, pull_contacts\n"
        "import sendblue_data\n"
        "reveal_type(pull_contacts)\n"
        "reveal_type(sendblue_data.__version__)\n"
        "sendblue_data.plots.opt_out_raet\n"
    )
    # What we stand on is not read: the names are ours, and Polars alone takes most of a minute.
    others = ",".join(
        f"{name}.*,{name}" for name in ("polars", "narwhals", "numpy", "matplotlib", "requests", "urllib3")
    )
    (tmp_path / "mypy.ini").write_text(f"[mypy]\n[mypy-{others}]\nfollow_imports = skip\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": "", "MYPY_CACHE_DIR": str(tmp_path)},
    )
    wrong = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(wrong) == 2
    assert all("opt_out_raet" in line for line in wrong)
    assert "Overload" in done.stdout
    assert 'Revealed type is "str"' in done.stdout


def code_shown():
    """All code that users are shown: notebooks, README, and the documentation's pages."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield path.name, "".join(cell["source"])
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:python|pycon)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield path.name, block


def test_users_are_shown_public_names_alone():
    shown = list(code_shown())
    assert len(shown) > 50
    imports = [
        (where, line.strip())
        for where, code in shown
        for line in code.splitlines()
        if re.search(r"\b(from|import) sendblue_data", line)
    ]
    assert len(imports) > 40
    public = re.compile(r"\b(from|import) sendblue_data(\.(plots|errors|sandbox))?( import|$| as )")
    assert [found for found in imports if not public.search(found[1])] == []


def test_the_table_of_names_from_01_speaks_of_what_there_is():
    page = (ROOT / "docs" / "explanation" / "names.md").read_text(encoding="utf-8")
    functions = page.split("## Functions")[1].split("## Arguments")[0]
    rows = [line.split("|")[1:3] for line in functions.splitlines() if line.startswith("| `")]
    assert rows
    for before, after in rows:
        gone, there = (re.findall(r"`([\w.]+)", cell) for cell in (before, after))
        assert all(map(is_public, there)), after
        assert not any(map(is_public, set(gone) - set(there))), before


def is_public(name):
    owner, _, attribute = name.partition(".")
    if owner not in sendblue_data.__all__:
        return False
    return not attribute or attribute in get_type_hints(getattr(sendblue_data, owner))
