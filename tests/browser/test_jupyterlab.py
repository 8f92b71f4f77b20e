"""A person at a real JupyterLab, in a real browser, with an account that the test can look into."""

import re
import shutil
from pathlib import Path

import axe_playwright_python
import nbformat
import pytest
from playwright.sync_api import expect
from statsmodels.stats.proportion import proportion_confint

from sendblue_data.sandbox import Sandbox
from tests.browser.desk import ARTIFACTS, picture, run_all, tracebacks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
HOSTILE = "<img src=x onerror=window.pwned=1>"
TAG = "Pilot <i>2024</i>"
LABS_OWN = ()
"""What JupyterLab itself writes to the console as an error, without us."""


@pytest.fixture(scope="module")
def sandbox():
    """Synthetic people, and six of whom every text is hostile; some of them opted out."""
    with Sandbox(contacts=3_000, seed=7) as sandbox:
        sandbox.add(
            {
                "phone": f"+1212555018{n}",
                "first_name": HOSTILE,
                "last_name": "</td></table><script>window.pwned=1</script>",
                "company_name": HOSTILE,
                "assigned_to_email": HOSTILE,
                "tags": [TAG, HOSTILE],
                "custom_variables": {HOSTILE: HOSTILE},
                "opt_out": n < 2,
                "verified": True,
                "created_at": f"2026-01-0{n + 1}T00:00:00Z",
            }
            for n in range(6)
        )
        yield sandbox


@pytest.fixture(scope="module")
def notebook(desk, sandbox):
    """A copy of the notebook, of which only the account is another: the test's."""
    notebook = nbformat.read(ROOT / "notebooks" / "07_explorer.ipynb", 4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    made = "sandbox = Sandbox(contacts=3_000, seed=7)\nclient = sandbox.client()\n"
    assert made in first.source
    first.source = first.source.replace(
        made,
        "from sendblue_data import SendblueClient\n"
        f"client = SendblueClient({sandbox.api_key!r}, {sandbox.api_secret!r}, {sandbox.url!r})\n",
    )
    # The cells up to the explorer: what follows it in the story are writes from code.
    shown = next(n for n, cell in enumerate(notebook.cells) if cell.source.endswith("\nexplorer"))
    notebook.cells = notebook.cells[: shown + 1]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    shutil.copytree(ROOT / "docs" / "images", desk.files / "docs" / "images")
    (desk.files / "notebooks").mkdir()
    nbformat.write(notebook, desk.files / "notebooks" / "explorer.ipynb")
    return "notebooks/explorer"


@pytest.fixture(scope="module")
def page(desk, notebook):
    """The notebook, run to its end by the menu."""
    page = desk.open(notebook, width=1500, height=1250)
    run_all(page)
    traceback = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    try:
        at(page).locator(".sb-cards").or_(traceback).first.wait_for()
    finally:
        picture(page, "explorer-0-notebook")
    assert tracebacks(page) == []
    # Room for the explorer: the file browser goes.
    page.keyboard.press("Control+b")
    yield page
    desk.leave(page)


def at(page):
    """The explorer, and nothing of JupyterLab around it."""
    return page.locator(".sendblue-explorer")


def number(page, name):
    return at(page).locator(f'[data-number="{name}"]')


def expect_numbers(page, rows, whole):
    """The headline says what is counted in plain Python from the account's own rows."""
    known = [row for row in rows if row["opt_out"] is not None]
    outs = sum(row["opt_out"] for row in known)
    reachable = sum(
        row["opt_out"] is False and bool(re.fullmatch(r"\+[1-9]\d{6,14}", row["phone"])) for row in rows
    )
    expect(number(page, "contacts")).to_have_text(f"{len(rows):,}")
    expect(number(page, "reachable")).to_have_text(f"{reachable:,}")
    expect(number(page, "share of account")).to_have_text(f"{100 * len(rows) / len(whole):.1f}%")
    expect(number(page, "opt-out rate")).to_have_text(f"{100 * outs / len(known):.1f}%")
    low, high = proportion_confint(outs, len(known), method="wilson")
    cards = at(page).locator(".sb-cards")
    expect(cards).to_contain_text(f"{100 * low:.1f}% to {100 * high:.1f}%")
    expect(cards).to_contain_text(f"of {len(whole):,}")


def tagged(sandbox, *tags):
    return [row for row in sandbox.rows() if set(tags) <= set(row["tags"] or ())]


def choose(page, facet, value):
    """Open a facet, find a value by its name and include it."""
    name = {"Tag": "tags", "Company": "companies", "Owner": "owners"}[facet]
    fold = at(page).locator(f'details[data-fold="{name}"]')
    if not fold.evaluate("fold => fold.open"):
        fold.locator("summary").click()
    found = fold.locator(".sb-value", has=page.get_by_text(value, exact=True))
    fold.get_by_label(f"Find in {facet}").fill(value)
    found.click()
    expect(found).to_have_attribute("aria-label", re.compile("included$"))
    fold.get_by_label(f"Find in {facet}").fill("")


def test_the_notebook_shows_the_account(page, sandbox):
    everyone = sandbox.rows()
    assert len(everyone) == 3_006
    at(page).scroll_into_view_if_needed()
    expect_numbers_of_all(page, everyone)
    picture(page, "explorer-1-all")


def expect_numbers_of_all(page, everyone):
    expect(number(page, "contacts")).to_have_text(f"{len(everyone):,}")
    expect(number(page, "share of account")).to_have_text("100.0%")


def test_every_control_has_a_label_and_is_reached_by_the_keyboard(page):
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.sendblue-explorer :is(input, select, textarea, button)')]
            .filter(e => !(e.labels && e.labels.length) && !e.ariaLabel
                && !(e.tagName == 'BUTTON' && e.textContent.trim()))
            .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    search = at(page).get_by_label("Search name, company, phone or owner")
    search.focus()
    reached = set()
    for _ in range(90):
        reached.add(
            page.evaluate(
                """() => { const e = document.activeElement;
                return e.closest('.sendblue-explorer')
                    ? (e.ariaLabel || (e.labels && e.labels.length ? e.labels[0].firstChild.textContent : e.textContent)) : '' }"""
            ).strip()
        )
        page.keyboard.press("Tab")
    assert {
        "Search name, company, phone or owner", "Find in Tag", "Has", "Reachable", "Opted out", "Verified", "Tagged",
        "Within", "From", "Before", "Contacts", "Tags", "Opt-outs", "Verification", "Phone", "Code",
        "Save the segment", "Write to the selection",
    } <= reached  # fmt: skip


def test_the_keyboard_alone_filters_and_takes_back(page, sandbox):
    everyone = sandbox.rows()
    first = at(page).locator(".sb-value").first
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-label", re.compile("included$"))
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-label", re.compile("excluded$"))
    page.keyboard.press("Enter")
    expect_numbers_of_all(page, everyone)


def test_axe_finds_nothing_serious(page):
    page.evaluate(Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text())
    found = page.evaluate("() => axe.run('.sendblue-explorer', {resultTypes: ['violations']})")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]] == []


STANDS = """where => {
  const explorer = document.querySelector(".sendblue-explorer");
  const [side, main] = [".sb-side", ".sb-main"].map(one => explorer.querySelector(one).getBoundingClientRect());
  return (main.top >= side.bottom - 1 ? "below" : main.left >= side.right - 1 ? "beside" : "over") === where;
}"""
"""Whether the numbers and tables stand below the facets, or beside them."""


@pytest.mark.parametrize("width", [800, 1400, 1600])
def test_nothing_is_lost_at_any_width(page, width):
    page.set_viewport_size({"width": width, "height": 1250})
    expect(at(page).locator(".sb-cards")).to_be_visible()
    expect(at(page).locator(".sb-grid")).to_be_visible()
    # JupyterLab lays out what was resized when it has the time.
    page.wait_for_function(STANDS, arg="below" if width == 800 else "beside")
    picture(page, f"explorer-at-{width}")
    page.set_viewport_size({"width": 1500, "height": 1250})


def test_a_tag_and_a_text_change_the_numbers(page, sandbox):
    everyone = sandbox.rows()
    choose(page, "Tag", "Customer")
    expect_numbers(page, tagged(sandbox, "Customer"), everyone)
    choose(page, "Tag", "VIP")
    both = tagged(sandbox, "Customer", "VIP")
    assert 0 < len(both) < len(tagged(sandbox, "Customer"))
    expect_numbers(page, both, everyone)
    search = at(page).get_by_label("Search name, company, phone or owner")
    search.press_sequentially("smith", delay=40)
    smiths = [row for row in tagged(sandbox, "Customer", "VIP") if "smith" in searched(row)]
    assert 0 < len(smiths) < len(both)
    expect_numbers(page, smiths, everyone)
    expect(at(page).locator("pre")).to_have_count(0)  # folded until asked for
    at(page).get_by_role("button", name="Code", exact=True).click()
    expect(at(page).locator("pre")).to_contain_text(
        'contacts.filter(has_tag("Customer", "VIP") & mentions("smith"))'
    )
    expect(at(page).locator(".sb-sentence")).to_contain_text(
        re.compile("^Contacts ?tagged all of ?Customer .+VIP .+and mentioning ?smith")
    )
    picture(page, "explorer-2-filtered")
    at(page).screenshot(path=ARTIFACTS / "explorer-2-alone.png")
    at(page).get_by_role("button", name="Clear all").click()
    expect_numbers_of_all(page, everyone)
    expect(search).to_have_value("")


def test_the_table_scrolls_through_everybody_and_sorts(page, sandbox):
    grid = at(page).locator(".sb-grid")
    last = at(page).locator(".sb-grid tbody tr[aria-rowindex]").last
    grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight; grid.scrollLeft = 0 }")
    expect(last).to_have_attribute("aria-rowindex", str(len(sandbox.rows()) + 1))
    expect(last.locator("td").first).to_contain_text("•••")
    at(page).get_by_role("button", name="First name").click()
    expect(at(page).locator(".sb-grid th[aria-sort=ascending]")).to_have_text("↑ First name")
    for _ in range(2):
        at(page).get_by_role("button", name="First name").click()
    expect(at(page).locator(".sb-grid th[aria-sort=ascending]")).to_have_count(0)


def searched(row):
    fields = ("first_name", "last_name", "company_name", "phone", "assigned_to_email")
    return " ".join(row[name] for name in fields if row[name]).lower()


def test_pictures_are_drawn_when_seen(page):
    plots = at(page).locator(".sb-plot")
    expect(plots).to_have_count(0)
    tabs = {"Tags": "Contacts by tag", "Opt-outs": "Opt-out rate by tag", "Verification": "Verification"}
    for number_of, (tab, words) in enumerate(tabs.items()):
        at(page).get_by_role("button", name=tab, exact=True).click()
        expect(plots.first).to_have_attribute("alt", re.compile(rf"{words}.*\d"))
        expect(plots).to_have_count(2 if tab == "Verification" else 1)
        picture(page, f"explorer-3-{number_of}-{tab.lower()}")
    at(page).get_by_role("button", name="Contacts", exact=True).click()
    expect(plots).to_have_count(0)


def test_hostile_texts_are_shown_as_text(page, sandbox):
    for facet in ("Company", "Owner"):
        choose(page, facet, HOSTILE)
    at(page).locator("summary", has_text="Custom variable").click()
    at(page).get_by_label("Variable", exact=True).select_option(label=f"{HOSTILE} (6)")
    expect_numbers(page, tagged(sandbox, TAG), sandbox.rows())
    table = at(page).locator(".sb-grid")
    rows = table.locator("tbody tr[aria-rowindex]")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text(HOSTILE)
    expect(rows.first).to_contain_text(f"{TAG}, {HOSTILE}")
    expect(rows.first.locator("td").first).to_have_text("+1212•••0180")
    expect(table.locator("img, i, script")).to_have_count(0)
    picture(page, "explorer-4-hostile")
    at(page).get_by_role("button", name="Save the segment").click()
    at(page).get_by_label("Segment name").fill(HOSTILE)
    at(page).get_by_role("button", name="Save segment").click()
    expect(at(page)).to_contain_text(f"Saved “{HOSTILE}”")
    expect(at(page).locator("img")).to_have_count(0)
    at(page).get_by_role("button", name="Clear all").click()
    expect_numbers_of_all(page, sandbox.rows())


def test_a_segment_is_deleted_and_brought_back(page, sandbox):
    before = {row["phone"]: row for row in sandbox.rows()}
    pilots = tagged(sandbox, TAG)
    assert len(pilots) == 6
    choose(page, "Tag", TAG)
    expect_numbers(page, pilots, list(before.values()))
    at(page).get_by_role("button", name="Write to the selection").click()
    panel = at(page).locator(".sb-selection")  # a list from a file has a panel of its own
    run = panel.get_by_role("button", name=re.compile("^Run"))
    expect(panel.get_by_role("button", name="Make the plan")).to_be_disabled()
    panel.get_by_label("Action").select_option("Delete contacts")
    panel.get_by_role("button", name="Make the plan").click()
    expect(at(page)).to_contain_text("Plan: delete: 6 to delete (2 of them opted out); account of 3,006")
    expect(at(page)).to_contain_text("2 of them opted out")
    expect(run).to_be_disabled()
    typed = panel.get_by_label("Type the number of contacts to go on")
    typed.fill("5")
    expect(run).to_be_disabled()
    assert sandbox.count() == 3_006
    typed.fill("6")
    expect(run).to_be_enabled()
    typed.scroll_into_view_if_needed()
    picture(page, "explorer-5-plan")
    run.click()
    undo = panel.get_by_role("button", name="Undo", exact=True)
    expect(undo).to_be_enabled()
    expect(number(page, "contacts")).to_have_text("0")
    assert sandbox.count() == 3_000
    assert tagged(sandbox, TAG) == []
    undo.scroll_into_view_if_needed()
    picture(page, "explorer-6-deleted")
    undo.click()
    expect(panel.get_by_role("button", name="Undo the undo")).to_be_enabled()
    after = {row["phone"]: row for row in sandbox.rows()}
    assert set(after) == set(before)
    lost = {"contact_id", "created_at", "verified"}
    assert [
        {name: value for name, value in row.items() if name not in lost} for row in tagged(sandbox, TAG)
    ] == [{name: value for name, value in row.items() if name not in lost} for row in pilots]
    expect_numbers(page, tagged(sandbox, TAG), list(after.values()))
    panel.get_by_role("button", name="Undo the undo").scroll_into_view_if_needed()
    picture(page, "explorer-7-undone")


def test_nothing_hostile_ran_and_the_console_is_quiet(page, desk):
    assert page.evaluate("() => window.pwned") is None
    assert [error for error in desk.errors if error not in LABS_OWN] == []
    assert desk.elsewhere == []
