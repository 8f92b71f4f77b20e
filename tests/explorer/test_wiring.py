"""The widgets do what the functions say; no browser."""

import asyncio
import html
import re
import threading
from datetime import UTC, date, datetime

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
from sendblue_data.explorer import tab_plots as pictures
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
    created_from=date(2026, 1, 2),
    created_before=date(2026, 1, 9),
    variable="Plan",
    test="contains",
    value="r",
    text="ada",
)


@pytest.fixture
def explorer(tmp_path):
    return ContactExplorer(frame(mixed()), segments_file=tmp_path / "segments.toml")


@pytest.fixture(scope="module")
def looking():
    """One explorer for tests that only look: making its widgets takes longer than using them."""
    return ContactExplorer(frame(mixed()))


def number(explorer, name="contacts"):
    return re.search(rf'data-number="{name}">([^<]+)<', explorer.headline.value)[1]


def everything(widget):
    """A widget and all inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything(child)


@pytest.mark.parametrize("field", sorted(Filters.__dataclass_fields__.keys() - {"extra", "texted"}))
def test_each_control_filters(looking, field):
    explorer, controls = looking, looking.controls
    controls.clear.click()
    if field in ("test", "value"):
        controls.variable.value = "Plan"
        controls.test.value = "is"
    value = getattr(EVERYTHING, field)
    if field in controls.lists:
        controls.lists[field].choose(())
        controls.lists[field].list.value = [one for one in value if one != "never seen"]
        value = controls.lists[field].value
    else:
        control = (controls.choices | controls.days).get(field) or getattr(controls, field)
        control.value = value
    assert getattr(controls.filters, field) == value
    assert explorer.code == repr(predicate_of(controls.filters))
    assert explorer.selection.equals(frame(mixed()).filter(predicate_of(controls.filters)))
    assert number(explorer) == f"{explorer.selection.height}"
    assert explorer.tabs.table.html.value.count("<tr>") == 1 + min(25, explorer.selection.height)


def test_controls_begin_as_they_are_once_cleared(explorer):
    assert explorer.controls.filters == Filters()
    explorer.controls.variable.value = "Plan"
    chosen = explorer.selection
    assert chosen.height > 0
    explorer.controls.clear.click()
    explorer.controls.variable.value = "Plan"
    assert explorer.selection.equals(chosen)


def test_setting_the_predicate_moves_every_control(explorer):
    explorer.predicate = predicate_of(EVERYTHING)
    assert explorer.controls.filters == EVERYTHING
    assert explorer.controls.more.value
    explorer.code = 'has_tag("VIP")'
    assert explorer.controls.filters == Filters(all_tags=("VIP",))
    assert repr(explorer.predicate) == 'has_tag("VIP")'
    explorer.controls.clear.click()
    assert (explorer.code, explorer.selection.height) == ("pl.lit(True)", 240)
    assert explorer.contacts.filter(explorer.predicate).height == 240


def test_what_no_control_can_say_is_shown_and_kept_until_cleared(explorer):
    explorer.predicate = (has_tag(HOSTILE) | opted_out()) & verified()
    assert "opted out" in explorer.extra.value
    assert "&lt;img" in explorer.extra.value
    assert "<img" not in explorer.extra.value
    explorer.controls.choices["verified"].value = "any"
    assert explorer.code == f'(has_tag("{HOSTILE}") | opted_out())'.removeprefix("(").removesuffix(")")
    explorer.predicate = pl.col("company_name") == "Acme"
    assert explorer.selection.height == sum(row["company_name"] == "Acme" for row in mixed())
    explorer.predicate = None
    assert explorer.extra.value == ""


def test_what_can_not_be_selected_leaves_the_selection_as_it_was(explorer):
    explorer.predicate = has_tag("VIP")
    for wrong in (pl.col("nobody") == 1, "VIP"):
        with pytest.raises(SegmentError):
            explorer.predicate = wrong
    explorer.controls.days["created_from"].value = date(2026, 2, 1)
    explorer.controls.days["created_before"].value = date(2026, 1, 1)
    assert "is not before" in explorer.problem.value
    assert explorer.code == 'has_tag("VIP") & created_between("2026-02-01", None)'
    explorer.controls.days["created_before"].value = None
    assert explorer.problem.value == ""


def test_a_list_can_be_narrowed_without_losing_what_is_chosen(explorer):
    tags = explorer.controls.lists["all_tags"]
    labels = [label for label, _ in tags.list.options]
    assert [label.rpartition(" (")[0] for label in labels if "ip" in label.lower()] == ["VIP", "vip␣"]
    tags.list.value = ("Lead",)
    explorer.controls.find_tag.value = "vip"
    assert [value for _, value in tags.list.options] == ["Lead", "VIP", "vip "]
    assert explorer.code == 'has_tag("Lead")'
    explorer.controls.find_tag.value = ""
    assert {value for _, value in tags.list.options} == {"Lead", "VIP", "vip "}
    assert tags.value == ("Lead",)


def test_plots_are_drawn_when_seen_and_not_before(explorer, monkeypatch):
    drawn = []
    for name, view in explorer.tabs.views.items():
        if name != "Contacts":
            monkeypatch.setattr(
                view, "_html", lambda contacts, name=name: drawn.append((name, contacts.height)) or ""
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


def test_history_has_a_tab_of_its_own(tmp_path):
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


def test_the_table_turns_its_pages(explorer):
    table = explorer.tabs.table
    assert "Rows 1 to 25 of 240" in table.html.value
    assert (table.back.disabled, table.on.disabled) == (True, False)
    table.on.click()
    assert "Rows 26 to 50 of 240" in table.html.value
    table.last.click()
    assert "page 10 of 10" in table.html.value
    assert (table.back.disabled, table.on.disabled) == (False, True)
    table.by.value = "first_name"
    assert "Rows 1 to 25" in table.html.value
    assert "+44207•••" not in table.html.value
    table.unmasked.value = True
    assert re.search(r"\+1212555\d{4}|\+44207946\d{4}", table.html.value)


def test_segments_are_saved_by_name_and_chosen_again(explorer, tmp_path):
    saved = explorer.saved
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
    assert all(
        "<img" not in getattr(widget, "value", "") for widget in (write.outcome, explorer.tabs.table.html)
    )


def test_a_plan_goes_with_the_selection_it_was_made_for(open_account):
    _, client = open_account([person(n, tags=["VIP"]) for n in range(12)])
    explorer = ContactExplorer(pull_contacts(client, progress=False), client)
    write = explorer.write
    write.make_plan.click()
    assert write.wait(30)
    write.typed.value = "12"
    assert write.run.disabled  # more than half of the account
    write.allow_most.value = True
    assert not write.run.disabled
    explorer.controls.lists["all_tags"].list.value = ("VIP",)
    assert (write.plan, write.run.disabled, write.plan_html.value) == (None, True, "")


def test_a_refusal_is_shown(open_account):
    sandbox, client = open_account([person(n) for n in range(3)])
    explorer = ContactExplorer(pull_contacts(client, progress=False), client)
    sandbox.api_key = "another"
    explorer.write.make_plan.click()
    assert explorer.write.wait(30)
    assert "sb-error" in explorer.write.words.value
    assert not explorer.write.make_plan.disabled


def test_every_control_has_a_label(looking):
    named = [widget for widget in everything(looking.widget) if hasattr(widget, "description")]
    controls = [widget for widget in named if type(widget).__name__ != "HTML"]
    assert len(controls) > 30
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


def test_typing_in_a_kernel_filters_once(explorer, monkeypatch):
    texts = []
    monkeypatch.setattr(explorer, "_select", lambda filters: texts.append(filters.text))

    async def type_a_name():
        for end in range(1, 5):
            explorer.controls.text.value = "ada l"[:end]
        assert texts == []
        await asyncio.sleep(0.4)

    asyncio.run(type_a_name())
    assert texts == ["ada "]


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
