"""`import`, `opt-out` and `resume` on the command line: shown first, written when confirmed, each row told."""

import json

import pytest

from sendblue_data import Sandbox, pull_contacts
from sendblue_data.cli.main import main
from tests.imports.test_layouts import FILES

KEYS = ("SENDBLUE_API_API_KEY", "SENDBLUE_API_API_SECRET", "SENDBLUE_API_BASE_URL")
SHOPIFY = str(FILES / "shopify.csv")


@pytest.fixture
def account(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(tmp_path / "journals"))
    with Sandbox([{"phone": "+12125550123", "tags": ["Old"]}, {"phone": "+12125550181"}]) as sandbox:
        for name, value in zip(KEYS, (sandbox.api_key, sandbox.api_secret, sandbox.url), strict=True):
            monkeypatch.setenv(name, value)
        yield sandbox


def run(capsys, *words):
    code = main(words)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def held(account):
    with account.client() as client:
        contacts = pull_contacts(client, progress=False)
    return {phone: (out, tags) for phone, out, tags in contacts.select("phone", "opt_out", "tags").rows()}


def test_a_list_is_shown_and_written_when_its_number_is_confirmed(account, capsys):
    before = held(account)
    code, out, _ = run(capsys, "import", SHOPIFY, "--region", "US", "--tag", "Spring")
    assert code == 0
    assert "Known as an export of Shopify." in out
    assert out.splitlines()[-1] == "Nothing was sent. To write these, add --yes 3"
    assert held(account) == before
    code, _, err = run(capsys, "import", SHOPIFY, "--region", "US", "--yes", "4")
    assert (code, "3 contacts would be written" in err) == (4, True)
    assert held(account) == before
    code, out, _ = run(capsys, "import", SHOPIFY, "--region", "US", "--tag", "Spring", "--yes", "3")
    assert code == 3  # a row has no phone
    assert held(account)["+12125550123"] == (True, ["Old", "Lead", "Spring"])
    assert held(account)["+12125550121"] == (False, ["VIP", "newsletter", "Spring"])
    code, out, _ = run(capsys, "import", SHOPIFY, "--region", "US", "--quiet")
    assert out == "Nothing was sent. To write these, add --yes 0\n"


def test_the_outcome_as_json_has_every_row_and_no_phone(account, capsys):
    words = ("import", SHOPIFY, "--region", "US", "--json")
    code, out, err = run(capsys, *words)
    plan = json.loads(out)
    assert (code, plan["writes"], plan["counts"]) == (0, 3, {"update": 1, "create": 2, "invalid": 1})
    assert "Nothing was sent" in err
    code, out, _ = run(capsys, *words, "--yes", "3")
    told = json.loads(out)
    assert code == 3
    assert [row["row"] for row in told["rows"]] == [2, 3, 4, 5]
    assert told["counts"] == {"created": 2, "updated": 1, "invalid": 1}
    assert "555" not in out.replace(told["run_id"], "")  # which has the time of day in it
    code, out, _ = run(capsys, "resume", told["run_id"], "--json")
    assert (code, json.loads(out)["counts"]) == (3, told["counts"])


def test_a_stop_list_opts_out_whom_it_names(account, capsys):
    code, out, _ = run(capsys, "opt-out", str(FILES / "twilio_consents.csv"))
    assert (code, out.splitlines()[-1]) == (0, "Nothing was sent. To write these, add --yes 1")
    code, out, _ = run(capsys, "opt-out", str(FILES / "twilio_consents.csv"), "--yes", "1")
    assert code == 3
    assert held(account)["+12125550181"][0] is True
    code, out, _ = run(capsys, "opt-out", SHOPIFY, "--region", "US", "--yes", "1", "--quiet")
    assert "1 updated" in out
    assert held(account)["+12125550123"][0] is True


def test_wrong_usage_and_lists_that_can_not_be_told_end_in_one_line(account, capsys, tmp_path):
    (tmp_path / "list.csv").write_text("Phone,Mobile,Rodo\n+12125550100,,yes\n", encoding="utf-8")
    for words, code, says in [
        (("import", "nowhere.csv"), 1, "can't be read"),
        (("import", "list.csv"), 1, "Column 'Rodo' seems to say"),
        (("import", "list.csv", "--map", "Rodo=consent"), 1, "could both be phone"),
        (("import", "list.csv", "--map", "Rodo=consents"), 1, "expected one of"),
        (("resume", "20260101T000000-abc"), 1, "no run"),
    ]:
        found, out, err = run(capsys, *words)
        assert (found, out) == (code, "")
        assert len(err.splitlines()) == 1
        assert says in err or says == "no run"
    assert run(capsys, "import", "list.csv", "--map", "Rodo")[0] == 2
    code, out, _ = run(capsys, "import", "list.csv", "--map", "Rodo=consent", "--map", "Mobile=")
    assert (code, out.splitlines()[-1]) == (0, "Nothing was sent. To write these, add --yes 1")
