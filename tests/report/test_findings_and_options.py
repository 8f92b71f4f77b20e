"""What a report says first, and what a caller chooses of it."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import polars as pl
import pytest

import sendblue_data as sb
from sendblue_data.errors import ConfigurationError, FileNotWrittenError
from sendblue_data.report import findings as report_findings, options, pdf
from sendblue_data.report.parts import Picture
from sendblue_data.report.sections import Maker


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    def picture(name, draw, alt, **_options):
        return Picture(name, alt, "<svg/>")

    monkeypatch.setattr("sendblue_data.report.sections.picture", picture)


def people(count=400, out=lambda n: n % 10 == 0):
    return sb.contacts_frame(
        {
            "phone": f"+1212{n:07}",
            "tags": ["Cold <b>List</b>"] if n % 4 == 0 else ["VIP"],
            "opt_out": out(n),
            "created_at": f"2026-0{n % 9 + 1}-01T00:00:00Z",
        }
        for n in range(count)
    )


def told(contacts, least=20):
    return report_findings.findings(Maker(contacts, None, mask=True, min_contacts=least))


def test_what_goes_with_opting_out_is_said_with_its_uncertainty():
    contacts = people(out=lambda n: n % 4 == 0 and n % 8 == 0)
    sentences = told(contacts)
    assert len(sentences) >= 4
    assert len(sentences) <= report_findings.MOST
    rate = sb.opt_out_rate(contacts).row(0, named=True)
    assert sentences[0].startswith(f"{100 * rate['rate']:.1f}% of contacts have opted out (")
    assert f"({100 * rate['low']:.1f} to {100 * rate['high']:.1f}%)" in sentences[0]
    (cold,) = [words for words in sentences if "tag Cold" in words and "times the rate" in words]
    assert re.search(r"times the rate of all others \([\d.∞]+ to [\d.∞]+; q <0.001\)", cold)


def test_what_chance_may_do_is_no_finding():
    assert not [
        words for words in told(people(out=lambda n: (n * 7919) % 101 < 10)) if "times the rate" in words
    ]


def test_ages_are_compared_where_there_are_enough_of_them():
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ages = [0, *[20] * 300, *[400] * 300, 700]
    contacts = sb.contacts_frame(
        {
            "phone": f"+1212{n:07}",
            "opt_out": age == 700 or (age > 0 and n % (4 if age > 100 else 20) == 0),
            "created_at": (now - timedelta(days=age)).isoformat(),
        }
        for n, age in enumerate(ages)
    )
    sentences = report_findings.findings(Maker(contacts, now, mask=True, min_contacts=20))
    (said,) = [words for words in sentences if "days before" in words]
    assert said.startswith("Of contacts created 20 days before, 5.0% have opted out (")
    assert "; of those created 400 days before, 25.0% (" in said
    assert said.endswith("their intervals are apart.")


def test_nothing_known_is_said_of_nobody():
    sentences = told(people(out={}.get))
    assert not [words for words in sentences if "have opted out" in words]
    assert [words for words in sentences if "400 contacts (100.0%) the API did not say" in words]


def test_the_page_begins_with_the_findings_and_has_what_was_chosen(tmp_path):
    page = sb.write_report(people(), tmp_path, sections=["tags", "findings"], title="Acme & sons").read_text()
    found = re.findall(r'<section id="([a-z-]+)"', page)
    assert found == ["findings", "tags", "definitions"]
    assert "Cold <b>List" not in page
    assert "<h1>Acme &amp; sons</h1>" in page
    parser = HTMLParser()
    parser.feed(page)


@pytest.mark.parametrize(
    ("path", "file"),
    [("", "report.html"), ("clients", "clients.html"), ("a.htm", "a.htm"), ("A.HTML", "A.HTML")],
)
def test_a_path_means_what_a_person_means(tmp_path, path, file):
    written = sb.write_report(people(), tmp_path / path, sections=["tags"])
    assert written == tmp_path / file
    assert written.is_file()


@pytest.mark.parametrize(
    ("options_", "words"),
    [
        ({"sections": ["tag"]}, r"no 'tag'.*Did you mean 'tags'\?"),
        ({"sections": []}, "sections is empty"),
        ({"logo": "no-such.png"}, "is no file ending in"),
        ({"logo": __file__}, "is no file ending in"),
    ],
)
def test_a_choice_that_is_none_is_refused(tmp_path, options_, words):
    with pytest.raises(ConfigurationError, match=words):
        sb.write_report(people(), tmp_path, **options_)
    with pytest.raises(ConfigurationError, match=r"a report is .html or .pdf"):
        sb.write_report(people(), tmp_path / "report.docx")


def test_a_logo_is_in_the_page(tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page = sb.write_report(people(), tmp_path, logo=logo, sections=["tags"]).read_text()
    assert page.count("data:image/svg+xml;base64,") == 1
    logo.write_bytes(b"x" * 1_000_001)
    with pytest.raises(ConfigurationError, match="1,000,001 bytes"):
        options.logo_uri(logo)


def test_a_pdf_needs_a_browser_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "_BROWSERS", ("no-such-browser",))
    with pytest.raises(ConfigurationError, match=r"write an .html file"):
        sb.write_report(people(), tmp_path / "report.pdf")
    monkeypatch.setattr(pdf, "_BROWSERS", ("false",))
    with pytest.raises(FileNotWrittenError, match="exit code 1"):
        sb.write_report(people(), tmp_path / "report.pdf", sections=["tags"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_pdf_is_printed(tmp_path):
    try:
        pdf.browser()
    except ConfigurationError:
        pytest.skip("no browser here")
    path = sb.write_report(people(), tmp_path / "report.pdf", sections=["findings", "tags"])
    assert path.read_bytes().startswith(b"%PDF-")
    assert path.stat().st_mode & 0o077 == 0


def test_an_account_without_contacts_has_no_findings(tmp_path):
    page = sb.write_report(pl.DataFrame(schema=sb.CONTACT_SCHEMA), tmp_path).read_text()
    assert 'id="findings"' not in page
