"""Nothing of an account's people, keys or texts is in what the doctor shows, writes or logs."""

import json
import logging
import pickle
import stat

import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import CONTACT_SCHEMA, SendblueClient, doctor
from sendblue_data.errors import ConfigurationError, FileNotWrittenError
from tests.diagnosis.conftest import named
from tests.diagnosis.model import Account, error, ok, people

MARK = "zqxj"  # in no word of ours, in any case
letters = st.text("abcdefgxyz", min_size=4, max_size=12)
secrets = st.builds("{}{}".format, letters, letters).map(lambda text: f"{MARK}{text}")


@st.composite
def hostile(draw):
    """Answers in which every text that a service may choose holds the mark."""
    text = lambda: draw(  # noqa: E731 -- shorter than a function of its own
        st.sampled_from(
            ["{}", "<script>{}</script>", "Bearer {}", "+1212{}", "{}@example.com", "x-ratelimit-{}"]
        )
    ).format(draw(secrets))
    names = [
        draw(st.sampled_from(["{}", "{}Id", "name_{}", "{} of Ann", "<b>{}"])).format(draw(secrets))
        for _ in "ab"
    ]
    rows = people(draw(st.integers(0, 6)))
    for row in rows:
        for field in draw(st.sets(st.sampled_from(list(CONTACT_SCHEMA)))):
            row[field] = draw(st.sampled_from([text(), [text()], {text(): text()}, [{text(): 1}]]))
        row |= {name: text() for name in names}
    said = {"status": "ERROR", "message": text(), "error": {text(): text()}, text(): 1}
    answers = [
        None,
        ok(rows),
        ok({"count": 3, text(): text()}),
        ok(said),
        ok({"contacts": rows}),
        ok(text()),
        error(400, text()),
        error(401, text()),
        error(403, f"Invalid Credentials {text()}"),
        error(404, text()),
        (403, {"Content-Type": "text/html", "CF-RAY": text()}, f"<html>{text()}".encode()),
        (302, {"Location": f"https://me:{draw(secrets)}@{draw(secrets)}.example/"}, b""),
        (200, {"Content-Encoding": draw(secrets)}, text().encode()),
    ]
    headers = {
        f"X-RateLimit-{draw(secrets)}": text(),
        "Server": text(),
        "Retry-After": text(),
        "Date": text(),
    }
    return rows, draw(st.lists(st.sampled_from(answers), min_size=1, max_size=6)), headers


def shown(diagnosis, folder):
    path = diagnosis.save(folder / "doctor.json")
    return "\n".join(
        [str(diagnosis), repr(diagnosis), diagnosis._repr_html_(), path.read_text(), repr(diagnosis.findings),
         str(vars(diagnosis)), pickle.dumps(diagnosis).decode("latin-1")]
    ).lower()  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(hostile=hostile(), first=st.booleans())
def test_no_text_of_an_account_comes_out(tmp_path_factory, hostile, first):
    rows, answers, headers = hostile
    asked = iter([*([] if first else [None] * 2), *answers])
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    before = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with (
            Account(
                rows,
                headers=lambda: headers,
                answer=lambda *_: next(asked, None),
                order=False,
                cursor="ignored",
            ) as account,
            SendblueClient(f"{MARK}-key", f"{MARK}-secret", account.url) as client,
        ):
            found = doctor(client)
    finally:
        logging.getLogger().setLevel(before)
        logging.getLogger().removeHandler(handler)
    assert len(found.findings) == 20
    assert found.requests == len(account.asked) > 0
    assert MARK not in shown(found, tmp_path_factory.mktemp("report"))
    assert records
    assert MARK not in "\n".join(records).lower()


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
@pytest.mark.parametrize("said", ["zqxj", "Invalid Credentials: zqxj", "<title>zqxj | Cloudflare"])
def test_no_message_of_a_server_comes_out(examine, tmp_path, status, said):
    found = examine(
        people(3), answer=lambda _path, query: error(status, said, Server="zqxj") if query else None
    )
    assert "zqxj" not in shown(found, tmp_path)
    assert not found.ready


def test_no_phone_name_tag_or_id_of_a_good_account_comes_out(examine, tmp_path):
    personal = {
        "first_name": "Zqxjann",
        "company_name": "Zqxjacme",
        "custom_variables": {"zqxjplan": "zqxjgold"},
        "tags": ["zqxjvip"],
        "assigned_to_email": "zqxj@example.com",
    }
    found = examine(people(30, **personal))
    text = shown(found, tmp_path)
    assert found.ready
    assert "zqxj" not in text
    assert "1212555" not in text
    assert "id-1" not in text


def test_the_html_holds_no_markup_but_its_own():
    with (
        Account(people(3), shown=lambda row: row | {"<b>id": 1}) as account,
        SendblueClient("made-up-key", "made-up-secret", account.url) as client,
    ):
        page = doctor(client)._repr_html_()
    assert page.count("<b>") == page.count("</b>") == 1
    assert page.count("<tr>") == 21


def test_the_report_is_a_file_that_a_maintainer_can_read(examine, tmp_path):
    found = examine(people(30))
    path = found.save(tmp_path / "doctor.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    report = json.loads(path.read_text())
    assert len(report["findings"]) == 20
    assert (report["format"], report["outcome"], report["requests"]) == (1, "ready", found.requests)
    assert report["text"] == str(found).splitlines()
    assert report["versions"]["polars"]
    assert report["findings"][3]["name"] == "list"
    assert set(report["findings"][3]) == {"name", "looked_at", "found", "verdict", "remedy", "facts"}
    assert named(found, "columns").facts == report["findings"][13]["facts"]


def test_a_report_that_cannot_be_written_says_so(examine, tmp_path):
    found = examine()
    with pytest.raises(ConfigurationError, match="does not exist"):
        found.save(tmp_path / "nowhere" / "doctor.json")
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises((ConfigurationError, FileNotWrittenError)):
        found.save(tmp_path)
