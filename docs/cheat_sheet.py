"""Prints the cheat sheet as a PDF of two pages, by this machine's Chromium: `python docs/cheat_sheet.py`.

It is made of the page itself, so that the two say the same; git does not keep it, and `make docs` makes it.
"""

from pathlib import Path

import markdown

from sendblue_data.report.pdf import write_pdf

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "cheat-sheet.md"
PDF = DOCS / "cheat-sheet.pdf"
PARTS_ON_THE_FIRST = 3

_STYLE = """
@page { size: A4; margin: 13mm 14mm; }
body { font: 9pt/1.4 "DejaVu Sans", Verdana, sans-serif; color: #1b1f24; margin: 0; }
h1 { font-size: 17pt; margin: 0 0 2mm; }
h1 small { font-size: 9.5pt; font-weight: normal; color: #57606a; margin-left: 3mm; }
h2 { font-size: 11.5pt; margin: 4.5mm 0 1mm; color: #0072b2; }
h2.next { break-before: page; margin-top: 0; }
table { border-collapse: collapse; width: 100%; }
thead { display: none; }
td { border-top: .5pt solid #e3e6ea; padding: 1.1mm 2mm 1.1mm 0; vertical-align: top; }
td:last-child { width: 41%; color: #57606a; }
code { font: 8pt "DejaVu Sans Mono", Menlo, Consolas, monospace; color: #1b1f24; }
tr { break-inside: avoid; }
"""


def page() -> str:
    """The cheat sheet as one HTML page that needs nothing from anywhere."""
    text = PAGE.read_text(encoding="utf-8").replace("The same as [a PDF of two pages](cheat-sheet.pdf).", "")
    body = markdown.markdown(text, extensions=["tables"]).replace("\\|", "|")
    first, *parts = body.split("<h2>")
    marked = [
        f'<h2 class="next">{part}' if place == PARTS_ON_THE_FIRST else f"<h2>{part}"
        for place, part in enumerate(parts)
    ]
    title = first.replace("</h1>", "<small>sendblue-data: import each name from sendblue_data</small></h1>")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>sendblue-data: cheat sheet</title>'
        f"<style>{_STYLE}</style></head><body>{title}{''.join(marked)}</body></html>"
    )


if __name__ == "__main__":
    write_pdf(page(), PDF)
    PDF.chmod(0o644)  # a page for everybody, unlike a report
    print(PDF)
