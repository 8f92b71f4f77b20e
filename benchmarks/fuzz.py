"""Coverage-guided fuzzing with atheris, by hand: the decoder of pages, segments as code and as TOML, journals.

`pip install atheris` in an environment of its own (it is no dependency), then
`python -m benchmarks.fuzz decoder -max_total_time=3600`, the same with `segment`, `toml` and `journal`.
Anything but an error of the family ends it with the bytes that did it.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sendblue_data"]):
    from sendblue_data.contacts import CONTACT_SCHEMA, decode_contacts
    from sendblue_data.errors import JournalError, SegmentError, UnexpectedAnswerError
    from sendblue_data.segments import load_segments, parse_segment
    from sendblue_data.writeback.journal import Journal
    from sendblue_data.writeback.rows import Row

FOLDER = Path(tempfile.mkdtemp())


def decoder(body):
    try:
        frame = decode_contacts(body)
    except UnexpectedAnswerError:
        return
    assert frame.schema == CONTACT_SCHEMA


def segment(body):
    text = body.decode("utf-8", "surrogatepass") if body.isascii() else body.decode("latin-1")
    try:
        rule = parse_segment(text)
    except SegmentError:
        return
    assert repr(parse_segment(repr(rule))) == repr(rule)


def toml(body):
    path = FOLDER / "segments.toml"
    path.write_bytes(body)
    try:
        load_segments(path)
    except SegmentError:
        return


def journal(body):
    """A journal in which these bytes stand somewhere: the first four say where."""
    path = FOLDER / "run.sqlite3"
    whole = bytearray(JOURNAL)
    place = int.from_bytes(body[:4], "big") % len(whole)
    whole[place : place + len(body) - 4] = body[4:]
    for side in FOLDER.glob("run.*"):
        side.unlink()
    path.write_bytes(whole)
    try:
        with Journal(path) as opened:
            opened.meta()
            opened.rows()
    except JournalError:
        return


def a_journal():
    meta = {
        "kind": "create",
        "account": "host/0",
        "started": "2026-01-01T00:00:00+00:00",
        "options": {"columns": []},
    }
    rows = [
        Row(pos=n, phone=f"+1212555{100 + n:04}", action="create", wanted={"tags": ["A"], "opt_out": True})
        for n in range(40)
    ]
    with Journal.create(FOLDER, "made", meta, rows) as made:
        made.save(rows)
    return (FOLDER / "made.sqlite3").read_bytes()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    target = {"decoder": decoder, "segment": segment, "toml": toml, "journal": journal}[sys.argv.pop(1)]
    JOURNAL = a_journal()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
