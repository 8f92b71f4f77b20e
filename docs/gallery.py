"""Makes the gallery: runs each entry's code, light and dark, and writes docs/gallery.md and its pictures.

`python docs/gallery.py` writes the page, which git does not keep; with `--readme` the one picture that it does.
"""

import argparse
import shutil
import tempfile
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt

from sendblue_data import plots

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "gallery"
THEMES = ("light", "dark")

SETUP = """
import random
from datetime import UTC, datetime, timedelta

import polars as pl

from sendblue_data import (
    ContactHistory, Sandbox, compare_segments, has_tag, opt_out_by_age, opt_out_cohorts, opt_out_drivers,
    opt_out_rate, plots, pull_contacts, reachable, segment_overlap, similar_tags, tag_combinations, tag_growth,
    tag_pairs, tag_summary, untagged, variable, verification_backlog, verification_funnel, verification_rate,
)

now = datetime(2026, 10, 1, tzinfo=UTC)
with Sandbox(contacts=8_000) as sandbox, sandbox.client() as client:  # yours is SendblueClient()
    contacts = pull_contacts(client, progress=False)
"""

HISTORY = """
history = ContactHistory("history")
chance = random.Random(1)
with Sandbox(contacts=4_000) as sandbox, sandbox.client() as client:
    for week in range(13):
        moment = datetime(2026, 7, 6, 6, tzinfo=UTC) + timedelta(weeks=week)
        pulled = pull_contacts(client, progress=False)
        history.snapshot(pulled.filter(pl.col("created_at") <= moment), moment)
        staying = [row["phone"] for row in sandbox.rows() if row["opt_out"] is False]
        for phone in chance.sample(staying, 14 if week < 6 else 30):
            sandbox.edit(phone, opt_out=True)
"""


MESSAGES = """
from sendblue_data import (
    delivery, engagement, opt_out_hazard, opt_out_times, opt_outs_per_message, pull_messages, replies,
    texts_after_opt_out,
)

with Sandbox(contacts=2_000, messages=30_000, seed=1) as sandbox, sandbox.client() as client:
    people = pull_contacts(client, progress=False)
    messages = pull_messages(client, progress=False)
"""


@dataclass(frozen=True)
class Entry:
    """A plot of the gallery: what it shows, and the code that gives `ax`."""

    name: str
    heading: str
    words: str
    code: str


OPT_OUTS = (
    Entry(
        "opt_out_rate",
        "Opt-out rate",
        "Dots with Wilson intervals; tags of few contacts are grey, and the rest is counted.",
        """
overall = opt_out_rate(contacts)["rate"].item()
table = opt_out_rate(contacts, by="tags")
ax = plots.opt_out_rate(table, reference=overall, reference_label="all contacts", as_of=now)
""",
    ),
    Entry(
        "opt_out_rate_slide",
        "Opt-out rate, for a slide",
        "13.33 by 7.5 inches, one tag in colour, and a title that states the point.",
        """
table = opt_out_rate(contacts, by="tags", min_contacts=50)
ax = plots.opt_out_rate(table, size="slide", title="auto", highlight="Cold List", as_of=now)
""",
    ),
    Entry(
        "opt_out_rate_line",
        "Opt-out rate by line and lead source",
        "Any grouping that the table knows, and several at once.",
        """
table = opt_out_rate(contacts, by=["sendblue_number", variable("Lead Source")])
ax = plots.opt_out_rate(table, top=15, as_of=now)
""",
    ),
    Entry(
        "opt_out_by_age",
        "Opt-outs by age",
        "From one pull: what share has opted out by each age, if people opt out alike whenever they were created.",
        """
table = opt_out_by_age(contacts, as_of=now)
ax = plots.opt_out_by_age(table, as_of=now)
""",
    ),
    Entry(
        "opt_out_cohorts",
        "Opt-out cohorts",
        "Younger cohorts had less time to opt out: those that can't be held against the oldest are rings.",
        """
table = opt_out_cohorts(contacts, every="1mo", as_of=now)
ax = plots.opt_out_cohorts(table, as_of=now)
""",
    ),
    Entry(
        "opt_out_cohorts_by",
        "Opt-out cohorts by line",
        "A line a group, the largest; intervals stand beside each other.",
        """
table = opt_out_cohorts(contacts, every="1q", by="sendblue_number", as_of=now)
ax = plots.opt_out_cohorts(table, as_of=now, top=3)
""",
    ),
    Entry(
        "opt_out_drivers",
        "Opt-out drivers",
        "Relative risks on a log axis. What may well be chance, by its q, is a ring.",
        """
table = opt_out_drivers(contacts)
ax = plots.opt_out_drivers(table, as_of=now, top=18)
""",
    ),
)
TAGS = (
    Entry(
        "tag_summary",
        "Tags",
        "Size of each tag, and the part of it that opted out.",
        """
table = tag_summary(contacts)
ax = plots.tag_summary(table, as_of=now)
""",
    ),
    Entry(
        "tag_growth",
        "Tag growth",
        "Contacts by when they were created, each line named and counted at its end.",
        """
table = tag_growth(contacts)
ax = plots.tag_growth(table, as_of=now)
""",
    ),
    Entry(
        "tag_pairs",
        "Tags that go together",
        "Pairs with their Jaccard index and lift.",
        """
table = tag_pairs(contacts)
ax = plots.tag_pairs(table, top=15, as_of=now)
""",
    ),
    Entry(
        "tag_combinations",
        "Exact combinations of tags",
        "An UpSet plot: each contact counts once, under all its tags together; opt-out rates below the bars.",
        """
table = tag_combinations(contacts)
ax = plots.tag_combinations(table, top=18, as_of=now)
""",
    ),
    Entry(
        "similar_tags",
        "Spellings of one tag",
        "What `rename_tags` could merge.",
        """
table = similar_tags(contacts)
ax = plots.similar_tags(table, as_of=now)
""",
    ),
)
SEGMENTS = (
    Entry(
        "compare_segments",
        "Segments side by side",
        "Opt-out rates with intervals, and the difference to the baseline with Newcombe's.",
        """
segments = {
    "Customers": has_tag("Customer"),
    "Leads from the website": has_tag("Lead") & (variable("Lead Source") == "Website"),
    "Cold list": has_tag("Cold List"),
    "Without a tag": untagged(),
}
table = compare_segments(contacts, segments, baseline="Customers")
ax = plots.compare_segments(table, as_of=now)
""",
    ),
    Entry(
        "segment_differences",
        "How far segments differ",
        "Differences with their intervals, around a line at none.",
        """
table = compare_segments(contacts, segments, baseline="Customers")
ax = plots.segment_differences(table, as_of=now)
""",
    ),
    Entry(
        "segment_overlap",
        "What segments share",
        "Contacts in both of two segments.",
        """
segments = {
    "Reachable": reachable(),
    "Customers": has_tag("Customer"),
    "Newsletter": has_tag("Newsletter"),
    "Cold list": has_tag("Cold List"),
}
table = segment_overlap(contacts, segments)
ax = plots.segment_overlap(table, as_of=now)
""",
    ),
)
VERIFICATION = (
    Entry(
        "verification_funnel",
        "Verification funnel",
        "From all contacts to those who may be texted.",
        """
table = verification_funnel(contacts)
ax = plots.verification_funnel(table, as_of=now)
""",
    ),
    Entry(
        "verification_funnel_by",
        "Verification funnel by line",
        "A funnel a group.",
        """
table = verification_funnel(contacts, by="sendblue_number")
ax = plots.verification_funnel(table, top=4, as_of=now)
""",
    ),
    Entry(
        "verification_rate",
        "Verified share",
        "Dots with Wilson intervals.",
        """
table = verification_rate(contacts, by="tags")
ax = plots.verification_rate(table, as_of=now)
""",
    ),
    Entry(
        "verification_backlog",
        "Verification backlog",
        "Who waits to be verified, how long already, and who of them may be sent a message.",
        """
table = verification_backlog(contacts, as_of=now)
ax = plots.verification_backlog(table, as_of=now)
""",
    ),
)
OVER_TIME = (
    Entry(
        "opt_out_trend",
        "Opt-outs by week",
        "Opted out / at risk, per 30 days; the band is what all weeks together stay within.",
        """
table = history.opt_out_trend()
ax = plots.opt_out_trend(table, as_of=moment)
""",
    ),
    Entry(
        "opt_out_trend_by",
        "Opt-outs by month and tag",
        "A line a tag; more than four are small multiples.",
        """
table = history.opt_out_trend(every="1mo", by="tags")
ax = plots.opt_out_trend(table, as_of=moment, top=6)
""",
    ),
    Entry(
        "survival",
        "Contacts still subscribed",
        "Turnbull's estimate: an opt-out lies somewhere between two looks. Numbers at risk stand below.",
        """
table = history.survival(by="sendblue_number")
ax = plots.survival(table, as_of=moment, top=3)
""",
    ),
    Entry(
        "list_flow",
        "How the list moved",
        "From the first look to the last: what added to the list, and what took from it.",
        """
table = history.list_flow()
ax = plots.list_flow(table, as_of=moment)
""",
    ),
)
OF_MESSAGES = (
    Entry(
        "opt_outs_per_message",
        "Opt-outs per text",
        "Of the texts that arrived, how many were the last before an opt-out within a week.",
        """
table = opt_outs_per_message(messages, by="service", contacts=people)
ax = plots.opt_outs_per_message(table)
""",
    ),
    Entry(
        "opt_out_hazard",
        "Opt-outs by how often people were texted",
        "Chance that a text is the last before an opt-out, by the texts of the 7 and of the 30 days before.",
        """
table = opt_out_hazard(messages, contacts=people)
ax = plots.opt_out_hazard(table)
""",
    ),
    Entry(
        "texts_after_opt_out",
        "Texts after an opt-out",
        "How many were sent all the same, and how late.",
        """
table = texts_after_opt_out(messages, contacts=people)
ax = plots.texts_after_opt_out(table)
""",
    ),
    Entry(
        "opt_out_times",
        "How opt-outs are known",
        "A stop keyword, a text that was declined, or the contact's flag alone.",
        """
table = opt_out_times(messages, people)
ax = plots.opt_out_times(table)
""",
    ),
    Entry(
        "delivery",
        "Delivery",
        "What became of the texts, by service.",
        """
table = delivery(messages, by="service")
ax = plots.delivery(table)
""",
    ),
    Entry(
        "replies",
        "Replies",
        "Of the texts that arrived, how many were answered within a week.",
        """
table = replies(messages, by="service")
ax = plots.replies(table)
""",
    ),
    Entry(
        "engagement",
        "Engagement",
        "How many texts each contact was sent in 30 days, and who ever replied.",
        """
table = engagement(people, messages, as_of=now)
ax = plots.engagement(table)
""",
    ),
)
SECTIONS = (
    ("Opt-outs", "", OPT_OUTS),
    ("Tags", "", TAGS),
    ("Segments", "", SEGMENTS),
    ("Verification", "", VERIFICATION),
    ("Over time", HISTORY, OVER_TIME),
    ("Messages", MESSAGES, OF_MESSAGES),
)
INTRODUCTION = """
Every plot, made by running the code beside it against a [sandbox](how-to/sandbox.md) of synthetic people. Each comes
in light and dark: `plots.use_style("dark")` for all later ones, `theme="dark"` for one.
""".strip()
README = """
from sendblue_data import Sandbox, opt_out_rate, plots, pull_contacts

with Sandbox(contacts=15_000) as sandbox, sandbox.client() as client:
    contacts = pull_contacts(client, progress=False)
by_tag = opt_out_rate(contacts, by="tags", min_contacts=50)
ax = plots.opt_out_rate(by_tag)
"""


def fenced(code: str) -> str:
    """Show code on the page."""
    return f"```python\n{code.strip()}\n```"


def drawn(code: str, scope: dict[str, object], picture: Path, theme: str) -> None:
    """Run an entry's code in a theme and save what it drew."""
    plots.use_style(theme)
    exec(code, scope)
    figure = scope["ax"].get_figure(root=True)
    figure.savefig(picture)
    plt.close(figure)


def shown(entry: Entry) -> str:
    """An entry of the page."""
    pictures = "\n".join(
        f"![{entry.heading}: {entry.words}](gallery/{entry.name}-{theme}.png#only-{theme})"
        for theme in THEMES
    )
    return f"### {entry.heading}\n\n{entry.words}\n\n{fenced(entry.code)}\n\n{pictures}"


def make_gallery() -> None:
    """Write the page and its pictures anew."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    scope: dict[str, object] = {}
    exec(SETUP, scope)
    page = [
        "# Gallery",
        INTRODUCTION,
        fenced(SETUP),
    ]
    for heading, setup, entries in SECTIONS:
        page.append(f"## {heading}")
        if setup:
            page.append(fenced(setup))
            exec(setup, scope)
        for entry in entries:
            for theme in THEMES:
                drawn(entry.code, scope, PICTURES / f"{entry.name}-{theme}.png", theme)
            page.append(shown(entry))
    (DOCS / "gallery.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    print(f"{DOCS / 'gallery.md'}: {sum(len(entries) for _, _, entries in SECTIONS)} plots, light and dark")


def make_readme() -> None:
    """Write the README's picture: what its first lines of code draw."""
    target = DOCS / "images" / "opt_out_rate.png"
    target.parent.mkdir(exist_ok=True)
    drawn(README, {}, target, "light")
    print(target)


if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--readme", action="store_true", help="write docs/images/opt_out_rate.png and nothing else"
    )
    readme_only = options.parse_args().readme
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        make_readme() if readme_only else make_gallery()
