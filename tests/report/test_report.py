"""The report as a reader, a browser and an attacker see it; the plots themselves are tested with the plots."""

import base64
import hashlib
import re
import stat
from collections import Counter
from datetime import UTC, datetime, timedelta
from html import escape
from html.parser import HTMLParser
from itertools import pairwise

import duckdb
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from sendblue_data import (
    CONTACT_SCHEMA,
    ContactHistory,
    PullEvidence,
    contacts_frame,
    write_report,
)
from sendblue_data._shared.masking import mask_text
from sendblue_data.errors import ConfigurationError, FrameError, WrongAccountError
from sendblue_data.report.parts import Picture
from sendblue_data.report.words import readable

PULLED = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "{{7*7}}",
    "\u202eevitcejda",
    "عميل",
    "🙂 fan",
    "=HYPERLINK(1)",
    "&lt;b&gt;",
]
PHONE = "+13055550177"


def person(number, **fields):
    return {
        "contact_id": f"c{number}",
        "phone": f"+1305555{number:04d}",
        "created_at": (PULLED - timedelta(days=number)).isoformat(),
        "opt_out": False,
        "verified": True,
        "tags": ["all"],
        "sendblue_number": "+13055550199",
    } | fields


def people():
    """A hundred: 12 opted out and 8 unknown; 55 verified and 5 unknown; hostile names, tags and companies."""
    rows = []
    for number in range(100, 200):
        name = HOSTILE[number % len(HOSTILE)]
        rows.append(
            person(
                number,
                first_name=name,
                company_name=name,
                tags=["all", name, f"from {PHONE}"],
                opt_out=None if number >= 192 else number < 112,
                verified=None if number >= 195 else number < 155,
            )
        )
    return contacts_frame(rows)


def evidence(**fields):
    return PullEvidence(
        **{
            "account": "api.example.com/1f0991eb", "requests": 4, "pages": 2, "windows": 1, "retaken": 0,
            "repeats_dropped": 1, "count_before": 100, "count_after": 100, "contacts": 100, "complete": True,
            "started": PULLED - timedelta(seconds=3), "finished": PULLED,
        }
        | fields
    )  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of the page: elements with their attributes, and the text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.html, self.elements, self.text, self.style = html, [], "", ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "style" and not self.style:
            self.style = data
        else:
            self.text += f" {data}"

    def of(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(self.text.split())


DOT = '<svg class="plot" role="img" aria-label="{}"><path fill="#0072b2" d="M 0 0"/></svg>'


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures of one dot, for the tests that look at the page around them."""

    def picture(name, _draw, alt, **_options):
        return Picture(name, alt, DOT.format(escape(alt)))

    monkeypatch.setattr("sendblue_data.report.sections.picture", picture)


@pytest.fixture
def write(undrawn, tmp_path):
    def write(contacts, history=None, **options):
        chosen = {"min_contacts": 0} | options
        path = write_report(contacts, tmp_path / "report.html", history, **chosen)
        return Page(path.read_text(encoding="utf-8"))

    return write


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A whole report."""
    folder = tmp_path_factory.mktemp("report")
    history = ContactHistory(folder / "history")
    first = people()
    opted = first.with_columns(opt_out=first["opt_out"] | (first["contact_id"] == "c150"))
    history.snapshot(first, PULLED - timedelta(days=7))
    history.snapshot(opted, PULLED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "Agg")
        path = write_report(first, folder / "report.html", history, evidence=evidence(), min_contacts=0)
    return Page(path.read_text(encoding="utf-8"))


def test_every_colour_of_a_picture_follows_the_screen(drawn):
    assert len(drawn.of("svg")) == 11
    colours = {attrs[key] for _, attrs in drawn.elements for key in ("fill", "stroke") if key in attrs}
    assert len(colours) > 6
    assert [one for one in colours if one != "none" and not one.startswith("var(--plot-")] == []
    defined = Counter(re.findall(r"(--plot-[0-9a-f]{6}):", drawn.style))
    assert {one[4:-1] for one in colours - {"none"}} <= defined.keys()
    assert set(defined.values()) == {3}  # light, dark if chosen, dark if the screen is
    assert drawn.style.count("@media screen") == 4  # paper is light


def test_a_picture_says_in_words_what_it_shows(drawn):
    texts = [picture["aria-label"] for picture in drawn.of("svg")]
    assert {picture["role"] for picture in drawn.of("svg")} == {"img"}
    assert all(len(text) > 20 for text in texts)
    assert len(set(texts)) == len(texts)
    assert any(text.startswith("Opt-out rate by tag. all: 13.0%;") for text in texts)
    assert any("all: 100; not opted out: 80; reachable: 80" in text for text in texts)


def test_the_page_can_run_nothing_and_load_nothing(drawn):
    names = {name for name, _ in drawn.elements}
    assert names.isdisjoint({"script", "iframe", "object", "embed", "link", "base", "form", "img", "image"})
    attributes = Counter(name for _, attrs in drawn.elements for name in attrs)
    assert attributes["aria-label"] == 11 + 11 + 2  # pictures, their regions, contents and headline
    assert [name for name in attributes if name.startswith("on") or name == "style"] == []
    addresses = [
        value
        for _, attrs in drawn.elements
        for name, value in attrs.items()
        if name in {"src", "href", "srcset", "action", "data", "background", "xlink:href"}
    ]
    assert len(addresses) > 22
    assert [one[:40] for one in addresses if not one.startswith("#")] == []
    assert set(re.findall(r"url\((.)", drawn.html)) == {"#"}
    assert "url(" not in drawn.style
    assert "@import" not in drawn.style


def test_its_policy_allows_the_style_sheet_by_hash_and_data_pictures_alone(drawn):
    policies = [meta["content"] for meta in drawn.of("meta") if "http-equiv" in meta]
    assert len(policies) == 1
    digest = base64.b64encode(hashlib.sha256(drawn.style.encode()).digest()).decode()
    assert policies[0].split("; ") == [
        "default-src 'none'", "img-src data:", f"style-src 'sha256-{digest}'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert len(drawn.of("style")) == 1
    assert drawn.html.index("Content-Security-Policy") < drawn.html.index("<style")


def test_names_are_text_and_nothing_else(drawn):
    assert "\u202e" not in drawn.html
    for name in HOSTILE:
        assert drawn.text.count(readable(name)) >= 2, name  # as a tag, and as a company of the worklist
    assert drawn.of("img") == []
    assert "<script" not in drawn.html


@pytest.mark.parametrize("mask", [True, False])
def test_people_are_masked_wherever_they_stand(write, mask):
    owned = people().with_columns(
        assigned_to_email=pl.lit("ada.lovelace@example.com"), last_name=pl.lit("Zubrowka")
    )
    page = write(owned, mask=mask, evidence=evidence(), min_contacts=20)
    whole = re.findall(r"\+1305555[0-9]{4}", page.html)
    assert (len(whole) == 0) is mask
    assert ("+1305•••0177" in page.text) is mask  # a tag
    assert ("+1305•••0199" in page.text) is mask  # a line
    assert ("ada.lovelace" in page.html) is ("Zubrowka" in page.html) is not mask
    assert ("a•••@example.com" in page.text) is ("Z•••" in page.text) is mask


def test_the_head_of_a_printed_page_is_one_short_line(write):
    page = write(people(), title="W" * 200)
    head = re.search(r'@top-left { content: "(W+)', page.html)
    assert head is not None
    assert len(head[1]) < 60


@pytest.mark.parametrize("least", [20, 0])
def test_a_tag_of_a_few_is_named_nowhere(write, least):
    """It may be a person's name; the list of those who wait for verification, and the findings, told it."""
    few = ["Zubrowka", "Quintavalle", "Lovelace", "Hopper", "Noether"]
    rows = [person(n, tags=[few[n % 5]], verified=n % 9 == 0, opt_out=n < 140) for n in range(100, 160)]
    page = write(contacts_frame(rows), min_contacts=least)
    assert [name in page.html for name in few] == [least == 0] * 5


def test_the_headline_is_right(drawn):
    low, high = proportion_confint(12, 92, method="wilson")
    for words in (
        "Contacts 100 in the account, each once",
        "Opted out 12 of 92 whose state is known",
        f"Opt-out rate 13.0% 95% interval {100 * low:.1f}% to {100 * high:.1f}%; a prevalence, not per message",
        "Verified 55 57.9% of 95 whose state is known",
        "Reachable 80 80.0% of all: with an E.164 phone, known not to have opted out",
        "Not known 8 opt-outs that the API did not say, and 5 verifications; in no rate",
    ):
        assert words in drawn.words, words


def test_it_says_what_was_read_and_when(write):
    page = write(people(), evidence=evidence(), title="Northwind", note="Made up.")
    assert page.words.count("api.example.com/1f0991eb") == 2
    assert "As of 1 March 2026, 09:05 UTC" in page.words
    assert "<title>Northwind</title>" in page.html
    assert "Made up." in page.words
    assert "4, for 2 pages in 1 window" in page.words
    assert "100; the account counted 100 before and 100 after" in page.words
    assert "Yes: every page fits the next" in page.words


def test_without_evidence_it_says_what_it_does_not_know(write):
    page = write(people())
    assert "Account not named" in page.words
    assert "When the contacts were pulled was not given" in page.words
    assert "How the account was read" not in page.words
    named = write(people(), account="Northwind <3", as_of=PULLED)
    assert "Account Northwind <3 Contacts 100 As of 1 March 2026, 09:05 UTC" in named.words
    assert "As of 1 March 2026, 09:05 UTC" in write(people(), as_of="2026-03-01T09:05").words
    with pytest.raises(ConfigurationError, match="as_of is 'soon'"):
        write(people(), as_of="soon")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"complete": False, "count_after": 130},
            "not complete: 100 contacts arrived, and the account counts 130",
        ),
        ({"complete": False, "doubt": "One <could> hide."}, "The pull is in doubt: One <could> hide."),
        ({"complete": False, "doubt": "One <could> hide."}, "Shown complete Not quite: nothing is known"),
        ({"since": PULLED - timedelta(days=1)}, "Only contacts created since 28 February 2026, 09:05 UTC"),
        ({"contacts": 400}, "covers 100 of the 400 contacts pulled"),
        ({"notes": ("Read <twice>.",)}, "Note Read <twice>."),
    ],
)
def test_it_warns_of_what_would_mislead(write, drawn, fields, words):
    assert words in write(people(), evidence=evidence(**fields)).words
    assert words not in drawn.words


def test_an_empty_account_says_so(write):
    page = write(CONTACT_SCHEMA.to_frame(), evidence=evidence(contacts=0, count_before=0, count_after=0))
    assert "This account has no contacts." in page.words
    assert page.of("svg") == []
    assert "How the account was read" in page.words


def test_groups_of_few_contacts_are_left_out_and_counted(undrawn, tmp_path):
    rows = [
        person(n, company_name="Tiny" if n < 105 else "Large", tags=["few" if n < 105 else "many"])
        for n in range(100, 160)
    ]
    page = Page(
        write_report(contacts_frame(rows), tmp_path / "report.html", as_of=PULLED).read_text(encoding="utf-8")
    )
    assert "Left out, of fewer than 20 contacts: 1." in page.words
    assert "2 tags in use." in page.words
    table = page.html[page.html.index('id="tag-summary-Tag"') :].partition("</table>")[0]
    assert (">many<" in table, ">few<" in table) == (True, False)
    assert not any("few" in picture["aria-label"] for picture in page.of("svg"))
    with pytest.raises(ConfigurationError, match="min_contacts is -1"):
        write_report(contacts_frame(rows), tmp_path / "report.html", min_contacts=-1)


def test_drivers_stand_beside_their_adjusted_selves(drawn):
    assert "adjusted risk" in drawn.words
    assert "The adjusted risk is among contacts of one age, on one line, with other tags held." in drawn.words


def test_nothing_known_is_not_nothing_opted_out(write):
    frame = contacts_frame([person(1, opt_out=None, verified=None, tags=None)])
    page = write(frame, as_of=PULLED)
    assert "Opt-out rate n/a nobody's state is known" in page.words
    assert "No contact has a tag." in page.words


@pytest.mark.parametrize(
    ("tags", "listed", "words"), [(3, 3, ""), (60, 60, ""), (130, 100, "30 more not listed")]
)
def test_every_tag_is_listed_up_to_a_hundred(write, tags, listed, words):
    page = write(
        contacts_frame(person(n, tags=[f"tag-{n:03d}", "x" * 300]) for n in range(tags - 1)), as_of=PULLED
    )
    table = page.html[page.html.index('id="tag-summary-Tag"') :].partition("</table>")[0]
    assert len(re.findall(r'<th scope="row"', table)) == listed
    assert words in page.words
    assert "x" * 61 not in page.text


def test_it_can_be_read_without_seeing_it(drawn):
    assert drawn.of("html")[0]["lang"] == "en"
    headings = [int(name[1]) for name, _ in drawn.elements if re.fullmatch("h[1-6]", name)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    ids = [attrs["id"] for _, attrs in drawn.elements if "id" in attrs]
    assert len(ids) > 40
    assert [one for one, count in Counter(ids).items() if count > 1] == []
    pointed = [attrs["aria-labelledby"] for _, attrs in drawn.elements if "aria-labelledby" in attrs]
    pointed += [attrs["href"][1:] for attrs in drawn.of("a")]
    assert len(pointed) > 10
    assert set(pointed) <= set(ids)
    assert len(drawn.of("th")) > 50
    assert {attrs["scope"] for attrs in drawn.of("th")} == {"row", "col"}


def test_every_number_is_defined(drawn):
    terms = re.findall(r"<dt>(.*?)</dt><dd>", drawn.html[drawn.html.index('class="definitions"') :])
    assert {"Contacts", "Opt-out rate", "95% interval", "Verified", "Reachable", "Not known", "q"} <= set(
        terms
    )
    assert {"Contacts opting out in each week", "Still subscribed"} <= set(terms)
    assert "unsubscribes per message received: another figure, not to be compared" in drawn.words


@pytest.mark.slow
def test_a_history_of_another_account_is_refused(write, undrawn, tmp_path):
    history = ContactHistory(tmp_path / "history")
    history.snapshot(people(), PULLED, evidence=evidence())
    other = people().with_columns(contact_id="other-" + pl.col("contact_id"))
    for account in (None, "api.example.com/0ther"):
        with pytest.raises(WrongAccountError, match="another account"):
            write(other, history, as_of=PULLED, account=account)
    write(people(), history, as_of=PULLED, account="the account under its new key")
    write(people().drop("contact_id"), history, as_of=PULLED)
    write(people().with_columns(contact_id=None), history, as_of=PULLED)
    write(people().drop("contact_id").with_columns(phone=pl.lit("+1305•••0100")), history, as_of=PULLED)
    new = other.with_columns(created_at=PULLED + timedelta(hours=1))  # not there yet at the last look
    write(new, history, as_of=PULLED)
    with pytest.raises(WrongAccountError, match="another account"):
        write(other.drop("contact_id").with_columns(phone=pl.lit("+12125550100")), history, as_of=PULLED)
    write(people().filter(opt_out=True), history, as_of=PULLED)
    write(duckdb.from_arrow(people().to_arrow()), history, as_of=PULLED)
    write(other, history, as_of=PULLED, account=evidence().account)
    with pytest.raises(ConfigurationError, match="expected a ContactHistory"):
        write(people(), str(tmp_path / "history"), as_of=PULLED)


def test_over_time_needs_a_history_with_two_snapshots(write, drawn, tmp_path):
    assert "From 2 snapshots. Each opt-out is known to lie between two of them." in drawn.words
    assert "2026-02-22 09:05 UTC 100 100 0 0" in drawn.words
    assert "one pull shows no trend" in write(people(), as_of=PULLED).words
    history = ContactHistory(tmp_path / "history")
    assert "holds no snapshot yet" in write(people(), history, as_of=PULLED).words
    history.snapshot(people(), PULLED)
    assert "A trend needs two or more" in write(people(), history, as_of=PULLED).words


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_the_theme_is_the_pages(write, theme):
    page = write(people(), theme=theme, as_of=PULLED)
    assert page.of("html")[0]["class"] == theme
    assert len(page.of("svg")) == 9


def test_what_cannot_be_written_is_refused(undrawn, tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(ConfigurationError, match="theme is 'blue'; use \"auto\""):
        write_report(people(), path, theme="blue")
    with pytest.raises(FrameError, match="opt_out"):
        write_report(people().drop("opt_out"), path)
    with pytest.raises(ConfigurationError, match="does not exist"):
        write_report(people(), tmp_path / "nowhere" / "report.html")
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(write_report(people(), path).stat().st_mode) == 0o600


def test_phones_are_found_in_any_text():
    assert mask_text(f"({PHONE}) +1305555017712345678 +12") == "(+1305•••0177) +1305555017712345678 +12"
    assert readable("a\nb\t\x00\x1b[2J") == "a b ··[2J"
