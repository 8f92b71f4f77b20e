"""Frames as people read them: every number written by its meaning, nothing cut off, nothing run."""

from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, strategies as st

import sendblue_data as sb
from sendblue_data.display import cells, notebook
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.plots.labels import width_of

PEOPLE = sb.contacts_frame(
    [
        {
            "phone": f"+1212555{n:04}",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "tags": ["VIP"] if n < 5 else ["Lead", "Very long tag of a campaign in spring " * 3],
            "opt_out": n % 4 == 0,
            "verified": n % 3 == 0,
            "created_at": f"2026-01-{n % 28 + 1:02}T09:05:07.123456Z",
            "custom_variables": {"Plan": "Gold"},
        }
        for n in range(100, 160)
    ]
)
SEGMENTS = {"A": sb.has_tag("Lead"), "B": sb.opted_out()}
TABLES = {
    "rate": sb.opt_out_rate(PEOPLE, by="tags", min_contacts=2),
    "drivers": sb.opt_out_drivers(PEOPLE, ["tag"]),
    "summary": sb.tag_summary(PEOPLE),
    "cohorts": sb.opt_out_cohorts(PEOPLE),
    "funnel": sb.verification_funnel(PEOPLE),
    "compared": sb.compare_segments(PEOPLE, SEGMENTS, baseline="A"),
    "overlap": sb.segment_overlap(PEOPLE, SEGMENTS),
    "contacts": PEOPLE,
    "described": PEOPLE.describe(),
    "empty": PEOPLE.clear(),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_terminal_of_80_columns_shows_whole_lines_and_names_what_it_leaves_out(name):
    table = TABLES[name]
    assert cells.is_ours(table)
    text = str(sb.readable(table))
    assert max(map(width_of, text.splitlines())) <= 79
    columns = [one for one in cells.columns_of(table) if one.sources != ("finding",)]
    heading = next(line for line in text.splitlines() if set(line) <= {" ", "─"} and line)
    assert text.splitlines().index(heading) >= 1
    for one in columns:
        assert one.heading in text or all(name in text for name in one.sources)
    for rate in ("rate", "opt_out_rate"):
        if rate in table.columns:
            written = next(one for one in columns if one.heading == rate).cells
            assert all(cell in text for cell in written)


def test_a_rate_is_a_percentage_and_its_bounds_one_interval():
    table = pl.DataFrame(
        {"tag": ["VIP"], "contacts": [1810], "rate": [0.083], "low": [0.071], "high": [0.097]}
    )
    html = sb.readable(table)._repr_html_()
    for cell in ("1,810", "8.3%", "7.1 to 9.7%"):
        assert f">{cell}</td>" in html
    assert "opacity" not in html.split("<tbody>")[1].split("</tbody>")[0]
    small = sb.readable(table.with_columns(contacts=19))._repr_html_()
    assert "<tr style='opacity:.55'>" in small


def test_a_comparison_says_first_what_it_found():
    html = sb.readable(TABLES["compared"])._repr_html_()
    finding = TABLES["compared"]["finding"][1]
    assert html.index(finding) < html.index("<table")
    assert html.count(finding) == 1


def test_contacts_have_short_dates_chips_and_every_field():
    html = sb.readable(PEOPLE)._repr_html_()
    assert "2026-01-17 09:05<" in html
    assert "09:05:07" not in html
    assert "Plan: Gold</span>" in html
    assert "The first 25 of 60 contacts" in html
    for name in PEOPLE.columns:
        assert name in html or name in ("first_name", "last_name")


@given(st.text(min_size=1))
def test_no_name_gets_out_of_its_cell(name):
    hostile = f'<img src=x onerror="alert(1)">{name}\'"'
    people = sb.contacts_frame([{"phone": "+12125550101", "first_name": hostile, "tags": [hostile]}])
    html = sb.readable(people)._repr_html_()
    assert "<img" not in html
    assert html.count("<td") == len(cells.columns_of(people))
    tags = sb.readable(pl.DataFrame({"tag": [hostile], "contacts": [3], "unknown": [0]}))._repr_html_()
    assert "<img" not in tags


@pytest.fixture
def shell(monkeypatch):
    formatters = pytest.importorskip("IPython.core.formatters")
    shell = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    monkeypatch.setattr(notebook, "running_shell", lambda: shell)
    return lambda frame: shell.display_formatter.format(frame)[0]


@given(
    st.text(alphabet=st.sampled_from("a<&\x1b\n\r\t\x9b\u202e\u2066\u200f\u2028\x00"), min_size=1, max_size=8)
)
def test_no_column_of_the_users_drives_a_terminal_or_turns_a_line(name):
    """A column may be named by a list that came by mail: its heading, and the line that counts what is left out."""
    wide = {f"{name}{place}": ["x" * 26] for place in range(5)}
    table = sb.readable(pl.DataFrame({name + "!": [1], **wide, "tags": [["a"]], name + "?": [["b"]]}))
    told, page = str(table), table._repr_html_()
    assert "Columns not shown here" in told
    assert len(told.splitlines()) == len(told.split("\n"))
    assert not {"\x1b", "\r", "\x9b", "\u202e", "\u2066", "\u200f", "\u2028", "\x00"} & set(told + page)
    assert "<a" not in page


def test_a_notebook_shows_our_frames_so_until_told_not_to(shell):
    table, other = TABLES["rate"], pl.DataFrame({"x": [1]})
    sb.readable_in_notebooks()
    shown = shell(table)
    assert shown["text/html"] == sb.readable(table)._repr_html_()
    assert shown["text/plain"] == str(sb.readable(table))
    assert shell(other)["text/html"] == other._repr_html_()
    sb.readable_in_notebooks(False)
    assert shell(table)["text/html"] == table._repr_html_()
    with pytest.raises(ConfigurationError, match="write True or False"):
        sb.readable_in_notebooks("off")


def test_what_is_no_frame_is_refused():
    with pytest.raises(FrameError, match="collect"):
        sb.readable(PEOPLE.lazy())


def test_objects_show_themselves_as_cards(tmp_path):
    with sb.Sandbox([{"phone": "+12125550101"}]) as sandbox, sandbox.client() as client:
        contacts, evidence = sb.pull_contacts(client, progress=False, with_evidence=True)
        history = sb.ContactHistory(tmp_path / "history")
        assert "Nothing recorded yet" in history._repr_html_()
        snapshot = history.snapshot(contacts, evidence=evidence)
        shown = client._repr_html_()
        secret = sandbox.api_secret
    assert "Yes: every page fits the next" in evidence._repr_html_()
    assert "1 snapshot" in history._repr_html_()
    assert "recorded" in snapshot._repr_html_()
    assert client.account in shown
    assert secret not in shown
    assert "contacts tagged &quot;VIP&quot;" in sb.has_tag("VIP")._repr_html_()
    benchmark = sb.Benchmark(0.031, datetime(2026, 1, 1, tzinfo=UTC).date(), "<b>ours</b>")
    assert "3.1% of contacts" in benchmark._repr_html_()
    assert "<b>ours" not in benchmark._repr_html_()


def test_a_table_of_texts_is_never_called_a_prevalence():
    table = pl.DataFrame(
        {
            "service": ["SMS"],
            "delivered": [400],
            "opt_outs": [6],
            "rate": [0.015],
            "low": [0.007],
            "high": [0.03],
        }
    )
    shown = " ".join(str(sb.readable(table)).split())
    assert "Opt-outs per delivered text" in shown
    assert "prevalence" not in shown
    assert "prevalence" in " ".join(str(sb.readable(table.rename({"delivered": "contacts"}))).split())
