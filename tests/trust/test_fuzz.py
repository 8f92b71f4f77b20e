"""Whatever bytes come: the decoder, journals, segments and exports end well, or in an error of the family.

A minute here; `TRUST_EXAMPLES=200000` for an hour by hand, and `hardening/fuzz.py` with atheris.
"""

import os
import shutil
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from sendblue_data import (
    bulk_create,
    has_tag,
    list_runs,
    load_segments,
    parse_segment,
    plan_create,
    reachable,
    resume_run,
    save_segments,
    undo_run,
    variable,
)
from sendblue_data._api.decoding import decode_page
from sendblue_data._api.message_decoding import decode_messages
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import (
    FrameError,
    JournalError,
    LedgerError,
    NewFieldWarning,
    SegmentError,
    UnexpectedAnswerError,
    WrongAccountError,
)
from sendblue_data.export import write_contacts
from sendblue_data.phones import normalize_phones
from sendblue_data.schema import CONTACT_SCHEMA, MESSAGE_SCHEMA
from sendblue_data.writeback.journal import Journal
from tests.writeback.people import people, phone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sendblue_data.errors.NewFieldWarning"),
    pytest.mark.filterwarnings("ignore::sendblue_data.errors.JournalWarning"),
]
EXAMPLES = int(os.environ.get("TRUST_EXAMPLES", "500"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck))

NOWHERE = Path("/nowhere/journals")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CONTACTS = st.lists(
    st.fixed_dictionaries(
        {"phone": st.integers(0, 400).map(phone)},
        optional={
            **dict.fromkeys(("first_name", "last_name", "company_name", "contact_id"), st.none() | TEXT),
            "tags": st.none() | st.lists(TEXT, max_size=4),
            "custom_variables": st.none() | st.dictionaries(TEXT, TEXT, max_size=4),
            "opt_out": st.none() | st.booleans(),
            "verified": st.none() | st.booleans(),
            "created_at": st.none()
            | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
        },
    ),
    max_size=6,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda children: st.lists(children, max_size=3)
    | st.dictionaries(st.sampled_from(["phone", "tags", "opt_out", "optOut", "created_at", "createdAt", "custom_variables", "id", "new"]) | TEXT, children, max_size=3),
    max_leaves=12,
)  # fmt: skip
PAGE = msgspec.json.encode(
    [
        {
            "contact_id": f"id-{n}", "phone": phone(n), "first_name": "Zoë \u2028", "tags": ["VIP", ""],
            "custom_variables": {"City": "Rome"}, "opt_out": n % 2 == 0, "verified": None,
            "created_at": f"2026-01-01T00:00:0{n}.123456Z",
        }
        for n in range(5)
    ]
)  # fmt: skip


def edits(whole):
    """Bytes to change, cut out or double, or the end to cut off."""
    places = st.integers(0, len(whole) - 1)
    kinds = st.sampled_from(["set", "set", "cut", "double", "end"])
    return st.lists(st.tuples(kinds, places, places, st.integers(0, 255)), min_size=1, max_size=4)


def edited(whole, changes):
    body = bytearray(whole)
    for kind, place, other, byte in changes:
        at, to = sorted((min(place, len(body)), min(other, len(body))))
        if kind == "set" and at < len(body):
            body[at] = byte
        elif kind == "cut":
            del body[at : min(to, at + 40)]
        elif kind == "double":
            body[at:at] = body[at : min(to, at + 40)]
        elif kind == "end":
            del body[max(at, 1) :]
    return bytes(body)


def damaged(whole):
    return edits(whole).map(lambda changes: edited(whole, changes))


def decoded(body):
    """Decode a page; it is a contacts frame, or an error of the family."""
    try:
        page = decode_page(body)
    except UnexpectedAnswerError as error:
        assert str(error)
        return None
    assert page.frame.schema == CONTACT_SCHEMA
    assert all(page.frame[row, field] is None for row, field, _ in page.oddities)
    return page.frame


@MANY
@given(st.binary(max_size=200))
def test_the_decoder_takes_any_bytes(body):
    decoded(body)


@MANY
@given(damaged(PAGE))
def test_the_decoder_takes_a_damaged_page(body):
    decoded(body)


@MANY
@given(st.lists(JSON, max_size=4).map(msgspec.json.encode))
def test_the_decoder_takes_any_json(body):
    """And gives a row for each contact, never one made up of what is none."""
    frame = decoded(body)
    assert frame is None or frame.height == len(msgspec.json.decode(body))


MESSAGES = msgspec.json.encode(
    {
        "status": "OK",
        "data": [
            {"message_handle": f"m{n}", "number": phone(n), "is_outbound": n % 2 == 0, "content": "Stop \u2028",
             "date_sent": f"2026-01-01T00:00:0{n}.123456Z", "error_code": n, "participants": [phone(n), None]}
            for n in range(5)
        ],
        "pagination": {"total": 5, "limit": 5, "offset": 0, "hasMore": False},
    }
)  # fmt: skip


@FEW
@given(st.binary(max_size=200) | damaged(MESSAGES))
def test_the_decoder_of_messages_takes_any_bytes(body):
    """And keeps no text that was not asked for."""
    try:
        page = decode_messages(body, languages=["fr"])
    except UnexpectedAnswerError as error:
        assert str(error)
        return
    assert page.frame.schema == MESSAGE_SCHEMA
    assert page.frame["content"].null_count() == page.frame.height
    assert all(page.frame[row, field] is None for row, field, _ in page.oddities)


@FEW
@given(CONTACTS)
def test_a_page_comes_back_as_it_was_sent(rows):
    empty = {"tags": [], "custom_variables": {}}
    said = [
        {name: empty.get(name) if value is None else value for name, value in row.items()} for row in rows
    ]
    frame, oddities = decode_page(msgspec.json.encode(rows))
    assert oddities == ()
    assert frame.equals(contacts_frame(said))


@pytest.fixture(scope="module")
def journal_folder(tmp_path_factory):
    """A folder of journals."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def journal_file(journal_folder):
    """The journal of a run that was cut off, as one file."""
    from sendblue_data.sandbox import Sandbox

    folder = journal_folder
    mine = contacts_frame([{"phone": phone(n), "tags": ["A"], "opt_out": n % 2 == 0} for n in range(20, 50)])
    with Sandbox(people(5)) as sandbox, sandbox.client() as client:
        run_id = bulk_create(client, mine, progress=False, journal_dir=folder).run_id
        path = folder / f"{run_id}.sqlite3"
        base = sqlite3.connect(path)
        base.execute("PRAGMA journal_mode = DELETE")
        base.execute("UPDATE rows SET done = 0, status = NULL WHERE pos > 10")
        base.execute("DELETE FROM meta WHERE name = 'finished'")
        base.commit()
        base.close()
        yield client, run_id, path.read_bytes()


def test_a_damaged_journal_is_an_error_of_the_family(journal_file):
    client, run_id, whole = journal_file
    folder = Path(tempfile.mkdtemp())
    ends = set()

    @FEW
    @given(edits(whole))
    def damage(changes):
        for one in folder.iterdir():
            one.unlink()
        path = folder / f"{run_id}.sqlite3"
        path.write_bytes(edited(whole, changes))
        try:
            with Journal(path) as journal:
                journal.meta()
                assert len(journal.rows()) <= 30
            ends.add("read")
        except JournalError as error:
            assert run_id in str(error)
            ends.add("refused")
        listed = list_runs(folder)
        assert listed.height == 1
        assert listed["state"][0] in ("open", "finished", "undone", "unreadable")
        try:
            resume_run(client, run_id, progress=False, journal_dir=folder)
        except (JournalError, WrongAccountError):  # the account's name may be what was damaged
            ends.add("not resumed")

    try:
        damage()
    finally:
        shutil.rmtree(folder)
    assert ends == {"read", "refused", "not resumed"}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rows SET wanted = '{' WHERE pos = 12",
        "UPDATE rows SET wanted = '' WHERE pos = 12",
        "UPDATE rows SET left = x'ff00' WHERE pos = 2",
        "UPDATE meta SET value = 'Ann' WHERE name = 'account'",
        "UPDATE meta SET value = '[]' WHERE name = 'options'",
        "DELETE FROM meta WHERE name = 'kind'",
        "DELETE FROM meta WHERE name = 'account'",
        "DELETE FROM meta",
        f"UPDATE meta SET value = '{'[' * 100_000}' WHERE name = 'account'",
        f"UPDATE rows SET wanted = '{'[' * 100_000}' WHERE pos = 12",
        "DROP TABLE rows",
        "DROP TABLE meta",
    ],
)
def test_damage_that_sqlite_does_not_notice(journal_file, journal_folder, tmp_path, damage):
    client, run_id, whole = journal_file
    shutil.copytree(journal_folder, tmp_path, dirs_exist_ok=True)  # with the ledger
    path = tmp_path / f"{run_id}.sqlite3"
    path.write_bytes(whole)
    base = sqlite3.connect(path)
    base.executescript(damage)
    base.close()
    for take_up in (resume_run, undo_run):
        with pytest.raises(JournalError, match="damaged|can't be written or read"):
            take_up(client, run_id, progress=False, journal_dir=tmp_path)
    assert list_runs(tmp_path).height == 1
    mine = contacts_frame([{"phone": phone(99)}])
    try:
        assert plan_create(client, mine, journal_dir=tmp_path).counts == {"create": 1}
    except LedgerError as error:  # of whom does a run tell whose journal can't be read?
        assert str(path) in str(error)


@pytest.mark.parametrize("damage", [b"\xce\xce", b"\xff" * 59])
def test_every_letter_of_the_schema_may_be_no_letter(journal_file, tmp_path, damage):
    """SQLite's own report then holds bytes that are no text, or it asks for memory beyond all: atheris found both."""
    _, run_id, whole = journal_file
    path = tmp_path / f"{run_id}.sqlite3"
    for place in range(whole.index(b"CREATE TABLE") - 600, 4_096 - len(damage)):
        path.write_bytes(whole[:place] + damage + whole[place + len(damage) :])
        try:
            with Journal(path) as journal:
                journal.rows()
        except JournalError:
            continue


CELLS = TEXT | st.sampled_from(
    ["+12125550100", "(212) 555-0123", "true", "0", "1e9", '["VIP"]', "[", '{"City": "Rome"}', "=1", "\x00"]
)
COLUMNS = st.sampled_from(
    ["phone", "tags", "opt_out", "custom_variables", "first_name", "created_at", "mine"]
)
TABLES = st.lists(COLUMNS, max_size=4, unique=True).map(["phone"].__add__).flatmap(
    lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, st.none() | CELLS)), max_size=5).map(
        lambda rows: pl.DataFrame(rows, dict.fromkeys(names, pl.String))
    )
)  # fmt: skip


@MANY
@given(
    TABLES.map(pl.DataFrame.write_csv).map(str.encode).flatmap(lambda body: st.just(body) | damaged(body)),
    st.booleans(),
)
def test_a_users_own_csv_is_planned_row_by_row_or_refused(body, typed):
    """With the types that Polars guesses, or as text; a row that can't be written is told, never dropped."""
    try:
        frame = pl.read_csv(body, infer_schema=typed, truncate_ragged_lines=True)
    except (pl.exceptions.PolarsError, ValueError):
        return  # no CSV, says Polars

    def whole(call):
        try:
            given = call()
        except FrameError as error:
            assert str(error)
            return frame
        assert given.height == frame.height
        return given

    normal = whole(lambda: normalize_phones(frame, "phone", region="US"))
    for mine in (frame, normal):
        whole(lambda mine=mine: plan_create(contacts_frame([]), mine, journal_dir=NOWHERE).frame)


@MANY
@given(st.lists(st.dictionaries(st.sampled_from([*CONTACT_SCHEMA, "new"]), JSON, max_size=3), max_size=3))
def test_rows_of_anything_are_contacts_or_refused(rows):
    try:
        assert contacts_frame(rows).height == len(rows)
    except FrameError as error:
        assert str(error)


@MANY
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda body: body.decode("latin-1")))
def test_any_text_is_a_segment_or_refused(text):
    try:
        segment = parse_segment(text)
    except SegmentError:
        return
    assert repr(parse_segment(repr(segment))) == repr(segment)


RULES = b"""# a comment
[segments]
"Spring" = 'has_tag("VIP") & reachable()'
"Lapsed" = 'has_tag("Churned", "x\\\\u00e9") & ~opted_out() | variable("Plan").is_in(["Pro"])'
'Year' = 'created_between("2026-01-01", None) & phone_region("US-212")'
"""


def test_segments_files(tmp_path):
    path = tmp_path / "segments.toml"

    @MANY
    @given(damaged(RULES) | st.binary(max_size=80))
    def read(body):
        path.write_bytes(body)
        try:
            segments = load_segments(path)
        except SegmentError as error:
            assert str(path) in str(error)
            return
        save_segments(segments, path)
        assert {name: repr(one) for name, one in load_segments(path).items()} == {
            name: repr(one) for name, one in segments.items()
        }

    read()


@pytest.mark.parametrize("deep", ["(" * 5_000 + ")" * 5_000, "~" * 20_000 + "verified()", "[" * 5_000])
def test_a_segment_nested_too_deep_is_refused(tmp_path, deep):
    with pytest.raises(SegmentError):
        parse_segment(deep)
    path = tmp_path / "segments.toml"
    path.write_text(f"[segments]\na = {deep}\n")
    with pytest.raises(SegmentError):
        load_segments(path)


def test_segments_of_any_text_come_back(tmp_path):
    path = tmp_path / "segments.toml"

    @FEW
    @given(st.dictionaries(TEXT.filter(str.strip), TEXT.filter(str.strip), max_size=4))
    def write(named):
        segments = {
            name: has_tag(text) & ~reachable() | (variable(text) == name) for name, text in named.items()
        }
        save_segments(segments, path, replace=True)
        again = load_segments(path)
        assert {name: repr(one) for name, one in again.items()} == {
            name: repr(one) for name, one in segments.items()
        }

    write()


def test_exports_come_back(tmp_path):
    @FEW
    @given(CONTACTS)
    def write(rows):
        frame = contacts_frame(rows)
        write_contacts(frame, tmp_path / "out.ndjson")
        assert pl.read_ndjson(tmp_path / "out.ndjson", schema=CONTACT_SCHEMA).equals(frame)
        write_contacts(frame, tmp_path / "out.csv", safe_csv=False)
        back = pl.read_csv(tmp_path / "out.csv", schema_overrides={"phone": pl.String}, infer_schema=False)
        assert back.height == frame.height
        for name in ("phone", "first_name", "last_name", "company_name", "contact_id"):
            assert back[name].to_list() == frame[name].to_list()
        tags = [None if cell is None else msgspec.json.decode(cell) for cell in back["tags"]]
        assert tags == frame["tags"].to_list()
        write_contacts(frame, tmp_path / "out.parquet")
        assert (
            pl.read_parquet(tmp_path / "out.parquet")
            .drop("custom_variables")
            .equals(frame.drop("custom_variables"))
        )

    write()


def test_the_warning_that_is_ignored_here_is_one_of_ours():
    assert issubclass(NewFieldWarning, UserWarning)
