"""What is released: built, put into an empty environment, and tried as the README says."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from sendblue_data import Sandbox

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built) as wheel:
        names = wheel.namelist()
        held = b"".join(wheel.read(name) for name in names)
    assert len(names) > 80
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"sendblue_data"}
    assert "sendblue_data/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [
        name
        for name in names
        if re.search(r"test|\.ipynb|\.env|cassette|__pycache__|\.sqlite3", name)
        and not re.fullmatch(r"sendblue_data/_notebooks/\d\d_\w+\.ipynb", name)
    ]
    assert not re.search(rb"sandbox-[0-9a-f]{16}", held)
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sendblue_data").rglob("*.py")}
    assert sources <= set(names)


CORE = """
import importlib.util, sys
import sendblue_data as sd
found = [name for name in ("matplotlib", "ipywidgets", "great_tables", "jinja2", "pandas", "starlette") if importlib.util.find_spec(name)]
assert not found, found
with sd.SendblueClient(*sys.argv[1:]) as client:
    contacts, evidence = sd.pull_contacts(client, progress=False, with_evidence=True)
    assert evidence.complete
    cold = sd.has_tag("Cold List") & sd.reachable()
    drivers = sd.opt_out_drivers(contacts, ["tag"], min_contacts=5)
    sd.write_contacts(contacts, "contacts.parquet")
    result = sd.bulk_opt_out(client, contacts.filter(cold), confirm=contacts.filter(cold).height, progress=False)
    print(contacts.height, sd.opt_out_rate(contacts, by="tag").height > 5, drivers.height > 0, dict(result.counts))
    after = sd.pull_contacts(client, progress=False)
    print(after.filter(sd.has_tag("Cold List") & sd.opted_out()).height)
try:
    sd.plots.opt_out_rate(sd.opt_out_rate(contacts))
except sd.errors.MissingExtraError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory):
    """An empty environment with the wheel and what it needs, and no extra. A later test adds some."""
    environment = tmp_path_factory.mktemp("installed") / "empty"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run(
        [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", built], check=True
    )
    return environment


def test_the_wheel_alone_pulls_counts_and_writes_and_names_the_extra_that_plots(environment, tmp_path):
    (tmp_path / "core.py").write_text(CORE)
    with Sandbox(contacts=1_500, seed=7) as sandbox:
        done = subprocess.run(
            [environment / "bin" / "python", "-E", "-W", "error", "core.py", sandbox.api_key, sandbox.api_secret, sandbox.url],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counted, opted_out, told = done.stdout.splitlines()
    assert re.fullmatch(r"1500 True True \{'updated': (\d+)\}", counted)
    assert int(opted_out) >= int(counted.split()[-1].rstrip("}")) > 10
    assert told.startswith("A plot needs matplotlib, which is not installed: install the extra notebook: pip")
    assert "'matplotlib>=" in told


def test_the_wheel_runs_the_readmes_first_example(built, environment, tmp_path):
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-compile", f"{built}[sandbox,notebook]"], check=True
    )
    readme = (ROOT / "README.md").read_text()
    first = re.search(r"^```(?:python|pycon)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]
    assert "sendblue_data" in first
    (tmp_path / "first.md").write_text(first)
    script = (
        "import doctest, sys, sendblue_data; assert 'empty' in sendblue_data.__file__; "
        "failed, tried = doctest.testfile('first.md', module_relative=False, "
        "optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE); print(tried); sys.exit(failed or not tried)"
    )
    ran = subprocess.run(
        [python, "-E", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    command = subprocess.run(
        [environment / "bin" / "sendblue-data", "--help"], capture_output=True, text=True, check=True
    )
    assert "pull" in command.stdout


def test_the_source_archive_builds_the_same_wheel(built, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", tmp_path / "hatch", "hatchling"],
        check=True,
    )
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path],
        cwd=ROOT, check=True, env={"PYTHONPATH": str(tmp_path / "hatch"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    needed = {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "Makefile", "conftest.py", ".ci/run"}
    assert needed <= names
    assert {
        "docs/reliability.md",
        "constraints.txt",
        "hardening/fuzz.py",
        "tests/trust/test_wheel.py",
    } <= names
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            tmp_path / "again",
            archive,
        ],
        check=True,
    )
    (again,) = (tmp_path / "again").glob("*.whl")
    with zipfile.ZipFile(built) as one, zipfile.ZipFile(again) as other:
        assert one.namelist() == other.namelist()
