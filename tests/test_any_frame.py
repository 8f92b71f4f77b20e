"""Any frame through every public door: the answer that Polars gives, or one error that names column and row."""

import sys
import tempfile
import warnings
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

import sendblue_data as sd
from sendblue_data import Sandbox, contacts_frame
from sendblue_data._frames.conversion import to_polars
from sendblue_data._frames.repeats import repeats_in_words
from sendblue_data.errors import FrameError, MissingExtraError, RepeatedContactWarning
from sendblue_data.report.report import build_report
from tests.test_contact_files import read_back

SEEN = datetime(2026, 3, 1, tzinfo=UTC)


def people():
    return contacts_frame(
        {
            "contact_id": f"c{number}",
            "phone": f"+130555501{number:02d}",
            "first_name": None if number % 4 else f"Ann {number}",
            "created_at": f"2026-0{1 + number % 2}-03T04:05:06.000007Z",
            "opt_out": (True, False, None, False)[number % 4],
            "verified": number % 3 == 0,
            "tags": [["VIP", "Lead"], [], None, ["vip"]][number % 4],
            "custom_variables": {"Plan": "Pro"} if number % 2 else None,
        }
        for number in range(24)
    )


def by_values(frame):
    """As one who builds it by hand has it: mappings, tuples, no PyArrow in sight."""
    table = frame.to_pandas()
    table["tags"] = table["tags"].map(lambda tags: None if tags is None else tuple(tags))
    table["custom_variables"] = table["custom_variables"].map(
        lambda pairs: None if pairs is None else dict(pairs)
    )
    return table


def pairs_in_tuples(frame):
    table = frame.to_pandas()
    table["custom_variables"] = table["custom_variables"].map(
        lambda pairs: None if pairs is None else tuple(pairs)
    )
    return table.convert_dtypes(convert_string=True, convert_boolean=True)


def in_files(frame):
    """As `pull_partitions` writes it: a folder of Parquet files."""
    folder = Path(tempfile.mkdtemp(dir=FOLDERS.name))
    (folder / "created_month=2026-01").mkdir()
    frame.write_parquet(folder / "created_month=2026-01" / "contacts.parquet")
    return folder


FOLDERS = tempfile.TemporaryDirectory()
FRAMES = {
    "lazy": pl.DataFrame.lazy,
    "pandas": pl.DataFrame.to_pandas,
    "pandas of values": by_values,
    "pandas of nullable types": pairs_in_tuples,
    "pandas of Arrow": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "Arrow": pl.DataFrame.to_arrow,
    "DuckDB": lambda frame: duckdb.connect().from_arrow(frame.to_arrow()),
    "a folder of files": in_files,
    "a file's name": lambda frame: str(next(in_files(frame).rglob("*.parquet"))),
}


def explorer(contacts, folder):
    shown = sd.ContactExplorer(contacts, segments_file=folder / "segments.toml")
    shown.predicate = sd.has_tag("VIP")
    return shown.selection


def history(contacts, folder):
    kept = sd.ContactHistory(folder / "history")
    kept.snapshot(contacts, SEEN)
    return kept.at(SEEN)


def planned(plan, **options):
    def door(contacts, folder):
        with Sandbox(people().to_dicts()) as sandbox, sandbox.client() as client:
            return plan(client, contacts, journal_dir=folder / "runs", **options).frame

    return door


def written(name):
    return lambda contacts, folder: read_back(sd.write_contacts(contacts, folder / name).path)


def analysed(analytic, *args, **options):
    return lambda contacts, _: analytic(contacts, *args, **options)


SEGMENTS = {"VIPs": sd.has_tag("VIP"), "Pro": sd.variable("Plan") == "Pro", "US": sd.phone_region("US")}
DOORS = {
    "opt_out_rate": analysed(sd.opt_out_rate),
    "opt_out_rate by tag": analysed(sd.opt_out_rate, by="tag"),
    "opt_out_rate by variable": analysed(sd.opt_out_rate, by=sd.variable("Plan")),
    "opt_out_rate by period": analysed(sd.opt_out_rate, by=sd.created_period("1mo")),
    "opt_out_rate by expression": analysed(
        sd.opt_out_rate, by=pl.col("first_name").is_null().alias("nameless")
    ),
    "opt_out_cohorts": analysed(sd.opt_out_cohorts),
    "opt_out_drivers": analysed(sd.opt_out_drivers, min_contacts=1),
    "tag_summary": analysed(sd.tag_summary),
    "tag_pairs": analysed(sd.tag_pairs),
    "tag_combinations": analysed(sd.tag_combinations),
    "tag_growth": analysed(sd.tag_growth),
    "similar_tags": analysed(sd.similar_tags),
    "rename_tags": lambda contacts, _: sd.rename_tags(contacts, {"vip": "VIP"}),
    "verification_rate": analysed(sd.verification_rate),
    "verification_funnel": analysed(sd.verification_funnel),
    "verification_backlog": analysed(sd.verification_backlog, as_of=SEEN),
    "verification_worklist": analysed(sd.verification_worklist),
    "compare_segments": analysed(sd.compare_segments, SEGMENTS),
    "segment_overlap": analysed(sd.segment_overlap, SEGMENTS),
    "normalize_phones": analysed(sd.normalize_phones, "phone"),
    "merge_contacts": lambda contacts, _: sd.merge_contacts(people(), contacts),
    "ContactExplorer": explorer,
    "ContactHistory.snapshot": history,
    "write_contacts csv": written("out.csv"),
    "write_contacts xlsx": written("out.xlsx"),
    "write_contacts parquet": written("out.parquet"),
    "write_contacts ndjson": written("out.ndjson"),
    "plan_create": planned(sd.plan_create),
    "plan_update": planned(sd.plan_update, columns=["tags"]),
    "plan_opt_out": planned(sd.plan_opt_out),
    "plan_verify": planned(sd.plan_verify),
    "plan_delete": planned(sd.plan_delete),
    "plan_add_tags": planned(
        lambda client, contacts, **kept: sd.plan_add_tags(client, contacts, "new", **kept)
    ),
    "plan_remove_tags": planned(
        lambda client, contacts, **kept: sd.plan_remove_tags(client, contacts, "VIP", **kept)
    ),
    "plan on a frame": lambda contacts, folder: (
        sd.plan_opt_out(contacts, people().head(3), journal_dir=folder).frame
    ),
    "plots": lambda contacts, _: [
        bar.get_width() for bar in sd.plots.tag_summary(sd.tag_summary(contacts).to_pandas()).patches
    ],
}

IN_PARTS = ("lazy", "a folder of files", "a file's name")
HEAVY = ("plan", "ContactHistory", "plots", "write_contacts")
DOORS_AND_FRAMES = [
    pytest.param(
        door, kind, marks=[pytest.mark.slow] * (kind != "pandas of values" or door.startswith(HEAVY))
    )
    for door in DOORS
    for kind in FRAMES
    if door != "plan on a frame" or kind not in IN_PARTS  # an account that changes while it is asked is none
]


@pytest.fixture(scope="module")
def of_polars(tmp_path_factory):
    """What each door gives for a Polars frame, asked once."""
    return cache(lambda door: collected(DOORS[door](people(), tmp_path_factory.mktemp("polars"))))


def collected(answer):
    return answer.collect() if isinstance(answer, pl.LazyFrame) else answer


@pytest.mark.parametrize(("door", "kind"), DOORS_AND_FRAMES)
def test_every_door_gives_what_it_gives_for_polars(tmp_path, of_polars, door, kind):
    expected = of_polars(door)
    found = collected(DOORS[door](FRAMES[kind](people()), tmp_path))
    if isinstance(expected, pl.DataFrame):
        assert_frame_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("kind", FRAMES)
def test_every_frame_becomes_the_same_contacts(kind):
    assert to_polars(FRAMES[kind](people())).equals(people())
    chosen = to_polars(FRAMES[kind](people()), ["tags", "opt_out"])
    assert chosen.equals(people().select("tags", "opt_out"))


NEEDED = {
    "opt_out_rate": ("opt_out", "maybe", "expected true or false"),
    "tag_summary": ("tags", "VIP", "expected a list of texts"),
    "verification_rate": ("verified", 3.5, "expected true or false"),
    "opt_out_rate by period": ("created_at", "soon", "expected a moment"),
    "compare_segments": ("custom_variables", 7, "expected names with texts"),
    "verification_worklist": ("phone", 13055550101, "expected text"),
    "ContactExplorer": ("first_name", ("Ann", "Lee"), "expected text"),
    "rename_tags": ("tags", [1], "expected a list of texts"),
    "merge_contacts": ("company_name", b"Acme", "expected text"),
}


@pytest.mark.parametrize("door", NEEDED)
def test_a_value_of_another_kind_is_told_by_column_and_row(tmp_path, door):
    column, value, expected = NEEDED[door]
    table = by_values(people())
    table[column] = [value if row == 5 else old for row, old in enumerate(table[column])]
    with pytest.raises(FrameError, match=rf"Column '{column}', row 5: found .* {expected}"):
        DOORS[door](table, tmp_path)


def test_a_column_that_is_not_needed_may_hold_anything(tmp_path):
    table = by_values(people())
    table["first_name"] = [object()] * len(table)
    table["of my own"] = [[1, "a"], {2: 3}] * 12
    for door in ("opt_out_rate", "tag_pairs", "verification_backlog", "segment_overlap"):
        assert_frame_equal(DOORS[door](table, tmp_path), DOORS[door](people(), tmp_path))


@pytest.mark.parametrize(
    "door", ["opt_out_rate", "compare_segments", "ContactExplorer", "similar_tags", "write_contacts csv"]
)
def test_columns_without_a_name_of_their_own_are_told(tmp_path, door):
    table = by_values(people())
    twice = pd.concat([table, table[["tags"]]], axis=1)
    with pytest.raises(
        FrameError, match=r"Two columns have the name 'tags': columns 10 and 12\. Rename or drop one"
    ):
        DOORS[door](twice, tmp_path)
    with pytest.raises(FrameError, match="Column 12 has the name 0, which is no text"):
        DOORS[door](pd.concat([table, pd.Series(range(24), name=0)], axis=1), tmp_path)


def test_a_plan_has_an_outcome_for_a_row_of_another_kind(tmp_path):
    table = by_values(people())
    table["tags"] = ["VIP" if row == 5 else tags for row, tags in enumerate(table["tags"])]
    plan = sd.plan_create(people().clear(), table, journal_dir=tmp_path)
    assert plan.frame.height == 24
    wrong = plan.frame.filter(pl.col("row") == 5)
    assert "tags is str, expected a list of texts" in wrong["detail"][0]


def test_where_pyarrow_is_missing_the_pip_line_is_told_and_only_where_it_is_needed(monkeypatch):
    values, arrow = by_values(people()), FRAMES["pandas of Arrow"](people())
    relation = FRAMES["DuckDB"](people())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert sd.opt_out_rate(values).equals(sd.opt_out_rate(people()))
    for frame in (arrow, relation):
        with pytest.raises(MissingExtraError, match="pip install pyarrow"):
            sd.opt_out_rate(frame)


TWICE = pl.concat([people(), people().head(2)])


@pytest.mark.parametrize("kind", ["polars", "pandas", "pandas of values", "Arrow"])
def test_a_contact_twice_is_told_by_every_analytic(kind):
    frame = TWICE if kind == "polars" else FRAMES[kind](TWICE)
    for analytic in (sd.opt_out_rate, sd.tag_summary, sd.verification_rate, sd.similar_tags):
        with pytest.warns(
            RepeatedContactWarning, match=r"Rows 0 and 24 are one contact .*so does 1 more row"
        ) as told:
            analytic(frame)
        assert told[0].filename == __file__
    with pytest.warns(RepeatedContactWarning):
        sd.compare_segments(frame, SEGMENTS)


def test_a_contact_twice_is_told_by_the_explorer_and_refused_by_a_history(tmp_path):
    shown = sd.ContactExplorer(people(), segments_file=tmp_path / "segments.toml")
    assert "one contact" not in shown.untold.value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RepeatedContactWarning)
        assert "Rows 0 and 24 are one contact" in sd.ContactExplorer(TWICE).untold.value
    kept = sd.ContactHistory(tmp_path / "history")
    with pytest.raises(FrameError, match="Rows 0 and 24 are one contact"):
        kept.snapshot(TWICE, SEEN)
    assert not kept.exists()
    phones = TWICE.with_columns(contact_id=pl.lit(None, pl.String))
    with pytest.raises(FrameError, match=r"Rows 0 and 24 are one contact \(phone \+1305•••0100\)"):
        kept.snapshot(phones, SEEN)


@pytest.mark.slow
def test_a_report_takes_pandas_and_says_first_which_contact_stands_twice():
    with pytest.warns(RepeatedContactWarning):
        page = build_report(by_values(TWICE), as_of=SEEN)
    assert "Rows 0 and 24 are one contact" in page.warnings[0]
    assert page.facts[1] == ("Contacts", "26")
    assert [section.name for section in page.sections][:3] == ["findings", "opt-outs", "tags"]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([None, "a", "b", "c", "d"])))
def test_repeats_are_counted_as_plain_python_counts_them(ids):
    words = repeats_in_words(pl.DataFrame({"contact_id": ids}, schema={"contact_id": pl.String}))
    given_ids = [one for one in ids if one is not None]
    extra = len(given_ids) - len(set(given_ids))
    assert (words is None) == (extra == 0)
    if extra > 2:
        assert f"so do {extra - 1:,} more rows" in words


@pytest.mark.parametrize(
    "door", ["opt_out_rate", "compare_segments", "ContactExplorer", "similar_tags", "plan_delete"]
)
def test_a_text_that_is_no_path_is_not_repeated(tmp_path, door):
    with pytest.raises(
        FrameError, match="a str is not a frame, and no Parquet file is at a path that reads so"
    ) as told:
        DOORS[door]("made-up/secret", tmp_path)
    assert "made-up" not in str(told.value)


@pytest.mark.parametrize("text", ["", " ", "x" * 5_000, "a\0b", "[", "~nobody-here/x"])
def test_any_text_is_a_path_or_told(text):
    with pytest.raises(FrameError, match="a str is not a frame"):
        sd.opt_out_rate(text)
