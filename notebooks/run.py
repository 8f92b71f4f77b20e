"""Runs the notebooks and keeps their outputs: `python notebooks/run.py`, or with the names of some.

What a run must leave the same is the same: no timing, no versions, no temporary folder, numbered widgets; and what
differs from what was kept in nothing but run ids (and, in widgets, moments) stays. So a second run changes no file.
"""

import argparse
import json
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parent
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
SECONDS_A_CELL = 300

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
_MODEL = re.compile(r'"model_id": "([0-9a-f]{32})"')
# A run of a write is named by its moment and a random number; a table may cut the name short.
_RUN_ID = re.compile(r"\d{8}T\d{6}-[a-z]+(?:-[0-9a-f]{0,8})?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
_TEMPORARY = re.compile(re.escape(tempfile.gettempdir()) + r"/tmp\w+/")


def executed(path: Path) -> NotebookNode:
    """A notebook as it comes out of a fresh kernel; an error in a cell is raised."""
    os.environ.pop("MPLBACKEND", None)  # a kernel that inherits one shows no plot
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = NotebookNode()
    client = NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",  # that of the environment that this runs in
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
        store_widget_state=False,  # a still picture is in the output; the state would be as large as the rest
        extra_arguments=["--log-level=ERROR"],  # it would warn that it talks over loopback
    )
    client.execute()
    return tidied(notebook)


def tidied(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what differs from one run, or one machine, to the next."""
    notebook.metadata = nbformat.from_dict(_METADATA)
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:02}"
        cell.metadata = NotebookNode()
    return nbformat.from_dict(json.loads(_numbered(_TEMPORARY.sub("", json.dumps(notebook)))))


def _numbered(text: str) -> str:
    """Widgets get random ids: give them their numbers, in the order in which they are shown."""
    models = list(dict.fromkeys(_MODEL.findall(text)))
    numbers = {model: f"{number:032x}" for number, model in enumerate(models, start=1)}
    return re.sub("|".join(numbers), lambda found: numbers[found.group()], text) if numbers else text


def shown(cell: NotebookNode) -> list[dict[str, str]]:
    """What a cell shows, by kind, with run ids struck out; printed lines are joined."""
    outputs: list[dict[str, str]] = []
    for output in cell.get("outputs", []):
        kinds = {output.name: output.text} if output.output_type == "stream" else output.get("data", output)
        texts = {kind: _RUN_ID.sub("RUN", _text(content)) for kind, content in kinds.items()}
        if outputs and texts.keys() == outputs[-1].keys() <= {"stdout", "stderr"}:
            outputs[-1] = {kind: outputs[-1][kind] + text for kind, text in texts.items()}
        else:
            outputs.append(texts)
    return outputs


def _steady(metadata: NotebookNode) -> str:
    return _MOMENT.sub("MOMENT", _RUN_ID.sub("RUN", _text(metadata)))


def _text(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, sort_keys=True)


def keep(path: Path) -> bool:
    """Run a notebook, keep its outputs, and say whether the file changed."""
    before = path.read_text(encoding="utf-8")
    notebook, kept = executed(path), nbformat.reads(before, as_version=4)
    for cell, old in zip(notebook.cells, kept.cells, strict=True):
        if shown(cell) == shown(old) and cell.cell_type == "code":
            cell.outputs = old.outputs
    if _steady(notebook.metadata) == _steady(kept.metadata):
        notebook.metadata = kept.metadata
    after = nbformat.writes(notebook) + "\n"
    path.write_text(after, encoding="utf-8")
    return after != before


def main() -> None:
    """Run those that are named, or all."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("names", nargs="*", help="such as 01_first_look; all when none is named")
    names = options.parse_args().names
    if unknown := {*names} - {path.stem for path in NOTEBOOKS}:
        options.error(f"no notebook {', '.join(sorted(unknown))} in {FOLDER}")
    for path in NOTEBOOKS:
        if not names or path.stem in names:
            print(f"{path.name}: {'outputs changed' if keep(path) else 'the same'}", flush=True)


if __name__ == "__main__":
    main()
