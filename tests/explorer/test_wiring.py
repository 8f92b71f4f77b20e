"""The widgets do what the functions say; no browser."""

import asyncio
import gc
import html
import json
import re
import threading
import weakref
from datetime import UTC, date, datetime

import ipywidgets as widgets
import polars as pl
import pytest

from sendblue_data import (
    ContactExplorer,
    ContactHistory,
    field_is,
    has_tag,
    list_runs,
    load_segments,
    mentions,
    opted_out,
    pull_contacts,
    reachable,
    verified,
)
from sendblue_data.errors import SegmentError
from sendblue_data.explorer import cells, tab_plots as pictures
from sendblue_data.explorer.facets import FIELDS
from sendblue_data.explorer.filters import Filters, predicate_of
from sendblue_data.explorer.timing import Background, Debounced
from tests.explorer.people import HOSTILE, frame, mixed, person, phone

EVERYTHING = Filters(
    all_tags=("VIP",),
    any_tags=("Lead", "never seen"),
    no_tags=("vip ",),
    tagged="with a tag",
    opt_out="not opted out",
    verified="unknown",
    reach="not reachable",
    owners=(None,),
    lines=("+13105550191",),
    companies=(HOSTILE,),
    regions=("GB",),
    area_codes=("212", "310"),
    not_owners=("ben@example.com",),
    not_lines=(None,),
    not_companies=("Acme", None),
    not_regions=("US",),
    created_from=date(2026, 1, 2),
    created_before=date(2026, 1, 9),
    created_within="1y",
    variable="Plan",
    test="contains",
    value="r",
    text="ada",
)
STATES = {"all_tags": "all", "any_tags": "in", "no_tags": "out"}


@pytest.fixture
def saving(tmp_path):
    """An explorer that may save segments."""
    return ContactExplorer(frame(mixed()), segments_file=tmp_path / "segments.toml")


@pytest.fixture(scope="module")
def looking():
    """One explorer for all that only look: making its widgets takes longer than using them."""
    return ContactExplorer(frame(mixed()))


@pytest.fixture
def explorer(looking):
    """The same, as it was when it was made."""
    looking.controls.offer(looking._account)
    looking.controls._open = {"tags"}
    looking.tabs.choice.value = "Contacts"
    looking.tabs.table.by, looking.tabs.table.descending, looking.tabs.table.whole = None, False, False
    looking.predicate = None
    return looking


def number(explorer, name="contacts"):
    return re.search(rf'data-number="{name}">([^<]+)<', explorer.headline.value)[1]


def everything(widget):
    """A widget and all inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything(child)


def say(explorer, kind, **message):
    """What the browser says when something is clicked or typed."""
    explorer.controls.hear({"type": kind, **message})


def click(explorer, field, *values):
    """Choose the values of a filter, one by one, as the browser does."""
    for value in values:
        facet = next(name for name, (_, names) in FIELDS.items() if field in names)
        state = STATES.get(field, "out" if field.startswith("not_") else "in")
        say(explorer, "choose", field=facet, key=value, state=state)


def table_of(explorer):
    return explorer.tabs.table.widget.shown


@pytest.mark.parametrize(
    "field",
    [name for name in Filters.__dataclass_fields__ if name not in ("extra", "alternatives", "texted")],
)
def test_each_control_filters(looking, field):
    explorer, controls = looking, looking.controls
    say(explorer, "clear")
    if field in ("test", "value"):
        say(explorer, "set", name="variable", value="Plan")
        say(explorer, "set", name="test", value="is")
    value = getattr(EVERYTHING, field)
    if isinstance(value, tuple):
        click(explorer, field, *value)
    else:
        say(explorer, "set", name=field, value=str(value))
    assert getattr(controls.filters, field) == value
    assert explorer.code == repr(predicate_of(controls.filters))
    expected = frame(mixed()).filter(predicate_of(controls.filters))
    assert explorer.selection.equals(expected)
    assert number(explorer) == f"{explorer.selection.height}"
    assert (table_of(explorer)["total"], len(table_of(explorer)["rows"])) == (
        expected.height,
        min(60, expected.height),
    )
    chips = [chip for group in controls.chips.shown["groups"] for chip in group["chips"]]
    assert len(chips) >= 1
    for chip in chips:
        controls.hear(chip["remove"])
    assert explorer.selection.height == 240


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "choose", "field": "no such", "key": "x", "state": "in"},
        {"type": "set", "name": "opt_out", "value": "maybe"},
        {"type": "set", "name": "extra", "value": "x"},
        {"type": "set", "name": "created_within", "value": "9 weeks"},
        {"type": "drop", "name": "no such"},
        {"type": "drop", "name": "extra", "place": 7},
        {"type": "days", "created_from": "soon", "created_before": None},
        {"type": "or"},
    ],
    ids=str,
)
def test_a_message_that_is_none_of_ours_changes_nothing(looking, message):
    say(looking, "clear")
    looking.controls.hear(message)
    looking.tabs.table.hear(message)
    assert (looking.controls.filters, looking.selection.height) == (Filters(), 240)


def test_setting_the_predicate_moves_every_control(explorer):
    everything = EVERYTHING.but(created_from=None, created_before=None)
    explorer.predicate = predicate_of(everything)
    assert explorer.controls.filters == everything
    explorer.code = 'has_tag("VIP")'
    assert explorer.controls.filters == Filters(all_tags=("VIP",))
    assert repr(explorer.predicate) == 'has_tag("VIP")'
    say(explorer, "clear")
    assert (explorer.code, explorer.selection.height) == ("pl.lit(True)", 240)
    assert explorer.contacts.filter(explorer.predicate).height == 240


def test_what_no_control_can_say_is_shown_and_kept_until_taken_out(explorer):
    explorer.predicate = (has_tag(HOSTILE) | opted_out()) & verified()
    groups = explorer.controls.chips.shown["groups"]
    assert any("opted out" in chip["label"] for group in groups for chip in group["chips"])
    say(explorer, "set", name="verified", value="any")
    assert explorer.code == f'has_tag("{HOSTILE}") | opted_out()'
    explorer.predicate = pl.col("company_name") == "Acme"
    assert explorer.selection.height == sum(row["company_name"] == "Acme" for row in mixed())
    say(explorer, "drop", name="extra", place=0)
    assert explorer.selection.height == 240


def test_groups_are_joined_by_or(explorer):
    click(explorer, "all_tags", "VIP", "Lead")
    before = explorer.selection
    say(explorer, "or")
    assert explorer.selection.equals(before)
    click(explorer, "companies", "Acme")
    assert explorer.code == 'has_tag("VIP", "Lead") | field_is("company_name", "Acme")'
    assert explorer.selection.height > before.height
    assert [group["joined"] for group in explorer.controls.chips.shown["groups"]] == ["", "or"]
    back = ContactExplorer(explorer.contacts)
    back.code = explorer.code
    assert back.controls.filters == explorer.controls.filters
    say(explorer, "drop", name="alternatives", place=0)
    assert explorer.code == 'field_is("company_name", "Acme")'


def test_what_can_not_be_selected_leaves_the_selection_as_it_was(explorer):
    explorer.predicate = has_tag("VIP")
    for wrong in (pl.col("nobody") == 1, "VIP"):
        with pytest.raises(SegmentError):
            explorer.predicate = wrong
    say(explorer, "set", name="created_from", value="2026-02-01")
    say(explorer, "set", name="created_before", value="2026-01-01")
    assert "is not before" in explorer.problem.value
    assert explorer.code == 'has_tag("VIP") & created_between("2026-02-01", None)'
    say(explorer, "set", name="created_before", value="")
    assert explorer.problem.value == ""


def facet_of(explorer, name):
    return next(one for one in explorer.controls.widget.shown["facets"] if one["field"] == name)


def test_a_facet_can_be_searched_without_losing_what_is_chosen(explorer):
    assert [one["label"] for one in facet_of(explorer, "tags")["values"] if "ip" in one["label"].lower()] == [
        "VIP",
        "vip␣",
    ]
    click(explorer, "all_tags", "Lead")
    say(explorer, "search", field="tags", text="vip")
    assert [one["key"] for one in facet_of(explorer, "tags")["values"]] == ["Lead", "VIP", "vip "]
    assert explorer.code == 'has_tag("Lead")'


@pytest.mark.parametrize("name", FIELDS)
def test_counts_are_of_what_a_value_would_leave_the_other_filters_held(explorer, name):
    explorer.predicate = has_tag("VIP") & field_is("company_name", "Acme", None) & field_is("opt_out", False)
    held = explorer.controls.filters
    free = held.but(**dict.fromkeys(FIELDS[name][1], ()))
    if name not in ("tags", "companies"):
        assert facet_of(explorer, name)["values"] == []  # folded: not counted
    say(explorer, "open", field=name)
    values = [one for one in facet_of(explorer, name)["values"] if one["key"] is not None]
    assert len(values) >= 1
    slot = "any_tags" if name == "tags" else name
    for one in values:
        kept = explorer.contacts.filter(predicate_of(free.but(**{slot: (one["key"],)})))
        assert one["count"] == kept.height


def test_the_histogram_counts_every_dated_contact_and_is_brushed(explorer):
    months = explorer.controls.widget.shown["months"]
    assert sum(month["count"] for month in months) == 240
    say(explorer, "set", name="created_within", value="1y")
    say(explorer, "days", created_from=months[0]["day"], created_before=months[0]["next"])
    assert explorer.controls.filters.created_within == ""
    assert explorer.selection.height == months[0]["count"]


def test_plots_are_drawn_when_seen_and_not_before(explorer, monkeypatch):
    drawn = []
    for name, view in explorer.tabs.views.items():
        if name != "Contacts":
            monkeypatch.setattr(
                view, "_html", lambda contacts, _, name=name: drawn.append((name, contacts.height)) or ""
            )
    explorer.predicate = has_tag("VIP")
    assert drawn == []
    explorer.tabs.choice.value = "Tags"
    size = explorer.selection.height
    assert drawn == [("Tags", size)]
    explorer.tabs.choice.value = "Contacts"
    explorer.tabs.choice.value = "Tags"
    assert drawn == [("Tags", size)]
    explorer.predicate = None
    assert drawn == [("Tags", size), ("Tags", 240)]
    explorer.tabs.choice.value = "Opt-outs"
    assert drawn[2:] == [("Opt-outs", 240)]


@pytest.mark.parametrize("picture", [pictures.tags_html, pictures.opt_outs_html, pictures.verification_html])
def test_pictures_say_in_words_what_they_show(picture):
    html = picture(frame([person(n, tags=[HOSTILE], verified=True, opt_out=n < 2) for n in range(8)]))
    assert html.count("<img") == html.count('src="data:image/png;base64,') > 0
    assert "onerror=window.pwned=1>" not in html
    words = re.findall(r'alt="([^"]+)"', html)
    assert len(words) == html.count("<img")
    assert any("8" in text or "25" in text or "100" in text for text in words)


def test_history_has_a_tab_of_its_own(tmp_path, unrendered):
    history = ContactHistory(tmp_path / "history")
    rows = [person(28 * n, opt_out=False, verified=True) for n in range(12)]  # all created on one day
    history.snapshot(frame(rows), datetime(2026, 3, 1, tzinfo=UTC))
    explorer = ContactExplorer(frame(rows), history=history)
    explorer.tabs.choice.value = "History"
    view = explorer.tabs.views["History"].widget
    assert "A trend needs two" in view.value
    history.snapshot(
        frame([{**row, "opt_out": n < 3} for n, row in enumerate(rows)]), datetime(2026, 3, 8, tzinfo=UTC)
    )
    again = ContactExplorer(frame(rows), history=history)
    again.tabs.choice.value = "History"
    assert again.tabs.views["History"].widget.value.count("<img") == 2
    assert "History" not in ContactExplorer(frame(rows)).tabs.views


def test_the_table_scrolls_sorts_and_masks(explorer):
    table = explorer.tabs.table
    assert (table_of(explorer)["first"], table_of(explorer)["total"], len(table_of(explorer)["rows"])) == (
        0,
        240,
        60,
    )
    table.hear({"type": "rows", "first": 200, "count": 80})
    assert (table_of(explorer)["first"], len(table_of(explorer)["rows"])) == (200, 40)
    asked = table_of(explorer)["generation"]
    for by, descending in (("first_name", False), ("first_name", True), (None, False)):
        table.hear({"type": "sort", "by": "first_name"})
        assert (table_of(explorer)["by"], table_of(explorer)["descending"]) == (by, descending)
    table.hear({"type": "sort", "by": "tags"})
    assert table_of(explorer)["generation"] == asked + 3
    phones = [row[0] for row in table_of(explorer)["rows"]]
    assert all("•••" in phone for phone in phones)
    table.hear({"type": "whole", "value": True})
    assert [row[0] for row in table_of(explorer)["rows"]] == explorer.contacts["phone"].head(60).to_list()


def test_a_view_that_is_made_later_is_told_what_is_shown(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(explorer.controls.chips, "send", sent.append)
    explorer.controls.chips._on_message(None, {"type": "ready", "dark": True}, None)
    assert sent == [{"show": explorer.controls.chips.shown}]
    plots = [view for view in explorer.tabs.views.values() if hasattr(view, "theme")]
    assert [view.theme for view in plots] == ["dark"] * 3


def test_a_saved_notebook_holds_no_contact(tmp_path, unrendered):
    secret = {
        "company_name": "Secret Co",
        "assigned_to_email": "ana@example.com",
        "custom_variables": {"IBAN": "DE1"},
    }
    rows = [
        person(
            n,
            first_name="Ada",
            last_name="Lovelace",
            tags=["VIP", f"call {phone(n)}"],
            opt_out=n % 5 == 0,
            **secret,
        )
        for n in range(40)
    ]
    explorer = ContactExplorer(frame(rows), segments_file=tmp_path / "segments.toml")
    explorer.predicate = has_tag("VIP")
    for kind in ("Tags", "Opt-outs", "Contacts"):
        explorer.tabs.choice.value = kind
    bundle, _ = explorer._repr_mimebundle_()
    state = json.dumps(widgets.Widget.get_manager_state(), default=str) + json.dumps(bundle)
    mine = json.dumps([one.get_state() for one in everything(explorer.widget)], default=str)
    assert "sb-cards" in mine
    for person_ in ("Lovelace", "Secret Co", "ana@", "DE1", "IBAN", phone(3), phone(3)[-7:]):
        assert person_ not in mine
        assert person_ not in json.dumps(bundle)
    assert "VBox(" not in bundle["text/plain"]
    assert "<img" in bundle["text/html"]
    assert ">VIP<" in bundle["text/html"]
    assert len(state) > len(mine)


def test_the_write_panel_suggests_no_tag_that_may_name_somebody(open_account):
    """A saved notebook holds what it suggests."""
    tags = ["VIP", "call +12125550133", "for ada@example.com"]
    rows = [person(n, tags=[*tags, *(["Ada Lovelace"] if n == 0 else [])]) for n in range(30)]
    _, client = open_account(rows)
    explorer = ContactExplorer(frame(rows), client=client)
    assert explorer.write.tag.options == ("VIP",)


def test_closing_frees_the_widgets_and_the_contacts(tmp_path, unrendered):
    from ipywidgets.widgets.widget import _instances

    gc.collect()
    before = len(_instances)
    for _ in range(3):
        explorer = ContactExplorer(frame(mixed(40)), segments_file=tmp_path / "segments.toml")
        explorer.tabs.choice.value = "Tags"
        gone = weakref.ref(explorer._account)
        explorer.close()
        assert explorer.contacts.height == 0
        gc.collect()
        assert gone() is None
    assert len(_instances) == before


def test_a_cell_that_is_run_again_closes_what_it_showed(monkeypatch):
    runs = iter([("cell-1", "a"), ("cell-1", "a"), ("cell-2", "b"), ("cell-1", "c"), (None, "d")])

    class Shell:
        def get_parent(self):
            cell, run = next(runs)
            return {"metadata": {"cellId": cell} if cell else {}, "header": {"msg_id": run}}

    monkeypatch.setattr(cells, "running_shell", Shell)
    monkeypatch.setattr(cells, "_shown", {})
    closed = []

    class Shown:
        def __init__(self, name):
            self.name = name
            cells.replace_in_cell(self)

        def close(self):
            closed.append(self.name)

    kept = [Shown(name) for name in ("first", "beside it", "elsewhere")]
    assert closed == []
    kept.append(Shown("again"))
    assert sorted(closed) == ["beside it", "first"]
    kept.append(Shown("a script's"))
    assert len(closed) == 2


def test_segments_are_saved_by_name_and_chosen_again(saving, tmp_path):
    explorer, saved = saving, saving.saved
    saved.save.click()
    assert "Nothing is filtered" in saved.words.value
    explorer.predicate = has_tag("VIP") & reachable()
    saved.save.click()
    assert "has no name" in saved.words.value
    saved.name.value = HOSTILE
    saved.save.click()
    assert "<img" not in saved.words.value
    kept = load_segments(tmp_path / "segments.toml")
    assert {name: repr(segment) for name, segment in kept.items()} == {
        HOSTILE: 'has_tag("VIP") & reachable()'
    }
    saved.name.value = "Searched"
    explorer.predicate = mentions("ada") & field_is("opt_out", False)
    saved.save.click()
    assert repr(load_segments(tmp_path / "segments.toml")["Searched"]) == explorer.code
    saved.name.value = "Plain"
    explorer.predicate = pl.col("first_name") == "Ada"
    saved.save.click()
    assert "can't hold a plain Polars expression" in html.unescape(saved.words.value)
    assert len(load_segments(tmp_path / "segments.toml")) == 2
    again = ContactExplorer(frame(mixed()), segments_file=tmp_path / "segments.toml")
    again.saved.known.value = HOSTILE
    assert again.code == 'has_tag("VIP") & reachable()'
    assert again.controls.filters.all_tags == ("VIP",)


def test_without_a_client_the_buttons_say_why_they_are_off(looking):
    write = looking.write
    assert (write.make_plan.disabled, write.run.disabled) == (True, True)
    assert "has no client" in write.why_off.value
    assert "has no client" in write.make_plan.tooltip
    write.make_plan.click()
    write.run.click()
    assert write.plan is None


def test_a_write_from_selection_to_undo(open_account):
    rows = [person(n, tags=["VIP"] if n < 4 else ["Lead"], first_name=HOSTILE) for n in range(12)]
    sandbox, client = open_account(rows)
    explorer = ContactExplorer(pull_contacts(client, progress=False), client)
    explorer.predicate = has_tag("VIP")
    write = explorer.write

    def press(button):
        assert not button.disabled
        button.click()
        assert write.wait(30)

    assert write.make_plan.disabled  # no action is chosen for anybody
    assert write.action.options[0][0] == "Choose an action…"
    assert write.action.options[-1][0] == "Delete contacts"
    write.action.value = "Delete contacts"
    press(write.make_plan)
    assert "4" in write.words.value
    assert "+1212•••0100" in write.plan_html.value
    assert phone(0) not in write.plan_html.value
    assert (write.run.disabled, write.confirm.layout.display) == (True, None)
    write.run.click()
    write.typed.value = "3"
    assert write.run.disabled
    assert (sandbox.count(), list_runs().height) == (12, 0)
    write.typed.value = "4"
    press(write.run)
    assert write.result.counts == {"deleted": 4}
    assert "deleted" in write.outcome.value
    assert (sandbox.count(), explorer.contacts.height, number(explorer)) == (8, 8, "0")
    assert "no contact is selected" in write.why_off.value
    assert write.resume.disabled
    press(write.undo)
    assert write.result.counts == {"created": 4}
    assert (sandbox.count(), explorer.contacts.height, number(explorer)) == (12, 12, "4")
    assert set(explorer.selection["phone"]) == {phone(n) for n in range(4)}
    assert "<img" not in write.outcome.value


def test_a_plan_goes_with_the_selection_it_was_made_for(open_account):
    _, client = open_account([person(n, tags=["VIP"]) for n in range(12)])
    explorer = ContactExplorer(pull_contacts(client, progress=False), client)
    write = explorer.write
    write.action.value = "Delete contacts"
    write.make_plan.click()
    assert write.wait(30)
    write.typed.value = "12"
    assert write.run.disabled  # more than half of the account
    write.allow_most.value = True
    assert not write.run.disabled
    click(explorer, "all_tags", "VIP")
    assert (write.plan, write.run.disabled, write.plan_html.value) == (None, True, "")


def test_a_refusal_is_shown(open_account):
    sandbox, client = open_account([person(n) for n in range(3)])
    explorer = ContactExplorer(pull_contacts(client, progress=False), client)
    sandbox.api_key = "another"
    explorer.write.action.value = "Opt out"
    explorer.write.make_plan.click()
    assert explorer.write.wait(30)
    assert "sb-error" in explorer.write.words.value
    assert not explorer.write.make_plan.disabled


def test_every_control_has_a_label(looking):
    panels = [panel for part in looking._panels.values() for panel in everything(part)]
    named = [widget for widget in [*everything(looking.widget), *panels] if hasattr(widget, "description")]
    controls = [widget for widget in named if type(widget).__name__ != "HTML"]
    assert len(controls) > 20
    assert [widget for widget in controls if not widget.description.strip()] == []
    assert [widget for widget in named if getattr(widget, "description_allow_html", False)] == []


def test_typing_settles_down_first():
    calls = []

    async def type_three_letters():
        debounced = Debounced(lambda: calls.append("called"), 0.01)
        for _ in range(3):
            debounced()
        assert calls == []
        await asyncio.sleep(0.1)
        assert calls == ["called"]
        debounced()
        debounced.cancel()
        await asyncio.sleep(0.05)

    asyncio.run(type_three_letters())
    assert calls == ["called"]


def test_background_work_is_handed_over_in_the_kernels_thread():
    handed = []

    async def begin(work):
        over = asyncio.Event()
        Background().start(
            work,
            lambda answer: (handed.append((answer, threading.get_ident())), over.set()),
            lambda error: (handed.append((type(error), threading.get_ident())), over.set()),
        )
        await asyncio.wait_for(over.wait(), 10)

    asyncio.run(begin(threading.get_ident))
    asyncio.run(begin(lambda: 1 / 0))
    (worker, first), (error, second) = handed
    assert first == second == threading.get_ident() != worker
    assert error is ZeroDivisionError


def test_a_cell_that_waits_is_handed_what_was_done():
    handed = []

    async def cell():
        background = Background()
        background.start(threading.get_ident, handed.append, handed.append)
        assert background.wait(10)
        assert len(handed) == 1
        background.start(lambda: threading.Event().wait(0.2), handed.append, handed.append)
        assert not background.wait(0.03)
        assert background.wait(10)
        assert len(handed) == 2

    asyncio.run(cell())
