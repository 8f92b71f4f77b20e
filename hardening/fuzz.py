"""Coverage-guided fuzzing with atheris: both decoders, segments as code and as TOML, journals, lists.

`make fuzz` runs each target for a minute, in an environment of its own (atheris is no dependency);
`make fuzz FUZZ_SECONDS=900` takes an hour. By hand: `python -m hardening.fuzz decoder -max_total_time=900`, the
same with `messages`, `segment`, `toml`, `journal` and `list`.
Anything but an error of the family ends it with the bytes that did it.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sendblue_data", "tomllib"]):
    from sendblue_data import load_segments, parse_segment, read_contacts
    from sendblue_data._api.decoding import decode_page
    from sendblue_data._api.message_decoding import decode_messages
    from sendblue_data.errors import JournalError, SegmentError, SendblueError, UnexpectedAnswerError
    from sendblue_data.schema import CONTACT_SCHEMA, MESSAGE_SCHEMA
    from sendblue_data.writeback.journal import Journal
    from sendblue_data.writeback.rows import Row

FOLDER = Path(tempfile.mkdtemp())


def decoder(body):
    try:
        page = decode_page(body)
    except UnexpectedAnswerError:
        return
    assert page.frame.schema == CONTACT_SCHEMA
    assert all(page.frame[row, field] is None for row, field, _ in page.oddities)


def messages(body):
    try:
        page = decode_messages(body, languages=["fr"])
    except UnexpectedAnswerError:
        return
    assert page.frame.schema == MESSAGE_SCHEMA
    assert page.frame["content"].null_count() == page.frame.height
    assert all(page.frame[row, field] is None for row, field, _ in page.oddities)


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


def a_list(body):
    """Any bytes as a file that somebody sent."""
    try:
        found = read_contacts(body, region="US")
    except SendblueError:
        return
    has_phone = found.frame["phone"].is_not_null()
    assert (has_phone ^ found.frame["phone_problem"].is_not_null()).all()
    assert str(found)
    assert found._repr_html_()


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


PAGE = (
    b'[{"phone":"+12125550100","contact_id":"a","first_name":"Zo\xc3\xab","last_name":null,"tags":["VIP",""],'
    b'"custom_variables":{"City":"Rome"},"opt_out":true,"verified":null,'
    b'"created_at":"2026-01-01T00:00:00.123456Z"},{"phone":"+12125550101","new":1.5e3},'
    b'{"id":7,"firstName":1.50,"optOut":"true","customVariables":{"n":1},"createdAt":"soon"}]'
)
MESSAGES = (
    b'{"status":"OK","data":[{"message_handle":"m1","number":"+12125550100","is_outbound":false,"content":"Stop.",'
    b'"date_sent":"2026-01-01T00:00:00.123456Z","error_code":4001,"participants":["+12125550101",null],"opted_out":true},'
    b'{"messageHandle":"m2","isOutbound":"true","errorCode":"22","dateSent":"soon","mood":{}}],'
    b'"pagination":{"total":2,"limit":2,"offset":0,"hasMore":false}}'
)
SEGMENT = (
    b'has_tag("VIP", "x\\u00e9") & ~opted_out() | variable("Plan").is_in(["Pro"]) & phone_region("US-212")'
)
LIST = (
    b"Phone,First Name,Tags,SMS Consent,Contact owner\n"
    b'"(212) 555-0100","Zo\xc3\xab","VIP, ""Lead""",yes,a@example.com\n'
    b"'+12125550101,=1+1,a; b,UNSUBSCRIBED,Dana\n"
)
SEEDS = {
    "decoder": [PAGE],
    "messages": [MESSAGES],
    "segment": [SEGMENT, b'created_between("2026-01-01", None) | ~has_any_tag("A", "B")'],
    "toml": [
        b'# a comment\n[segments]\n"Spring" = \'' + SEGMENT + b'\'\nLapsed = "verified()"\n',
        b'segments = {a = "reachable()", "b" = """opted_out()"""}\n',
    ],
    "journal": [bytes(8), b"\0\0\0\x64{}"],
    "list": [
        LIST,
        LIST.decode().replace(",", ";").encode("utf-16"),
        b'{"phone":"+12125550100","tags":["VIP"]}\n',
    ],
}
WORDS = {
    "decoder": r"phone tags opt_out verified created_at custom_variables firstName optOut createdAt id null true } \\u",
    "messages": r"number is_outbound content date_sent opted_out isOutbound pagination data hasMore true null } \\\\u",
    "segment": "has_tag( ~ & | None variable( .is_in([ reachable() phone_region(",
    "toml": r"[segments]\x0a segments = ''' [[ ]] { 1979-05-27 0x inf verified()",
    "list": r"Phone , ; \x09 \x22 \x0d\x0a opt_out \xff\xfe \xef\xbb\xbf PK\x03\x04 PAR1 { } : [ ] sep=; / ::: p: +49",
    "journal": r"CREATE TABLE rows meta wanted \x00\x00",
}
"""What the fuzzer starts from, and puts together: without them it hardly gets beyond a parser's first letter."""


def prepare(name):
    """Write the seeds and the dictionary, and give the arguments that name them."""
    seeds, words = FOLDER / "seeds", FOLDER / "words.txt"
    seeds.mkdir()
    for number, seed in enumerate(SEEDS[name]):
        (seeds / str(number)).write_bytes(seed)
    words.write_text("".join(f'"{word}"\n' for word in WORDS[name].split()))
    return [f"-dict={words}", str(seeds)]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    name = sys.argv.pop(1)
    JOURNAL = a_journal()
    targets = {
        "decoder": decoder,
        "messages": messages,
        "segment": segment,
        "toml": toml,
        "journal": journal,
        "list": a_list,
    }
    target = targets[name]
    atheris.Setup([*sys.argv, *prepare(name)], target)
    atheris.Fuzz()
