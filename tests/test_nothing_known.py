"""Frames in which the API said a field of nobody: every table, plot, the report, the explorer and a history."""

import io
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations

import matplotlib as mpl
import polars as pl
import pytest
from matplotlib import pyplot as plt

import sendblue_data as sd
from sendblue_data import ContactExplorer, ContactHistory, plots, write_report
from sendblue_data.contacts import contacts_frame
from sendblue_data.schema import CONTACT_SCHEMA
from tests.plots.tables import words
from tests.report.test_report import evidence

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SEGMENTS = {"may": sd.reachable(), "sure": sd.reachable(verified=True), "VIP": sd.has_tag("VIP")}
BY = {"all": None, "tag": "tags", "line": "sendblue_number", "quarter": sd.created_period("1q")}
TABLES = {
    **{
        f"{table.__name__} {name}": (lambda frame, table=table, by=by: table(frame, by=by), table.__name__)
        for table in (sd.opt_out_rate, sd.verification_rate, sd.verification_funnel)
        for name, by in BY.items()
    },
    "verified funnel": (lambda frame: sd.verification_funnel(frame, verified=True), "verification_funnel"),
    "by age": (lambda frame: sd.opt_out_by_age(frame, as_of=NOW), "opt_out_by_age"),
    "cohorts": (lambda frame: sd.opt_out_cohorts(frame, "1q", as_of=NOW), "opt_out_cohorts"),
    "cohorts line": (
        lambda frame: sd.opt_out_cohorts(frame, "1y", by="sendblue_number", as_of=NOW),
        "opt_out_cohorts",
    ),
    "drivers": (lambda frame: sd.opt_out_drivers(frame, min_contacts=1), "opt_out_drivers"),
    "backlog": (lambda frame: sd.verification_backlog(frame, as_of=NOW), "verification_backlog"),
    "tag_summary": (sd.tag_summary, "tag_summary"),
    "tag_growth": (lambda frame: sd.tag_growth(frame, "1q"), "tag_growth"),
    "tag_pairs": (sd.tag_pairs, "tag_pairs"),
    "tag_combinations": (sd.tag_combinations, "tag_combinations"),
    "similar_tags": (sd.similar_tags, "similar_tags"),
    "segments": (lambda frame: sd.compare_segments(frame, SEGMENTS), "compare_segments"),
    "differences": (lambda frame: sd.compare_segments(frame, SEGMENTS), "segment_differences"),
    "overlap": (lambda frame: sd.segment_overlap(frame, SEGMENTS), "segment_overlap"),
}
OUTS = [
    "rate",
    "low",
    "high",
    "relative_risk",
    "relative_risk_low",
    "relative_risk_high",
    "q",
    "opt_out_rate",
    "opt_out_rate_low",
    "opt_out_rate_high",
    "difference",
]
UNKNOWN = {
    ("opt_out", "opt_out_rate"): OUTS,
    ("opt_out", "opt_out_cohorts"): OUTS,
    ("opt_out", "opt_out_drivers"): OUTS,
    ("opt_out", "tag_summary"): OUTS,
    ("opt_out", "tag_combinations"): OUTS,
    ("opt_out", "compare_segments"): OUTS,
    ("verified", "verification_rate"): ["rate", "low", "high"],
    ("verified", "verification_backlog"): ["share"],
    ("verified", "tag_summary"): ["verification_rate"],
    ("verified", "compare_segments"): ["verification_rate"],
    ("created_at", "opt_out_cohorts"): ["exposure_days"],
}
"""Columns of tables that rest on a field, so that they are null where the field is."""
SAID = {
    "opt_out": {
        "opt_out_rate",
        "opt_out_by_age",
        "opt_out_cohorts",
        "opt_out_drivers",
        "compare_segments",
        "tag_summary",
    },
    "verified": {"verification_rate", "verification_backlog"},
}
"""Plots that say so in words where a field is null throughout."""


DRAWN = {
    "opt_out",
    "verified",
    "created_at",
    "tags",
    "all",
    "opt_out of one line",
    "opt_out and created_at",
    "1 of all",
    "2 of opt_out",
}
"""Frames whose tables are drawn, where they differ: drawing takes longest."""


@cache
def told():
    """Sixty contacts of which everything is known."""
    return contacts_frame(
        [
            {name: f"{name} {n % 2}" for name, kind in CONTACT_SCHEMA.items() if kind == pl.String}
            | {
                "contact_id": f"c{n}",
                "phone": f"+121255501{n:02}",
                "sendblue_number": f"+1305555019{n % 2}",
                "created_at": (NOW - timedelta(days=9 * n + 1)).isoformat(),
                "opt_out": n % 5 == 0,
                "verified": n % 3 == 0,
                "tags": [["VIP", "Lead"], ["Lead"], ["vip"], []][n % 4],
                "custom_variables": {"Plan": "Pro"},
            }
            for n in range(60)
        ]
    )


def without(frame, *names):
    return frame.with_columns(pl.lit(None, CONTACT_SCHEMA[name]).alias(name) for name in names)


@cache
def frames():
    every = list(CONTACT_SCHEMA)
    line = told()["sendblue_number"].drop_nulls()[0]
    of_line = pl.when(pl.col("sendblue_number") != line)
    made = {name: without(told(), name) for name in every}
    made |= {
        f"{a} and {b}": without(told(), a, b)
        for a, b in combinations(("opt_out", "verified", "created_at", "tags", "phone"), 2)
    }
    made |= {
        "all": without(told(), *every),
        "all but empty tags": without(told(), *every).with_columns(tags=pl.lit([], pl.List(pl.String))),
        "opt_out of one line": told().with_columns(opt_out=of_line.then("opt_out")),
        "no rows": told().clear(),
    }
    for rows in (1, 2):
        made |= {f"{rows}": told().head(rows), f"{rows} of all": made["all"].head(rows)}
        made |= {f"{rows} of {name}": made[name].head(rows) for name in ("opt_out", "verified", "created_at")}
    return made


@pytest.fixture(autouse=True)
def off_screen():
    mpl.use("agg")
    yield
    plt.close("all")


def test_every_table_and_plot_is_tried():
    # Those of messages have tests of their own in tests/messages.
    assert {plot for _, plot in TABLES.values()} == set(plots.__all__) - {
        "delivery",
        "engagement",
        "opt_out_hazard",
        "opt_out_times",
        "opt_outs_per_message",
        "replies",
        "texts_after_opt_out",
        "use_style",
        "PlotOptions",
        "list_flow",
        "opt_out_trend",
        "survival",
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_table_and_its_plot_say_nothing_of_what_is_not_known(name):
    make, plot = TABLES[name]
    seen = [make(told())]
    for field, frame in frames().items():
        table = make(frame)
        unknown = [column for column in UNKNOWN.get((field, plot), ()) if column in table.columns]
        assert table.select(unknown).null_count().row(0) == (table.height,) * len(unknown), field
        if field not in DRAWN or any(table.equals(other) for other in seen):
            continue
        seen.append(table)
        ax = getattr(plots, plot)(table, theme=("light", "dark")[len(seen) % 2])
        ax.figure.savefig(io.BytesIO(), format="png", dpi=30)
        if plot in SAID.get(field, ()):
            assert "known" in " ".join(words(ax)), field
        plt.close(ax.figure)
    assert len(seen) > 1


@pytest.mark.parametrize("verified", [False, True])
def test_a_funnel_has_no_share_of_what_is_not_known(verified):
    for name in ("opt_out", "phone", "verified"):
        funnel = sd.verification_funnel(without(told(), name), verified=verified)
        step = {"opt_out": "not opted out", "phone": "reachable"}.get(name, "verified" if verified else None)
        at = funnel["step"].to_list().index(step) if step else funnel.height
        assert funnel["share"].is_null().to_list() == [place >= at for place in range(funnel.height)]
        assert 0.0 not in funnel["step_share"].drop_nulls()


WORDS = "opt_out is null for all 60 contacts: nothing is known about opt-outs."
UNUSED = "No contact is verified: the account does not seem to use verification."


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["opt_out", "verified", "created_at", "tags", "phone", "all", "1 of all", "no rows"]
)
def test_a_report_says_what_the_api_did_not(name, tmp_path, monkeypatch):
    frame = frames()[name]
    shown = evidence(contacts=frame.height)
    page = write_report(frame, tmp_path / "report.html", evidence=shown, theme="light").read_text()
    # Of an age that no contact has, the backlog's share is zero.
    page = re.sub(r'<svg [^>]*aria-label="Unverified contacts by age.*?</svg>', "", page, flags=re.DOTALL)
    assert (WORDS in page) == (name in ("opt_out", "all"))
    assert (UNUSED in page) == (name in ("verified", "all", "1 of all"))
    if name in ("opt_out", "all"):
        assert ">0.0%" not in page
        assert not re.search(r"\b0\.0% of", page)
        assert "n/a of them" not in page
        assert '<p class="name">Reachable</p><p class="value">not known</p>' in page
    if name not in ("no rows", "all", "1 of all"):
        assert f"{name} is null for all 60 contacts: nothing is known about" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["opt_out", "verified", "created_at", "tags", "phone", "all", "1 of all", "no rows"]
)
def test_the_explorer_says_what_the_api_did_not(name):
    explorer = ContactExplorer(frames()[name])
    for view in ("Tags", "Opt-outs", "Verification", "Contacts"):
        explorer.tabs.choice.value = view
    assert (WORDS in explorer.untold.value) == (name in ("opt_out", "all"))
    assert (UNUSED in explorer.untold.value) == (name in ("verified", "all", "1 of all"))
    assert ("with an E.164 phone, known not to have opted out" in explorer.headline.value) is True
    if name in ("opt_out", "all", "phone"):
        assert 'data-number="reachable">n/a<' in explorer.headline.value
        assert ">0.0%" not in explorer.headline.value


@pytest.mark.slow
@pytest.mark.parametrize("name", ["opt_out", "created_at", "all but empty tags"])
def test_a_history_of_what_the_api_did_not_say(name, tmp_path, monkeypatch):
    # A history tells contacts apart by their ids.
    frame = frames()[name].with_columns(told()["contact_id"])
    history = ContactHistory(tmp_path / "history")
    for days, rows in ((0, 60), (7, 50), (14, 60)):
        history.snapshot(frame.head(rows), at=NOW + timedelta(days=days))
    for by in (None, "sendblue_number"):
        trend, survival = history.opt_out_trend(by=by), history.survival(by=by)
        if name in ("opt_out", "all but empty tags"):
            assert trend["rate"].drop_nulls().is_empty()
            assert survival["survival"].drop_nulls().is_empty()
        for table, plot in ((trend, plots.opt_out_trend), (survival, plots.survival)):
            plot(table).figure.savefig(io.BytesIO(), format="png", dpi=30)
    page = write_report(frame, tmp_path / "report.html", history, theme="dark").read_text()
    assert "Snapshots, latest first" in page
