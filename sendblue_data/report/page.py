"""A report as one HTML page that needs nothing from anywhere, and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from importlib.resources import files
from pathlib import Path

from sendblue_data._optional import missing_extra
from sendblue_data._shared.files import replacing
from sendblue_data.report.parts import Picture, Report, Table
from sendblue_data.report.pdf import write_pdf
from sendblue_data.report.svg import style_sheet, with_variables
from sendblue_data.report.words import readable

try:
    import great_tables
    import jinja2
    import matplotlib as mpl  # noqa: F401 -- the pictures' own: what is missing is told before they are drawn
    from markupsafe import Markup
except ModuleNotFoundError as error:
    raise missing_extra("A report", error, "notebook") from error

_HERE = "sendblue_data.report"
_NEITHER = "base-uri 'none'; form-action 'none'"
"""What `default-src` does not cover."""


def render(report: Report) -> str:
    """Return the page. Everything that came from contacts is escaped; the page allows no script.

    Its Content-Security-Policy forbids all but pictures that are in the page, and the one style sheet, by its
    hash: should a name slip through the escaping, it could neither run nor call home.
    """
    style = (
        files(_HERE).joinpath("report.css").read_text(encoding="utf-8")
        + _running_head(report)
        + style_sheet()
    )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_HERE, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = _drawing
    environment.filters["table"] = _table
    environment.tests["picture"] = lambda part: isinstance(part, Picture)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        report=report,
        style=Markup(style),  # noqa: S704 -- a file of this package and hex digits, which the policy names by their hash
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; {_NEITHER}",
    )


def _running_head(report: Report) -> str:
    """What stands at the top of each printed page: the title and the account, as a style sheet writes text."""
    words = " \u00b7 ".join([readable(report.title), dict(report.facts).get("Account", "")]).strip(" \u00b7")
    text = "".join(letter if letter.isalnum() else f"\\{ord(letter):06x}" for letter in words)
    return f'@page {{ @top-left {{ content: "{text}"; }} }}\n'


def _drawing(picture: Picture) -> Markup:
    return Markup(with_variables(picture.svg))  # noqa: S704 -- shapes, and texts that were escaped one by one


def _table(table: Table) -> Markup:
    """Lay a table out by Great Tables, without the style sheet that it brings: the page has one for all."""
    first, *others = table.rows.columns
    laid = (
        great_tables.GT(table.rows, id=table.name, rowname_col=first)
        .tab_stubhead(label=first)
        .cols_align("left", [first, *table.left])
        .cols_align("right", [name for name in others if name not in table.left])
    )
    found = re.search(r"<table.*</table>", laid.as_raw_html(), flags=re.DOTALL)
    assert found is not None  # noqa: S101 -- Great Tables makes a table
    return Markup(found[0])  # noqa: S704 -- Great Tables escapes every cell


def save(report: Report, path: str | os.PathLike[str]) -> Path:
    """Write the page, and beside it each picture that is there as PNG; only the owner may read them."""
    path = Path(path)
    page = render(report)
    for picture in report.pictures:
        if picture.png is not None:
            with replacing(path.with_name(f"{picture.name}.png")) as part:
                part.write_bytes(picture.png)
    if path.suffix.lower() == ".pdf":
        write_pdf(page, path)
        return path
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
    return path
