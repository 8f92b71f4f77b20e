"""Eleven jobs, each done in a notebook of its own with what the documentation says; pictures of each are kept.

They go to `artifacts/`, one or more a job, to be looked at: `job-03-slide.png` and so on.
"""

import os
import re
import signal

import pytest
from PIL import Image
from playwright.sync_api import expect

from sendblue_data.sandbox import Sandbox
from tests.browser.desk import ARTIFACTS, PATIENCE, add_cell, picture, shown, tracebacks, use_theme

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ACCOUNT = """
from sendblue_data import Sandbox, pull_contacts
sandbox = Sandbox(contacts={contacts}, seed=7)
client = sandbox.client()
contacts = pull_contacts(client, progress=False)
"""
SOME = ACCOUNT.format(contacts=3_000)


@pytest.fixture
def work(desk):
    pages = []

    def start(name, cells, **size):
        pages.append(desk.work(name, cells, **size))
        return pages[-1]

    yield start
    for page in pages:
        desk.leave(page)


@pytest.fixture
def account(desk):
    """An account that outlives kernels, and the cell that connects with it."""
    with Sandbox(contacts=400, seed=7) as sandbox:
        keys = {"API_KEY": sandbox.api_key, "API_SECRET": sandbox.api_secret, "BASE_URL": sandbox.url}
        file = desk.files / "account.env"
        file.write_text("".join(f"SENDBLUE_API_{name}={value}\n" for name, value in keys.items()))
        file.chmod(0o600)
        yield sandbox


CONNECT = """
from sendblue_data import SendblueClient, pull_contacts
client = SendblueClient.from_env("account.env")
contacts = pull_contacts(client, progress=False)
"""


SHOW = "from sendblue_data import ContactExplorer\nexplorer = ContactExplorer(contacts)\nexplorer"
WRITER = "from sendblue_data import ContactExplorer\nexplorer = ContactExplorer(contacts, client)\nexplorer"
MANY = "from benchmarks.explorer import account\ncontacts = account(200_000)"
HISTORY = """
import random
from datetime import UTC, datetime, timedelta
from sendblue_data import ContactHistory
history = ContactHistory("history")
chance = random.Random(1)
for week in range(6):
    contacts, evidence = pull_contacts(client, progress=False, with_evidence=True)
    history.snapshot(contacts, datetime(2026, 6, 1, tzinfo=UTC) + timedelta(weeks=week), evidence=evidence)
    for phone in chance.sample([row["phone"] for row in sandbox.rows() if row["opt_out"] is False], 25):
        _ = sandbox.edit(phone, opt_out=True)
"""
ASKED = (
    "history.opt_out_events(since='2026-06-29', with_contacts=True)",
    "trend = history.opt_out_trend()\ntrend",
    "from sendblue_data import plots\nplots.opt_out_trend(trend);",
)


def explorer_of(page):
    return page.locator(".sendblue-explorer")


def unfold(page, facet):
    fold = explorer_of(page).locator(f'details[data-fold="{facet}"]')
    if not fold.evaluate("fold => fold.open"):
        fold.locator("summary").click()
    return fold


def press(page, facet, value, state):
    """Click a value of a facet until it is as it should be."""
    one = unfold(page, facet).locator(".sb-value", has=page.get_by_text(value, exact=True))
    one.click()
    if state == "excluded":
        expect(one).to_have_attribute("aria-label", re.compile("included$"))
        one.click()
    expect(one).to_have_attribute("aria-label", re.compile(f"{state}$"))


def test_1_a_first_look(work):
    page = work(
        "first-look",
        [
            ACCOUNT.format(contacts=12_000),
            "from sendblue_data import overview\noverview(contacts)",
            "contacts.head(5)",
            (
                "from sendblue_data import opt_out_rate\n"
                "by_tag = opt_out_rate(contacts, by='tags', min_contacts=50)\nby_tag"
            ),
            "from sendblue_data import plots\nplots.opt_out_rate(by_tag);",
            "from sendblue_data import opt_out_drivers\nopt_out_drivers(contacts, ['tag'])",
        ],
        height=3600,
    )
    picture(page, "job-01-first-look")
    assert tracebacks(page) == []
    assert "12,000" in shown(page, 1)
    assert "Cold List" in shown(page, 5)
    assert re.search(r"\d\.\d ?%", shown(page, 3))


def test_2_a_segment_of_five_conditions_is_saved_and_read(work):
    page = work("segment", [SOME, SHOW], height=1500)
    press(page, "tags", "Customer", "included")
    explorer_of(page).get_by_label("Reachable").select_option("reachable")
    explorer_of(page).get_by_label("Within").select_option("the last year")
    press(page, "owners", "ben@example.com", "excluded")
    variable = unfold(page, "variable")
    variable.get_by_label("Variable", exact=True).select_option("Plan")
    variable.get_by_label("Test").select_option("is")
    variable.get_by_label("Value").fill("Pro")
    sentence = explorer_of(page).locator(".sb-sentence")
    expect(sentence).to_contain_text(
        re.compile("Customer.*ben@example.com.*reachable.*last year.*Plan is.*Pro")
    )
    explorer_of(page).get_by_role("button", name="Save the segment").click()
    explorer_of(page).get_by_label("Segment name").fill("Spring launch")
    explorer_of(page).get_by_role("button", name="Save segment").click()
    expect(explorer_of(page)).to_contain_text("Saved “Spring launch”")
    counted = explorer_of(page).locator('[data-number="contacts"]').inner_text()
    read = add_cell(
        page,
        "from sendblue_data import describe, load_segments\n"
        "spring = load_segments('segments.toml')['Spring launch']\n"
        "print(contacts.filter(spring).height, describe(spring))",
    )
    picture(page, "job-02-segment")
    assert re.match(rf"{counted} contacts tagged \"Customer\" and", read)
    assert read.count(" and ") >= 4


def test_3_a_chart_for_a_slide(work, desk):
    page = work(
        "slide",
        [
            SOME,
            (
                "from sendblue_data import opt_out_rate, plots\n"
                "by_tag = opt_out_rate(contacts, by='tags', min_contacts=50)\n"
                "ax = plots.opt_out_rate(by_tag, size='slide', title='auto', highlight='Cold List')\n"
                "ax.figure.savefig('slide.png')"
            ),
        ],
        height=1300,
    )
    picture(page, "job-03-notebook")
    assert tracebacks(page) == []
    with Image.open(desk.files / "slide.png") as slide:
        assert slide.size == (1920, 1080)
        ARTIFACTS.mkdir(exist_ok=True)
        slide.save(ARTIFACTS / "job-03-slide.png")


def test_4_a_comparison(work):
    page = work(
        "comparison",
        [
            SOME,
            (
                "from sendblue_data import compare_segments, has_tag, plots\n"
                "segments = {'Customers': has_tag('Customer'), 'Leads': has_tag('Lead'), 'Cold list': has_tag('Cold List')}\n"
                "table = compare_segments(contacts, segments, baseline='Customers')\ntable"
            ),
            "plots.compare_segments(table);",
        ],
        height=1500,
    )
    picture(page, "job-04-comparison")
    assert tracebacks(page) == []
    assert re.search(r"of Cold list opted out, .* points more than Customers", shown(page, 1))


def test_5_a_list_from_a_file_and_its_undo(work, account, tmp_path):
    listed = tmp_path / "customers.csv"
    listed.write_text(
        "First Name,Last Name,Phone,Accepts SMS Marketing,Tags\n"
        'Zoë,Ruiz,(212) 555-0121,yes,"VIP, newsletter"\nBo,Lind,212-555-0122,no,\nCy,Poe,555-0123,yes,Lead\n',
        encoding="utf-8",
    )
    before = {row["phone"] for row in account.rows()}
    page = work("list", [CONNECT, WRITER], height=1700)
    explorer_of(page).get_by_role("button", name="Write a list").click()
    panel = explorer_of(page).locator(".sb-list")
    panel.get_by_label("Country of numbers without +").fill("US")
    with page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Choose a list").click()
    chooser.value.set_files(listed)
    expect(panel).to_contain_text("2 with a phone, 1 refused, 1 opted out")
    panel.get_by_label("Action").select_option("Create those who are new")
    panel.get_by_role("button", name="Make the plan").click()
    expect(panel).to_contain_text("2 to create")
    panel.get_by_label("Type the number of contacts to go on").fill("2")
    picture(page, "job-05-plan")
    panel.get_by_role("button", name=re.compile("^Run")).click()
    undo = panel.get_by_role("button", name="Undo", exact=True)
    expect(undo).to_be_enabled()
    made = {row["phone"]: row["opt_out"] for row in account.rows() if row["phone"] not in before}
    assert made == {"+12125550121": False, "+12125550122": True}
    picture(page, "job-05-created")
    undo.click()
    expect(panel.get_by_role("button", name="Undo the undo")).to_be_enabled()
    assert {row["phone"] for row in account.rows()} == before
    picture(page, "job-05-undone")


def test_6_tags_are_added_removed_and_merged(work, account):
    old = {row["phone"]: set(row["tags"] or ()) for row in account.rows()}
    page = work(
        "tags",
        [
            CONNECT,
            (
                "from sendblue_data import add_tags, has_tag, plan_add_tags, remove_tags, rename_tags, similar_tags\n"
                "vips = contacts.filter(has_tag('VIP'))\nplan_add_tags(client, vips, 'Win-back 2026')"
            ),
            "add_tags(client, vips, 'Win-back 2026', progress=False)",
            "remove_tags(client, vips, 'VIP', progress=False)",
            "suggestions = similar_tags(contacts)\nsuggestions",
            "rename_tags(client, contacts, {'newsletter': 'Newsletter'}, progress=False)",
        ],
        height=2600,
    )
    picture(page, "job-06-tags")
    assert tracebacks(page) == []
    assert "+ Win-back 2026" in shown(page, 1)
    vips = {phone for phone, tags in old.items() if "VIP" in tags}
    assert len(vips) > 5
    for row in account.rows():
        tags, was = set(row["tags"] or ()), old[row["phone"]]
        wanted = was - {"VIP"} | {"Win-back 2026"} if row["phone"] in vips else was
        assert tags == {"Newsletter" if tag == "newsletter" else tag for tag in wanted}


def test_7_a_delete_cut_off_by_the_kernels_death_is_resumed_and_undone(work, account):
    rows = account.rows()
    before = {row["phone"]: row["opt_out"] for row in rows}
    account.set(latency=0.15)
    page = work("cut-off", [CONNECT, "import os\nprint(os.getpid())"], height=1800)
    kernel = int(shown(page, 1))
    cell = page.locator(".jp-CodeCell").last
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(
        "from sendblue_data import bulk_delete, has_tag\nleads = contacts.filter(has_tag('Lead'))\n"
        "bulk_delete(client, leads, confirm=leads.height, chunk_size=10, progress=False)"
    )
    page.keyboard.press("Control+Enter")
    while account.count() > len(before) - 20:
        page.wait_for_timeout(50)
    os.kill(kernel, signal.SIGKILL)
    page.get_by_text("appears to have died").wait_for()
    picture(page, "job-07-died")
    page.get_by_role("button", name="Ok", exact=True).click()
    assert 20 <= len(before) - account.count() < sum("Lead" in (row["tags"] or ()) for row in rows)
    page.get_by_text(re.compile(r"Python 3.* \| Idle")).wait_for()
    assert "open" in add_cell(page, CONNECT + "from sendblue_data import list_runs\nlist_runs()")
    resumed = add_cell(
        page,
        "from sendblue_data import resume_run, undo_run\nrun = list_runs()['run_id'][0]\n"
        "resume_run(client, run, progress=False)",
    )
    assert "deleted" in resumed
    assert not any("Lead" in (row["tags"] or ()) for row in account.rows())
    assert "created" in add_cell(page, "undo_run(client, run, progress=False)")
    picture(page, "job-07-undone")
    after = {row["phone"]: row["opt_out"] for row in account.rows()}
    assert set(after) == set(before)
    assert {phone for phone in after if after[phone]} == {phone for phone in before if before[phone]}


def test_8_history(work):
    page = work("history", [SOME, HISTORY, *ASKED], height=2600)
    picture(page, "job-08-history")
    assert tracebacks(page) == []
    assert "opt_out" in shown(page, 2)


WIDTHS = (800, 1400, 1600)


def test_9_the_explorer_of_200_000_by_mouse_and_keyboard(work, desk):
    page = work("explorer", [MANY, SHOW], height=1250)
    explorer = explorer_of(page)
    expect(explorer.locator('[data-number="contacts"]')).to_have_text("200,000")
    press(page, "tags", "VIP", "included")
    bars = explorer.locator(".sb-month")
    bars.nth(4).hover(position={"x": 3, "y": 50})
    page.mouse.down()
    bars.nth(9).hover(position={"x": 3, "y": 50})
    page.mouse.up()
    expect(explorer.locator(".sb-month[aria-pressed=true]")).to_have_count(6)
    explorer.get_by_role("button", name="Or…").click()
    first = unfold(page, "tags").locator(".sb-value").first
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(explorer.locator(".sb-value[data-state=all]")).to_have_count(1)
    expect(explorer.locator(".sb-sentence")).to_contain_text(re.compile("either.*VIP.*or.*tagged"))
    counted = explorer.locator('[data-number="contacts"]').inner_text()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1250})
        explorer.scroll_into_view_if_needed()
        picture(page, f"job-09-light-{width}")
        if width == WIDTHS[0]:
            expect(explorer.locator(".sb-values").first).to_be_hidden()  # folded
    columns = explorer.locator(".sb-facets").evaluate("one => getComputedStyle(one).columnCount")
    assert columns == "2"
    use_theme(page, "JupyterLab Dark")
    for view in ("Opt-outs", "Contacts"):
        explorer.get_by_role("button", name=view, exact=True).click()
        if view == "Opt-outs":
            expect(explorer.locator(".sb-plot")).to_have_count(1)
            assert max(corner(explorer.locator(".sb-plot"))) < 80
        for width in WIDTHS if view == "Contacts" else WIDTHS[1:2]:
            page.set_viewport_size({"width": width, "height": 1250})
            picture(page, f"job-09-dark-{width}-{view.lower()}")
    use_theme(page, "JupyterLab Light")
    code = "print(f'{contacts.filter(explorer.predicate).height:,} {explorer.selection.height:,}')"
    assert add_cell(page, code).split() == [counted, counted]


def corner(image):
    """The colour of a picture's first point."""
    return image.evaluate(
        """image => { const canvas = document.createElement("canvas"); const to = canvas.getContext("2d");
        to.drawImage(image, 0, 0); return [...to.getImageData(1, 1, 1, 1).data].slice(0, 3) }"""
    )


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_10_the_report_is_read_at_any_width(chromium, report, width):
    page = chromium.new_page(viewport={"width": width, "height": 1000})
    page.goto(report.as_uri())
    page.screenshot(path=ARTIFACTS / f"job-10-report-{width}.png", full_page=True, timeout=PATIENCE)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.close()


def test_10_the_report_is_printed(chromium, report):
    page = chromium.new_page()
    page.goto(report.as_uri())
    ARTIFACTS.mkdir(exist_ok=True)
    page.pdf(path=ARTIFACTS / "job-10-report.pdf", prefer_css_page_size=True)
    page.close()
    assert (ARTIFACTS / "job-10-report.pdf").read_bytes().count(b"/Type /Page\n") >= 3


@pytest.fixture(scope="module")
def report(desk):
    """What a notebook wrote."""
    page = desk.work(
        "report", [SOME, "from sendblue_data import write_report\nwrite_report(contacts, 'report.html')"]
    )
    picture(page, "job-10-notebook")
    assert tracebacks(page) == []
    desk.leave(page)
    return desk.files / "report.html"


WRONG = {
    "no key": "from sendblue_data import SendblueClient\nSendblueClient()",
    "a wrong key": "pull_contacts(SendblueClient('a-made-up-key', 'a-made-up-secret', sandbox.url), progress=False)",
    "a closed port": "pull_contacts(SendblueClient('a', 'b', 'http://127.0.0.1:9', retries=0), progress=False)",
    "pandas": "import pandas as pd\nfrom sendblue_data import opt_out_rate\n"
    "opt_out_rate(pd.DataFrame({'phone': ['+12125550101']}))",
    "no client": "from sendblue_data import bulk_delete\nbulk_delete(contacts)",
    "a misspelt column": "opt_out_rate(contacts, by='compny_name')",
    "a misspelt tag": "from sendblue_data import has_tag\ncontacts.filter(has_tag('VPI')).height",
    "a result, where a run is expected": "from sendblue_data import add_tags, undo_run\n"
    "undo_run(client, add_tags(client, contacts.head(2), 'x', progress=False), progress=False)",
}


def test_11_misuse(work):
    page = work("misuse", [SOME, *((code,) for code in WRONG.values())], height=3000)
    picture(page, "job-11-misuse")
    told = {name: shown(page, place) for place, name in enumerate(WRONG, 1)}
    for name in list(WRONG)[:6]:
        assert 1 <= len(told[name].splitlines()) <= 14, name
        assert "/site-packages/" not in told[name], name
    assert "SENDBLUE_API_API_KEY" in told["no key"]
    assert "AuthenticationError" in told["a wrong key"]
    assert "company_name" in told["a misspelt column"]
    assert "VIP" in told["a misspelt tag"]
    assert "Error" not in told["a result, where a run is expected"]


def test_nothing_is_asked_of_other_machines_and_the_consoles_are_quiet(desk):
    assert (desk.errors, desk.elsewhere) == ([], [])
