"""Whom `forget` finds in journals and in what servers said, and what it waits for."""

import polars as pl
import pytest

from sendblue_data import MESSAGE_SCHEMA, forget
from sendblue_data.errors import FrameError, JournalError, LedgerError
from sendblue_data.writeback import erasure as module, rows as rows_module
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.rows import Row
from tests.writeback.people import phone

ACCOUNT = "x/1"
META = {"kind": "create", "account": ACCOUNT, "started": "2026-01-01T00:00:00+00:00", "options": {}}


def done(number, **fields):
    return Row(
        **{
            "pos": number,
            "phone": phone(number),
            "action": "create",
            "done": True,
            "status": "created",
            **fields,
        }
    )


def journal_of(folder, run_id, *rows):
    Journal.create(folder, run_id, META, rows).close()


def rows_in(folder, run_id):
    with Journal(folder / f"{run_id}.sqlite3") as journal:
        return journal.rows()


def test_people_go_from_every_journal_that_holds_them_and_nobody_else_does(tmp_path):
    journal_of(tmp_path, "a", done(0), done(1, phone="+1 (212) 555-0100"), done(2))
    journal_of(tmp_path, "b", done(0, opted_out=True))
    journal_of(tmp_path, "c", done(3))
    asked = ["(212) 555-0100", phone(3), phone(7)]
    assert forget(tmp_path, asked).rows() == [("(212) 555-0100", 3), (phone(3), 1), (phone(7), 0)]
    assert [[row.phone for row in rows_in(tmp_path, run_id)] for run_id in "abc"] == [
        [None, None, phone(2)],
        [None],
        [None],
    ]
    assert Ledger.open(tmp_path, ACCOUNT).opted_out([phone(0), phone(3)]) == {phone(0)}


def test_what_was_created_for_them_is_forgotten_in_the_ledger_too(tmp_path):
    ledger = Ledger.open(tmp_path, ACCOUNT)
    ledger.record_created([{"phone": phone(0), "contact_id": "1"}, {"phone": phone(1), "contact_id": "2"}])
    forget(tmp_path, [phone(0)])
    assert set(ledger.created_by_runs([phone(0), phone(1)])) == {phone(1)}


@pytest.mark.parametrize(
    ("said", "is_theirs"),
    [
        ("+1 (212) 555-0100 is bad", True),
        ("2125550100 is bad", True),
        ("25550100", True),  # the last eight digits
        ("5550100", False),
        ("2125550101 is bad", False),
        ("no such name: Ann", True),
        ("no such name: Bo", False),
        ("no such name: Lee-Rossi", True),
        ("ann@example.com is bad", True),
        ("no such name: Old", True),
        ("no such name: Left", True),
        ("no such city: Rome", False),
    ],
)
def test_what_a_server_said_of_them_goes_wherever_it_stands(tmp_path, said, is_theirs):
    theirs = done(
        0,
        wanted={"first_name": "Ann", "last_name": "Lee-Rossi", "assigned_to_email": "ann@example.com"},
        before={"first_name": "Old", "last_name": "Bo", "company_name": "Rome"},
        left={"first_name": "Left", "last_name": None},
    )
    journal_of(
        tmp_path, "a", theirs, done(1, detail=said, wanted={"first_name": "Rome"}), done(2, last_error=said)
    )
    forget(tmp_path, [phone(0)])
    _, one, two = rows_in(tmp_path, "a")
    assert one.detail == ("erased" if is_theirs else said)
    assert two.last_error == ("" if is_theirs else said)


def test_a_journal_that_only_speaks_of_them_is_cleaned_too(tmp_path):
    journal_of(tmp_path, "a", done(1, detail="2125550100 is bad"))
    journal_of(tmp_path, "b", done(1, detail="as it was"))
    before = (tmp_path / "b.sqlite3").stat().st_mtime_ns
    assert forget(tmp_path, [phone(0)])["rows_erased"].to_list() == [0]
    assert rows_in(tmp_path, "a")[0].detail == "erased"
    assert (tmp_path / "b.sqlite3").stat().st_mtime_ns == before  # most hold nobody, and are not opened


def test_a_number_of_few_digits_is_not_looked_for_in_texts(tmp_path):
    journal_of(tmp_path, "a", done(0, phone="1234567"), done(1, detail="12345678"), done(2, detail="1234567"))
    assert forget(tmp_path, ["1234567"])["rows_erased"].to_list() == [1]
    assert [row.detail for row in rows_in(tmp_path, "a")] == ["erased", "12345678", "1234567"]
    journal_of(tmp_path, "b", done(0, phone="12345678"), done(1, detail="x12345678"))
    forget(tmp_path, ["12345678"])
    assert [row.detail for row in rows_in(tmp_path, "b")] == ["erased", "erased"]


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        time = monotonic = staticmethod(lambda: 1_000.0)

    monkeypatch.setattr(rows_module, "time", Clock)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"done": False, "status": None}, "The run 'b' is open and holds"),
        ({"unanswered": 1, "sent_at": 970.0}, "may still take effect: forget again in 30 seconds"),
        ({"unanswered": 1, "sent_at": 940.5}, "forget again in 0 seconds"),
        ({"unanswered": 1, "sent_at": 940.0}, None),
    ],
)
def test_nobody_is_erased_while_a_run_may_still_write_them(tmp_path, clock, fields, words):
    """Others in the same run are no reason to wait, nor is another run's end to erase a part."""
    journal_of(tmp_path, "a", done(0))
    journal_of(tmp_path, "b", done(0, **fields), done(1))
    journal_of(tmp_path, "c", done(1, done=False, status=None, unanswered=1, sent_at=999.0), done(2))
    if words is None:
        assert forget(tmp_path, [phone(0)])["rows_erased"].to_list() == [2]
    else:
        with pytest.raises(JournalError, match=words):
            forget(tmp_path, [phone(0)])
        assert rows_in(tmp_path, "a")[0].phone == phone(0)
    assert forget(tmp_path, [phone(2)])["rows_erased"].to_list() == [1]


def test_the_longest_of_what_may_take_effect_is_waited_for(tmp_path, clock):
    journal_of(
        tmp_path,
        "a",
        done(0, unanswered=1, sent_at=970.0),
        done(1, phone="(212) 555-0100", unanswered=1, sent_at=990.0),
        done(2, unanswered=1, sent_at=1_000.0),
    )
    with pytest.raises(JournalError, match="again in 50 seconds"):
        forget(tmp_path, [phone(0)])


def test_a_journal_that_can_not_be_read_may_hold_them(tmp_path):
    journal_of(tmp_path, "a", done(0))
    Ledger.open(tmp_path, ACCOUNT)
    (tmp_path / "b.sqlite3").write_bytes(b"no journal " * 99)
    with pytest.raises(JournalError, match="damaged"):
        forget(tmp_path, [phone(0)])
    assert rows_in(tmp_path, "a")[0].phone == phone(0)


def test_a_folder_that_has_lost_its_ledger_is_not_begun_anew_by_it(tmp_path):
    Ledger.open(tmp_path, ACCOUNT)
    journal_of(tmp_path, "a", done(0))
    for name in ("opt-outs.ledger", "opt-outs.key"):
        (tmp_path / name).unlink()
    with pytest.raises(LedgerError, match="is gone"):
        forget(tmp_path, [phone(0)])


def test_where_nothing_is_kept_nothing_is_made(tmp_path):
    assert forget(tmp_path / "none", [phone(0)])["rows_erased"].to_list() == [0]
    assert not (tmp_path / "none").exists()
    assert forget(tmp_path, []).rows() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("phones", [phone(0), 5, None, [phone(0), None], [5]])
def test_phones_are_a_list_of_texts(tmp_path, phones):
    with pytest.raises(FrameError, match="phones must be a list"):
        forget(tmp_path, phones)


def test_a_half_written_journal_goes_with_them(tmp_path):
    journal_of(tmp_path, "a", done(0))
    (tmp_path / "dead.partial").write_bytes(phone(0).encode())
    forget(tmp_path, [phone(0)])
    assert not (tmp_path / "dead.partial").exists()


@pytest.mark.parametrize("given", [str, lambda path: path, lambda path: [path]])
def test_files_of_messages_are_read_before_anything_is_erased(tmp_path, given):
    """And the history is told of every spelling."""
    journal_of(tmp_path, "a", done(0))
    messages = tmp_path / "messages.parquet"
    messages.write_bytes(b"no parquet")
    with pytest.raises(FrameError, match="no Parquet file"):
        forget(tmp_path, [phone(0)], messages=given(messages))
    assert rows_in(tmp_path, "a")[0].phone == phone(0)
    pl.DataFrame({"phone": [phone(0), phone(1)]}).select(
        *(
            pl.col("phone") if name == "phone" else pl.lit(None, kind).alias(name)
            for name, kind in MESSAGE_SCHEMA.items()
        )
    ).write_parquet(messages)

    class History:
        told = None

        def forget(self, phones):
            self.told = phones

    history = History()
    forget(tmp_path, ["(212) 555-0100"], messages=given(messages), history=history)
    assert pl.read_parquet(messages)["phone"].to_list() == [phone(1)]
    assert history.told == ["(212) 555-0100", phone(0)]


def test_a_client_means_the_folder_that_its_runs_are_written_to(journals, open_account):
    _, client = open_account([])
    journal_of(journals, "a", done(0))
    assert forget(client, [phone(0)])["rows_erased"].to_list() == [1]


def test_a_text_speaks_of_somebody_by_a_mark_of_theirs():
    assert module._mentions({"25550100", "Ann"}, "(21) 2555-0100")
    assert module._mentions({"25550100", "Ann"}, "of Ann")
    assert not module._mentions({"25550100", "Ann"}, "of nobody")
