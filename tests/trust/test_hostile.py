"""Hostile names, tags, companies and variables, through every surface that shows or writes them."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from sendblue_data import (
    ContactExplorer,
    ContactHistory,
    bulk_create,
    bulk_delete,
    bulk_update,
    compare_segments,
    describe,
    explorer as explorer_room,
    has_tag,
    load_segments,
    mentions,
    opt_out_rate,
    plan_create,
    pull_contacts,
    readable,
    save_segments,
    tag_summary,
    undo_run,
    variable,
    write_report,
)
from sendblue_data.cli import main as cli
from sendblue_data.contacts import contacts_frame
from sendblue_data.export import write_contacts
from sendblue_data.report.terminal import headline_tables
from tests.trust.readers import read_file
from tests.trust.test_secrets import without_drawing
from tests.writeback.people import person, phone, state, statuses

HOSTILE = {
    "markup": "<img src=x onerror=window.pwned=1><script>pwned()</script>",
    "attribute": "\" onmouseover=pwned() x='",
    "end of style": "</style></title></textarea><svg onload=pwned()>",
    "link": "javascript:pwned()",
    "template": "{{ 7*7 }} {% raw %} ${7*7}",
    "markdown": "![x](http://example.com/x.png) [a](javascript:pwned()) | a | b |",
    "colours": "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J",
    "back": "abc\b\b\bxyz\r over",
    "c1": "\x9b31m\x85 next",
    "direction": "\u202egnp.exe\u2066\u200b\ufeff",
    "formula": '=HYPERLINK("http://example.com","x")',
    "formula in full width": "\uff1dcmd|' /C calc'!A0",
    "sql": "'); DROP TABLE rows; --",
    "quotes": "a\"b'c`d\\e,f;g",
    "lines": "one\ntwo\r\nthree\u2028four",
    "nul": "before\x00after",
    "mathtext": "$\\frac{1}{2}$ $_^ {\\x",
    "long": "x" * 900,
    "scripts": "Zoë 北京 مرحبا 👩‍👩‍👧‍👦 é",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor, colours it, or names its window."""
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def account():
    rows = [
        person(
            n,
            **dict.fromkeys(("first_name", "last_name", "company_name", "assigned_to_email"), text),
            tags=[text, "VIP"],
            custom_variables={text[:150]: text},
            opt_out=n % 2 == 0,
        )
        for n, text in enumerate(HOSTILE.values())
    ]
    # Tags that few have are not drawn or listed one by one, so each is here several times.
    return [
        *rows,
        *({**row, **person(100 + n)} for n, row in enumerate(rows)),
        *(person(300 + n) for n in range(30)),
    ]


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.names, self.attributes = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs


def assert_inert(html):
    """Nothing of the contacts became markup: no script, no handler, no address but the page's own pictures."""
    page = Elements(html)
    assert page.names
    assert not {"script", "iframe", "object", "embed", "base", "form", "link"} & set(page.names)
    drawn = {"image", "foreignobject", "animate", "animatetransform", "set", "handler", "listener"}
    assert not drawn & set(page.names)  # what of SVG could load or run something; plots are shapes and texts
    assert [name for name, _ in page.attributes if name.startswith("on")] == []
    for name, value in page.attributes:
        if name in ("src", "srcset", "href", "xlink:href", "action"):
            assert re.match(r"data:image/|#|https://(www\.)?[a-z.]+/", value), value
            assert "example.com" not in value
    assert "pwned()" not in "".join(value or "" for _, value in page.attributes if name in ("href", "src"))


@pytest.fixture
def opened(open_account):
    sandbox, client = open_account(account())
    return sandbox, client, pull_contacts(client, progress=False)


def test_they_come_and_go_unchanged(opened):
    """The way in and out is exact: only what is shown is made harmless."""
    sandbox, client, contacts = opened
    assert state(contacts.to_dicts()) == state(sandbox.rows())
    mine = contacts_frame(
        [
            {"phone": phone(200 + n), "first_name": text, "tags": [text], "custom_variables": {"A": text}}
            for n, text in enumerate(HOSTILE.values())
        ]
    )
    result = bulk_create(client, mine, progress=False)
    assert statuses(result) == ["created"] * len(HOSTILE)
    there = state(sandbox.rows())
    assert [there[phone(200 + n)]["first_name"] for n in range(len(HOSTILE))] == list(HOSTILE.values())
    deleted = bulk_delete(client, mine, progress=False)
    assert statuses(undo_run(client, deleted.run_id, progress=False)) == ["created"] * len(HOSTILE)
    assert state(sandbox.rows()) == there


def test_the_report_runs_nothing(opened, tmp_path, monkeypatch):
    _, _, contacts = opened
    without_drawing(monkeypatch)
    html = write_report(
        contacts, tmp_path / "report.html", title=HOSTILE["end of style"], min_contacts=0
    ).read_text()
    assert_inert(html)
    policy = [
        value for name, value in Elements(html).attributes if name == "content" and "default-src" in value
    ]
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "script" not in policy[0]
    assert not CONTROL.search(html.replace("\r", ""))


def test_tables_show_text(opened):
    _, _, contacts = opened
    for table in (contacts, tag_summary(contacts), opt_out_rate(contacts, by=["tags", "company_name"])):
        shown = readable(table)
        assert_inert(shown._repr_html_())
        for text in (shown._repr_html_(), repr(shown), str(shown)):
            assert not CONTROL.search(text.replace("\n", ""))
            assert not TURNING.search(text)


@pytest.mark.slow
def test_plots_draw_them(opened):
    """A tag is text to matplotlib too, not a formula to typeset."""
    from sendblue_data import plots

    _, _, contacts = opened
    axes = plots.tag_summary(tag_summary(contacts))
    axes.figure.savefig(io.BytesIO(), format="png", dpi=30)
    assert len(axes.get_yticklabels()) > 5


def test_the_explorer_shows_text(opened):
    _, client, contacts = opened
    from tests.explorer.test_wiring import everything

    explorer = ContactExplorer(contacts, client)
    # The facets and the table go out as texts; the browser's part never makes markup of one.
    assert HOSTILE["markup"] in str(explorer.controls.widget.shown)
    for script in sorted((Path(explorer_room.__file__).parent / "static").glob("*.js")):
        assert not re.search(r"(inner|outer)HTML|insertAdjacentHTML|document\.write", script.read_text())
    explorer.predicate = mentions("<img src=x")
    data, _ = explorer._repr_mimebundle_()
    assert "&lt;img src=x" in data["text/html"]
    pages = [widget.value for widget in everything(explorer.widget) if type(widget).__name__ == "HTML"]
    for page in [*pages, data["text/html"]]:
        if "<" in page:
            assert not {"script", "iframe", "svg", "img"} & {
                name for name in Elements(page).names if name != "img"
            }
            assert [name for name, _ in Elements(page).attributes if name.startswith("on")] == []


def test_plans_and_results_show_text(opened):
    _, client, _ = opened
    mine = contacts_frame(
        [person(n, first_name=text, tags=[text], contact_id=None, created_at=None, custom_variables={text[:99]: "x"})
         for n, text in enumerate(reversed(HOSTILE.values()))]
    )  # fmt: skip
    plan = plan_create(client, mine)
    result = bulk_update(client, mine, ["first_name", "tags"], replace=True, progress=False)
    for shown in (plan, result):
        assert_inert(shown._repr_html_())
        assert not CONTROL.search(repr(shown))
    assert "&lt;img src=x" in plan._repr_html_()


def test_segments_show_text_and_come_back(tmp_path):
    segments = {text: has_tag(text) | variable(text).is_in([text]) for text in HOSTILE.values()}
    path = tmp_path / "segments.toml"
    save_segments(segments, path)
    again = load_segments(path)
    assert list(again) == list(segments)
    for name, segment in again.items():
        assert repr(segment) == repr(segments[name])
        assert not CONTROL.search(repr(segment))
        assert not CONTROL.search(describe(segment))
        assert_inert(segment._repr_html_())
    assert not CONTROL.search(path.read_text().replace("\n", ""))


def test_names_of_segments_are_kept_in_a_comparison(opened):
    _, _, contacts = opened
    table = compare_segments(contacts, {text: has_tag(text) for text in HOSTILE.values()})
    assert table.height == len(HOSTILE)
    assert (table["contacts"] == 2).all()


@pytest.mark.parametrize("suffix", ["csv", "ndjson", "parquet"])
def test_exports_are_safe_or_exact(opened, tmp_path, suffix):
    sandbox, _, contacts = opened
    path = tmp_path / f"contacts.{suffix}"
    write_contacts(contacts, path)
    if suffix == "csv":
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode())))
        assert len(rows) == contacts.height + 1
        assert all(len(row) == contacts.width for row in rows)
        runs = [cell for row in rows for cell in row if re.match(r"[=@\t\r\n\uff1d]|[+-](?!\d+$)", cell)]
        assert runs == []
    elif suffix == "parquet":
        assert state(read_file(path)) == state(sandbox.rows())
    else:
        assert len(path.read_bytes().splitlines()) == contacts.height


def test_the_terminal_is_not_driven(opened, monkeypatch, capsys, tmp_path):
    """No escape, bell, backspace or change of direction of a contact's reaches a terminal."""
    sandbox, _, contacts = opened
    without_drawing(monkeypatch)
    shown = headline_tables(contacts)
    assert "red" in shown or contacts.height > 0
    assert not CONTROL.search(shown.replace("\n", ""))
    assert not TURNING.search(shown)
    monkeypatch.setenv("SENDBLUE_API_API_KEY", sandbox.api_key)
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", sandbox.api_secret)
    monkeypatch.setenv("SENDBLUE_API_BASE_URL", sandbox.url)
    assert cli.main(["report", str(tmp_path / "report"), "--quiet"]) == 0
    assert cli.main(["snapshot", str(tmp_path / "history")]) == 0
    out, err = capsys.readouterr()
    assert "tag_summary" in out
    assert not CONTROL.search((out + err).replace("\n", ""))
    assert not TURNING.search(out + err)


@pytest.mark.parametrize("name", ["colours", "c1", "direction", "lines"])
@pytest.mark.parametrize(
    "command", [["pull", "out.csv", "--quiet"], ["snapshot", "history"], ["report", "--quiet"]]
)
def test_a_servers_message_does_not_drive_the_terminal(
    open_account, monkeypatch, capsys, tmp_path, command, name
):
    sandbox, _ = open_account(account())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENDBLUE_API_API_KEY", sandbox.api_key)
    monkeypatch.setenv("SENDBLUE_API_API_SECRET", sandbox.api_secret)
    monkeypatch.setenv("SENDBLUE_API_BASE_URL", sandbox.url)
    message = f"begin {HOSTILE[name]} end"
    sandbox.set(rewrite=lambda *_: msgspec.json.encode({"status": "ERROR", "message": message}))
    assert cli.main(command) == 1
    out, err = capsys.readouterr()
    assert "begin" in err
    assert not CONTROL.search((out + err).replace("\n", ""))
    assert not TURNING.search(out + err)
    assert len(err.splitlines()) == 1


def test_a_history_keeps_them(opened, tmp_path):
    sandbox, _, contacts = opened
    history = ContactHistory(tmp_path / "history")
    taken = history.snapshot(contacts).taken_at
    assert state(history.at(taken).to_dicts()) == state(sandbox.rows())


@pytest.mark.filterwarnings("default::sendblue_data.errors.NewFieldWarning")
def test_a_name_of_a_new_field_does_not_drive_the_terminal(open_account, monkeypatch, capsys, tmp_path):
    sandbox, _ = open_account(account())
    for name, value in (
        ("API_KEY", sandbox.api_key),
        ("API_SECRET", sandbox.api_secret),
        ("BASE_URL", sandbox.url),
    ):
        monkeypatch.setenv(f"SENDBLUE_API_{name}", value)
    new = msgspec.json.encode(HOSTILE["colours"] + HOSTILE["direction"])
    sandbox.set(
        rewrite=lambda _method, _path, body: body.replace(b'{"contact_id"', b"{" + new + b': 1, "contact_id"')
    )
    assert cli.main(["pull", str(tmp_path / "out.csv"), "--quiet"]) == 0
    err = capsys.readouterr().err
    assert "ignores" in err
    assert not CONTROL.search(err.replace("\n", ""))
    assert not TURNING.search(err)
