"""The caller's frame as it is read: what is taken, what is told, and what is refused since it would be left out."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sendblue_data import read_contacts
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, FrameError, WrongAccountError
from sendblue_data.writeback import columns
from sendblue_data.writeback.inputs import (
    Asked,
    is_e164,
    read_source,
    refuse_foreign,
    refuse_misnamed,
    writable_columns,
)
from sendblue_data.writeback.rows import Options
from tests.writeback.people import phone

NOT_A_PHONE = "phone is not in E.164 form, such as +12125550123: see normalize_phones"


def frame_of(**named):
    height = max(len(values) for values in named.values())
    return pl.DataFrame({"phone": [phone(n) for n in range(height)], **named})


# Reading


def test_each_column_is_read_as_what_it_is():
    source = read_source(
        frame_of(
            first_name=["Ann", " "],
            tags=[["A", None], []],
            custom_variables=[{"x": "1"}, None],
            opt_out=[True, None],
            contact_id=["1", ""],
            created_at=["2026-01-01T12:00:00Z", "soon"],
            other=[1, 2],
        )
    )
    assert source.frame.to_dict(as_series=False) == {
        "phone": [phone(0), phone(1)],
        "first_name": ["Ann", None],
        "tags": [["A"], []],
        "custom_variables": [[{"key": "x", "value": "1"}], None],
        "opt_out": [True, None],
        "contact_id": ["1", None],
        "created_at": [datetime(2026, 1, 1, 12, tzinfo=UTC), None],
    }
    assert source.problems == {}
    assert source.says_out.to_list() == [True, False]
    assert source.not_written == ["contact_id", "created_at", "other"]
    assert source.numbers is None


def test_a_frame_that_says_nothing_of_opt_outs_says_of_nobody_that_they_are_out():
    source = read_source(frame_of(first_name=["Ann", "Bob"]))
    assert source.says_out.to_list() == [False, False]
    assert source.given("opt_out").to_list() == [None, None]
    assert source.given("first_name").to_list() == ["Ann", "Bob"]
    assert not source.is_pulled


@pytest.mark.parametrize(
    ("named", "is_pulled"),
    [
        ({"contact_id": ["1", None]}, True),
        ({"created_at": [None, "2026-01-01"]}, True),
        ({"contact_id": [None, None], "created_at": [None, None]}, False),
        ({"first_name": ["Ann"]}, False),
    ],
)
def test_a_frame_was_pulled_that_has_ids_or_moments(named, is_pulled):
    assert read_source(frame_of(**named)).is_pulled is is_pulled


def test_why_a_row_can_not_be_sent_depends_on_what_is_to_be_written():
    frame = pl.DataFrame(
        {
            "phone": [phone(0), "555", None, phone(3)],
            "assigned_to_email": ["no address", "no address", None, None],
            "first_name": pl.Series([None, None, None, 7], dtype=pl.Object),
        }
    )
    source = read_source(frame)
    no_address = "assigned_to_email is no e-mail address, such as ana@example.com"
    assert source.problem(()).to_list() == [None, NOT_A_PHONE, "no phone", None]
    assert source.problem(("assigned_to_email", "tags")).to_list() == [
        no_address,
        NOT_A_PHONE,
        "no phone",
        None,
    ]
    assert source.problem(("first_name",)).to_list() == [
        None,
        NOT_A_PHONE,
        "no phone",
        "first_name is int, expected text",
    ]
    fine = read_source(frame_of(first_name=["Ann", "Bob"]))
    assert fine.problem(("first_name",)).to_list() == [None, None]
    assert fine.problems == {}
    assert read_source(pl.DataFrame({"phone": [None, None]})).problem(()).to_list() == ["no phone"] * 2


def test_what_a_number_was_refused_for_is_told():
    why = ["too short", None, "not looked at"]
    frame = pl.DataFrame({"phone": [None, None, phone(2)], "phone_problem": why})
    assert read_source(frame).problem(()).to_list() == ["no phone: too short", "no phone", None]
    numbers = frame.with_columns(phone_problem=pl.lit(1))
    assert read_source(numbers).problem(()).to_list() == ["no phone", "no phone", None]
    assert read_source(frame).not_written == []


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pl.DataFrame({"number": ["x"], "name": ["y"]}), "no column 'phone': it has 'number', 'name'"),
        (pl.DataFrame(), "it has none"),
        (pl.DataFrame({"phone": [12125550100]}), "'phone' is Int64; expected text"),
    ],
)
def test_a_frame_without_phones_is_refused(frame, words):
    with pytest.raises(FrameError, match=words):
        read_source(frame)


def test_of_columns_that_no_call_writes_those_with_a_value_are_named():
    frame = frame_of(
        verified=[False, None], contact_id=[None, None], created_at=[None, "2026-01-01"], mine=[None, None]
    )
    assert read_source(frame).not_written == ["created_at", "mine"]
    assert read_source(frame_of(verified=[False, True])).not_written == ["verified"]
    assert read_source(frame_of(verified=["", "x"])).not_written == ["verified"]


@pytest.mark.parametrize("engine", ["polars", "pandas"])
def test_objects_are_taken_one_by_one(engine):
    if engine == "polars":
        mixed = frame_of(tags=pl.Series([["A"], 5], dtype=pl.Object))
    else:
        mixed = pytest.importorskip("pandas").DataFrame({"phone": [phone(0), phone(1)], "tags": [["A"], 5]})
    source = read_source(mixed)
    assert source.given("tags").to_list() == [["A"], None]
    assert source.problem(("tags",)).to_list() == [None, "tags is int, expected a list of texts"]


def test_a_variables_length_is_bounded_by_a_thousand_characters_unless_told_otherwise():
    frame = frame_of(custom_variables=[{"x": "y" * 1_000}, {"x": "y" * 1_001}])
    told = read_source(frame).problem(("custom_variables",)).to_list()
    assert [why is None for why in told] == [True, False]
    assert read_source(frame, 1_001).problem(("custom_variables",)).to_list() == [None, None]


def test_rows_of_an_imported_list_keep_their_numbers(tmp_path):
    (tmp_path / "list.csv").write_text("phone\n+12125550100\n\n+12125550101\n")
    source = read_source(read_contacts(tmp_path / "list.csv"), kind="create")
    assert "row" not in source.frame.columns
    assert source.frame["phone"].to_list() == [phone(0), None, phone(1)]
    assert source.row_numbers(pl.Series([2, 0])).to_list() == [4, 2]
    plain = read_source(frame_of(first_name=["Ann", "Bob"])).row_numbers(pl.Series([1, 0]))
    assert (plain.to_list(), plain.dtype) == ([1, 0], pl.UInt32)


def test_what_is_asked_is_asked_of_parts_too():
    source = read_source(frame_of(first_name=["a", "b", "c", "d", "e"]))
    base = source.frame.with_columns(first_name=pl.col("first_name") + "!")
    asked = Asked("update", source, Options(), base)
    part = asked.part(pl.Series([3, 0]))
    assert part.source.frame["first_name"].to_list() == ["d", "a"]
    assert part.base["first_name"].to_list() == ["d!", "a!"]
    pieces = [
        (start, one.source.frame["first_name"].to_list(), one.base["first_name"].to_list())
        for start, one in asked.slices(2)
    ]
    assert pieces == [(0, ["a", "b"], ["a!", "b!"]), (2, ["c", "d"], ["c!", "d!"]), (4, ["e"], ["e!"])]
    bare = Asked("create", source, Options())
    assert [one.base for _, one in bare.slices(3)] == [None, None]
    assert bare.part(pl.Series([0])).base is None


# Names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("First Name", "first_name"),
        ("FIRSTNAME", "first_name"),
        ("fist_name", "first_name"),
        ("Labels", "tags"),
        ("tagss", "tags"),
        ("surname", "last_name"),
        ("custom variable", "custom_variables"),
    ],
)
def test_a_column_that_is_likely_meant_for_another_is_refused(name, meant):
    source = read_source(frame_of(**{name: ["x"]}))
    with pytest.raises(FrameError, match=f"'{name}' would not be written. If it is '{meant}'"):
        refuse_misnamed(source)
    refuse_misnamed(source, opt_outs_alone=True)
    refuse_misnamed(read_source(frame_of(**{name: ["x"], meant: [None]})))


@pytest.mark.parametrize("name", ["tags2", "stage", "", "verified", "phone_problem", "contact_id", "zzz"])
def test_any_other_is_the_callers_own(name):
    refuse_misnamed(read_source(frame_of(**{name: ["x"]})))


@pytest.mark.parametrize("opt_outs_alone", [False, True])
def test_a_column_that_speaks_of_opting_out_is_refused_unless_another_says_it(opt_outs_alone):
    unsubscribed = {"unsubscribed": ["yes"]}
    for beside in ({}, {"opt_out": [None]}):
        with pytest.raises(FrameError, match="If it is 'opt_out'"):
            refuse_misnamed(read_source(frame_of(**unsubscribed, **beside)), opt_outs_alone=opt_outs_alone)
    refuse_misnamed(read_source(frame_of(**unsubscribed, opt_out=[False])), opt_outs_alone=opt_outs_alone)


def test_columns_to_write_are_named_in_a_list_of_those_that_there_are():
    source = read_source(frame_of(first_name=["x"], opt_out=[True]))
    assert writable_columns(["first_name", "opt_out"], source) == ("first_name", "opt_out")
    assert writable_columns(None, source) == writable_columns([], source, "clear") == ()
    assert writable_columns(["tags"], source, "clear") == ("tags",)
    for named, argument, error, words in (
        ("tags", "columns", ConfigurationError, r"columns is the text 'tags': .* \['tags'\]"),
        (["phone"], "columns", ConfigurationError, "'phone' can't be written"),
        (["tags"], "columns", FrameError, "no column 'tags': it has 'phone', 'first_name', 'opt_out'"),
        (
            ["opt_out"],
            "clear",
            ConfigurationError,
            "opt_out can't be cleared: opt_out=False with opt_back_in=True",
        ),
        (["custom_variables"], "clear", ConfigurationError, "custom_variables can't be cleared: no call"),
    ):
        with pytest.raises(error, match=words):
            writable_columns(named, source, argument)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("+12125550123", True),
        ("+12125550123\n", False),
        ("2125550123", False),
        (None, False),
        (12125550123, False),
    ],
)
def test_a_number_is_what_the_api_takes(given, expected):
    assert is_e164(given) is expected


# Frames of other accounts

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def refuse(kind, mine, there, *, is_ours=False):
    """Each row: id and moment in the frame, id and moment in the account (None where nobody is)."""
    source = read_source(
        contacts_frame(
            [{"phone": phone(n), "contact_id": one, "created_at": at} for n, (one, at) in enumerate(mine)]
        )
    )
    marks = pl.DataFrame(
        [row or (None, None) for row in there],
        schema={"contact_id": pl.String, "created_at": columns.MOMENT},
        orient="row",
    )
    refuse_foreign(kind, source, marks, pl.Series([row is not None for row in there]), lambda: is_ours)


OLD, LATE = NOON - timedelta(days=1), NOON + timedelta(days=1)


@pytest.mark.parametrize(
    ("mine", "there", "is_refused"),
    [
        ([("1", NOON)], [("1", OLD)], False),
        ([("1", NOON)], [("2", OLD)], True),
        ([("1", NOON)], [("2", NOON)], False),  # made anew since
        ([("1", NOON)], [("2", LATE)], False),
        ([("1", OLD), ("3", NOON)], [("2", OLD), ("3", NOON)], True),  # older than the youngest of the frame
        ([("1", NOON)], [("2", None)], False),
        ([("1", NOON)], [None], False),
        ([(None, NOON)], [("2", OLD)], False),
        ([(None, NOON), ("1", NOON)], [("2", OLD), ("1", NOON)], False),
    ],
)
def test_a_contact_with_another_id_that_is_older_than_the_frame_is_another_accounts(mine, there, is_refused):
    for kind in ("create", "delete"):
        if is_refused:
            with pytest.raises(
                WrongAccountError, match=r"another contact_id there, older than the frame \(1 such rows\)"
            ):
                refuse(kind, mine, there, is_ours=True)
        else:
            refuse(kind, mine, there, is_ours=True)


@pytest.mark.parametrize(
    ("there", "is_refused"),
    [
        ([("x", LATE), ("y", LATE)], True),
        ([None, None], True),
        ([("x", LATE), None], True),
        ([("1", NOON), ("y", LATE)], False),
        ([("1", NOON), None], False),
    ],
)
def test_a_delete_of_ids_of_which_none_is_here_is_another_accounts_unless_a_run_of_this_one_knew_them(
    there, is_refused
):
    mine = [("1", NOON), ("2", NOON)]
    if is_refused:
        with pytest.raises(WrongAccountError, match="none of its 2 contact_id is in this one"):
            refuse("delete", mine, there)
    else:
        refuse("delete", mine, there)
    refuse("delete", mine, there, is_ours=True)
    refuse("create", mine, there)
