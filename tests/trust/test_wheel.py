"""What is released: built, put into an empty environment, and tried as the README says."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

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


def test_the_wheel_alone_runs_the_readmes_first_example(built, tmp_path):
    environment = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{built}[sandbox]"], check=True)
    readme = (ROOT / "README.md").read_text()
    first = re.search(r"^```(?:python|pycon)\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]
    assert "sendblue_data" in first
    (tmp_path / "first.md").write_text(first)
    script = (
        "import doctest, sys, sendblue_data; assert 'empty' in sendblue_data.__file__; "
        "failed, tried = doctest.testfile('first.md', module_relative=False, "
        "optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE); print(tried); sys.exit(failed or not tried)"
    )
    ran = subprocess.run([python, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
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
