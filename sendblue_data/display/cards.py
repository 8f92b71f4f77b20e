"""A card: a title, a verdict, and named values. What a client, a pull's evidence or a history shows of itself."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_BOX = (
    "display:inline-block;min-width:20em;max-width:60em;padding:8px 14px;border-radius:8px;"
    "border:1px solid var(--jp-border-color2,#8886)"
)
_NAME = (
    "padding:1px 14px 1px 0;text-align:left;font-weight:400;opacity:.75;vertical-align:top;white-space:nowrap"
)
_VALUE = "padding:1px 0;text-align:left;overflow-wrap:anywhere"


def card_html(title: str, rows: Iterable[tuple[str, str]], verdict: str = "", remedy: str = "") -> str:
    """Return a card as HTML, all of it escaped.

    Args:
        title: what it is of.
        rows: name and value, line by line.
        verdict: what to know first.
        remedy: what to do next.

    Example:
        >>> "&lt;b&gt;" in card_html("Client", [("account", "<b>")])
        True
    """
    lines = "".join(
        f"<tr><th scope='row' style='{_NAME}'>{escape(name)}</th><td style='{_VALUE}'>{escape(value)}</td></tr>"
        for name, value in rows
    )
    said = f"<p style='margin:2px 0'><b>{escape(verdict)}</b></p>" if verdict else ""
    do = f"<p style='margin:4px 0 0;font-size:smaller'>{escape(remedy)}</p>" if remedy else ""
    return (
        f"<div class='sendblue-card' style='{_BOX}'><p style='margin:0 0 2px;opacity:.75'>{escape(title)}</p>{said}"
        f"<table style='border-collapse:collapse'><tbody>{lines}</tbody></table>{do}</div>"
    )
