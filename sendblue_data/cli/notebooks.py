"""`sendblue-data notebooks DIR`: the example notebooks, to be run and changed; each against a sandbox of its own."""

from __future__ import annotations

import argparse
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from sendblue_data.errors import ConfigurationError

_PACKAGED = "_notebooks"
"""Where a wheel has them; a clone has them beside the package."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `notebooks` to a parser."""
    parser.add_argument("out", metavar="DIR", help="the folder to copy them to; made if missing")
    parser.epilog = "A notebook that is there already is left as it is, and named."


def run(args: argparse.Namespace) -> int:
    """Copy them, and say what is where."""
    for line in copy_notebooks(Path(args.out))[-1 if args.quiet else 0 :]:
        print(line)  # noqa: T201 -- a command's output
    return 0


def copy_notebooks(folder: Path) -> list[str]:
    """Copy the notebooks that are not there yet; return what was done, in words.

    Raises:
        ConfigurationError: `folder` is a file, or this installation has no notebooks.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file: give a folder.")
    packaged = files("sendblue_data") / _PACKAGED
    with as_file(packaged if packaged.is_dir() else files("sendblue_data")) as place:
        source = place if packaged.is_dir() else place.parent / "notebooks"
        found = sorted(source.glob("[0-9]*.ipynb"))
        if not found:
            raise ConfigurationError("This installation has no notebooks: take them from a clone.")
        folder.mkdir(parents=True, exist_ok=True)
        lines = []
        for notebook in found:
            there = folder / notebook.name
            lines.append(f"{there}: {'is there already, left as it is' if there.exists() else 'copied'}")
            if not there.exists():
                shutil.copyfile(notebook, there)
    return [*lines, f"Open them: jupyter lab {folder}"]
