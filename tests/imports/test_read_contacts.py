"""read_contacts: sources, headers, consents, tags, owners, and what it asks about."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings, strategies as st

from sendblue_data import ImportedContacts, SendblueError, contacts_frame, read_contacts, write_contacts
from sendblue_data.errors import ConfigurationError, FrameError, MissingExtraError
from sendblue_data.schema import CONTACT_SCHEMA

LIST = "Phone,First Name,ZIP\n+12125550100,Zoë,02134\n+12125550101,Łukasz,10002\n"
CYRILLIC = "Телефон;Имя\n+7 495 1234567;Дмитрий Иванов\n+7 495 1234568;Наталья Петрова\n"


def names_of(found):
    return found.frame["first_name"].to_list()


@pytest.mark.parametrize(
    ("data", "note", "names"),
    [
        (LIST.encode(), "UTF-8", ["Zoë", "Łukasz"]),
        (LIST.encode("utf-8-sig"), "UTF-8 with a byte order mark", ["Zoë", "Łukasz"]),
        (LIST.encode("utf-16"), "UTF-16 with a byte order mark", ["Zoë", "Łukasz"]),
        (LIST.encode("utf-16-be"), "UTF-16", ["Zoë", "Łukasz"]),
        (LIST.replace("Łukasz", "Bo").encode("cp1252"), "cp1252, found out", ["Zoë", "Bo"]),
        (LIST.replace("Łukasz", "A\u0081").encode("latin-1"), "cp1252, found out", ["Zoë", "A\u0081"]),
        (LIST.replace(",", ";").encode(), "UTF-8", ["Zoë", "Łukasz"]),
        (LIST.replace(",", "\t").encode(), "UTF-8", ["Zoë", "Łukasz"]),
        (b"sep=;\r\n" + LIST.replace(",", ";").replace("\n", "\r\n").encode(), "UTF-8", ["Zoë", "Łukasz"]),
        (CYRILLIC.encode("cp1251"), "cp1251, found out", None),
    ],
)
def test_the_encoding_and_the_separator_are_found_out_and_said(data, note, names):
    found = read_contacts(data, mapping={"Имя": "first_name", "Телефон": "phone"} if names is None else None)
    assert found.notes[0].startswith(note)
    assert found.frame["phone"].null_count() == 0
    assert names_of(found) == (names or ["Дмитрий Иванов", "Наталья Петрова"])
    assert found.unmapped == ([] if names is None else ["ZIP"])


def test_a_zip_keeps_its_zero_as_a_custom_variable():
    found = read_contacts(LIST.encode(), mapping={"zip": "custom_variables", "First Name": None})
    assert found.frame["custom_variables"].map.entries().to_list()[0] == [{"key": "ZIP", "value": "02134"}]
    assert found.mapping.rows()[-1][:3] == ("ZIP", "custom_variables.ZIP", "given")
    assert found.unmapped == ["First Name"]


def excel(cells, sheet="People"):
    xlsxwriter = pytest.importorskip("xlsxwriter")
    book = io.BytesIO()
    with xlsxwriter.Workbook(book) as workbook:
        workbook.add_worksheet("Cover").write(0, 0, "A cover")
        page = workbook.add_worksheet(sheet)
        for number, row in enumerate(cells):
            page.write_row(number, 0, row)
    return book.getvalue()


def test_excel_is_read_as_text_and_its_rows_are_counted_as_it_counts_them():
    pytest.importorskip("fastexcel")
    data = excel(
        [[], ["Phone", "Name", "Tags"], [2125550100, "Ana Ruiz", "a; b"], [], ["+12125550101", "Bo", ""]]
    )
    found = read_contacts(data, region="US", sheet="People")
    assert found.frame.select("row", "phone", "first_name", "tags").rows() == [
        (3, "+12125550100", "Ana", ["a", "b"]),
        (5, "+12125550101", "Bo", None),
    ]
    assert found.frame.equals(read_contacts(data, region="US", sheet=2).frame)
    with pytest.raises(ConfigurationError, match="no sheet 'Peple': it has 'Cover', 'People'"):
        read_contacts(data, sheet="Peple")
    with pytest.raises(FrameError, match="no column that is known to hold phones: it has 'A cover'"):
        read_contacts(data)


def test_excel_without_the_extra_says_how_to_install_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(MissingExtraError, match="install the extra excel: pip install '"):
        read_contacts(b"PK\x03\x04rest")


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pandas without pyarrow", "duckdb", "arrow"])
def test_frames_of_every_engine_give_the_same(kind, monkeypatch):
    frame = pl.DataFrame({"Handy": [2125550100, None], "Name": ["Ana Ruiz", None], "Tags": ["a,b", None]})
    match kind:
        case "polars":
            source = frame
        case "lazy":
            source = frame.lazy()
        case "arrow":
            pytest.importorskip("pyarrow")
            source = frame.to_arrow()
        case "duckdb":
            duckdb = pytest.importorskip("duckdb")
            pytest.importorskip("pyarrow")
            source = duckdb.connect().sql(
                "SELECT 2125550100 AS Handy, 'Ana Ruiz' AS Name, 'a,b' AS Tags UNION ALL SELECT NULL, NULL, NULL"
            )
        case _:
            pandas = pytest.importorskip("pandas")
            source = pandas.DataFrame(frame.to_dicts())  # the phone becomes 2125550100.0
            if "without" in kind:
                monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    found = read_contacts(source, region="US").frame
    assert found.select("row", "phone", "first_name", "last_name", "tags").rows() == [
        (0, "+12125550100", "Ana", "Ruiz", ["a", "b"]),
        (1, None, None, None, None),
    ]
    assert found.schema == {"row": pl.UInt32, **CONTACT_SCHEMA, "phone_problem": pl.String}


def test_what_is_no_list_is_refused():
    for source, says in [
        (b"", "is empty"),
        (b'Phone,Name\n+12125550100,"Ana\n+12125550101,Bo\n', "opened and never closed"),
        (b'{"phone": 1}\n[1]', "line 2: expected one JSON object"),
        (b"PAR1 no Parquet", "can't be read as Parquet"),
        (b"Email\na@example.com\n", "no column that is known to hold phones"),
        (12, "takes a path, bytes or a frame, not int"),
    ]:
        with pytest.raises(FrameError, match=says):
            read_contacts(source)
    with pytest.raises(ConfigurationError, match=r"nowhere.csv can't be read: No such file"):
        read_contacts("nowhere.csv")
    with pytest.raises(ConfigurationError, match="sheet= is of those alone"):
        read_contacts(LIST.encode(), sheet=1)
    with pytest.raises(ConfigurationError, match="did you mean 'GB'"):
        read_contacts(LIST.encode(), region="UK")
    with pytest.raises(ConfigurationError, match="tags_separator is 1"):
        read_contacts(LIST.encode(), tags_separator=1)
    with pytest.raises(ConfigurationError, match="several_phones is 'all'"):
        read_contacts(LIST.encode(), several_phones="all")


def test_a_row_with_a_cell_too_many_is_refused_and_the_others_are_read():
    found = read_contacts(b"Phone,Company,Opt out\n+12125550100,Fox, Inc.,yes\n+12125550101,Acme,yes\n")
    assert found.frame["phone"].to_list() == [None, "+12125550101"]
    assert found.frame["phone_problem"][0].startswith("the row has 4 cells and the header 3")
    assert found.frame["row"].to_list() == [2, 3]


def test_a_list_without_a_header_is_one_of_phones():
    found = read_contacts(b"+12125550100\n(212) 555-0101\n", region="US")
    assert found.frame.select("row", "phone").rows() == [(1, "+12125550100"), (2, "+12125550101")]
    assert "no header: the first row holds a phone" in found.notes


@pytest.mark.parametrize(
    "spelt",
    [
        "First Name",
        "first_name",
        "FirstName",
        "FIRST-NAME",
        " first  name ",
        "Vorname",
        "Prénom",
        "Nombre",
        "Imię",
        "名",
    ],
)
def test_a_header_is_known_however_it_is_written(spelt):
    assert names_of(read_contacts(f"Tel,{spelt}\n+12125550100,Ana\n".encode())) == ["Ana"]


def test_two_columns_that_claim_one_field_are_asked_about():
    data = b"Phone,Mobile,Name\n+12125550100,+12125550101,Ana\n"
    with pytest.raises(FrameError, match="'Phone' and 'Mobile' could both be phone") as asked:
        read_contacts(data)
    written = str(asked.value).partition("mapping=")[2].partition(" takes")[0]
    assert read_contacts(data, mapping=eval(written)).frame["phone"].item() == "+12125550100"
    assert read_contacts(data, mapping={"Mobile": "phone"}).frame["phone"].item() == "+12125550101"
    with pytest.raises(ConfigurationError, match="mapping gives phone to 'Phone', 'Mobile'"):
        read_contacts(data, mapping={"Mobile": "phone", "Phone": "phone"})
    with pytest.raises(FrameError, match="Two columns named 'Phone'"):
        read_contacts(b"Phone,Phone\n1,2\n")


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"Fone": "phone"}, "which the list lacks.*Did you mean 'Phone'"),
        ({"Phone": "fone"}, "expected one of phone, first_name"),
        ({"Phone": "contact_id"}, "expected one of"),
        ("phone", "mapping is str: expected a dict"),
    ],
)
def test_a_mapping_that_can_not_be_is_refused(mapping, says):
    with pytest.raises(ConfigurationError, match=says):
        read_contacts(LIST.encode(), mapping=mapping)


@pytest.mark.parametrize(
    ("header", "cells", "out"),
    [
        ("Opted out", ["yes", "no", "", "2026-01-02"], [True, False, None, True]),
        ("SMS Consent", ["yes", "no", "", "2026-01-02"], [False, True, True, False]),
        (
            "SMS Consent",
            ["SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED", "Opted Out"],
            [False, True, True, True],
        ),
        ("Einwilligung SMS", ["ja", "nein", "Ja", ""], [False, True, False, True]),
        ("Désinscrit", ["oui", "non", "", "désabonné"], [True, False, None, True]),
        ("STOP", ["x", "", "X", "0"], [True, None, True, False]),
        ("DND", ["SMS, Email", "[]", "all", "false"], [True, None, True, False]),
        ("$consent", ['["email", "sms"]', '["email"]', "sms", ""], [False, True, False, True]),
        ("SMS Consent", ["maybe", "yes", "yes", "yes"], [True, False, False, False]),
    ],
)
def test_who_opted_out_is_understood_in_each_columns_words(header, cells, out):
    frame = pl.DataFrame({"Phone": [f"+1212555010{n}" for n in range(4)], header: cells})
    assert read_contacts(frame).frame["opt_out"].to_list() == out


def test_where_columns_disagree_the_person_is_out_and_it_is_told():
    frame = pl.DataFrame(
        {
            "Phone": ["+12125550100", "+12125550101", "+12125550102", "+12125550103"],
            "SMS Consent": ["yes", "yes", "yes", "maybe"],
            "Do not contact": ["", "yes", "no", ""],
            "Email Marketing Consent": ["NEVER_SUBSCRIBED", "SUBSCRIBED", "UNSUBSCRIBED", "SUBSCRIBED"],
        }
    )
    found = read_contacts(frame)
    assert found.frame["opt_out"].to_list() == [False, True, True, True]
    told = " ".join(found.problems["problem"])
    assert "3 rows agree in one column and opt out in another" in told
    assert "'maybe'; taken as opted out" in told


def test_a_column_whose_yes_could_mean_either_is_asked_about():
    with pytest.raises(
        FrameError, match=r'mapping=\{\'Rodo\': "opt_out"\} or mapping=\{\'Rodo\': "consent"\}'
    ):
        read_contacts(b"Phone,Rodo\n+12125550100,yes\n")
    for sense, out in (("opt_out", True), ("consent", False)):
        found = read_contacts(b"Phone,Rodo\n+12125550100,yes\n", mapping={"Rodo": sense})
        assert found.frame["opt_out"].item() is out


@pytest.mark.parametrize(
    ("cells", "tags"),
    [
        (["a; b;", "c"], [["a", "b"], ["c"]]),
        (["a, b", " , "], [["a", "b"], None]),
        (['"VIP","Lead, hot"', '"x"'], [["VIP", "Lead, hot"], ["x"]]),
        (['["a", "b, c"]', "d"], [["a", "b, c"], ["d"]]),
        (["a\u00a0; \u200bb ", "\u00a0"], [["a", "b"], None]),
        (["a ::: b, c", "a|b"], [["a", "b, c"], ["a|b"]]),
        (["a|b|a", ""], [["a", "b"], None]),
    ],
)
def test_tags_are_told_apart_by_what_their_column_uses(cells, tags):
    frame = pl.DataFrame({"Phone": ["+12125550100", "+12125550101"], "Tags": cells})
    assert read_contacts(frame).frame["tags"].to_list() == tags


def test_the_separator_of_tags_is_shown_and_can_be_given():
    frame = pl.DataFrame({"Phone": ["+12125550100"], "Tags": ["a/b"]})
    assert read_contacts(frame, tags_separator="/").frame["tags"].to_list() == [["a", "b"]]
    found = read_contacts(frame)
    assert found.frame["tags"].to_list() == [["a/b"]]
    assert found.mapping.filter(header="Tags")["why"].item().endswith("one a cell")


def test_the_card_is_escaped_and_masked():
    frame = pl.DataFrame(
        {"Phone": ["+12125550100"], "<b>x</b>": ["1"], "SMS Consent": ["<i>+12125550100</i>"]}
    )
    found = read_contacts(frame)
    html = found._repr_html_()
    assert "<b>x" not in html
    assert "<i>" not in html
    assert "+12125550100" not in html + str(found)
    assert "&lt;b&gt;x" in html
    assert "its +" not in str(found)
    assert len(found) == 1


PEOPLE = contacts_frame(
    [
        {
            "contact_id": "a", "phone": "+12125550100", "first_name": "=1+1", "last_name": " Ruiz", "tags": ["a;b", None],
            "created_at": "2026-01-02T03:04:05.678901Z", "custom_variables": {"City": "Rome", "x": None},
            "opt_out": True, "verified": False, "sendblue_number": "+12125550190", "assigned_to_email": "a@example.com",
        },
        {"phone": "+12125550101", "first_name": "", "tags": [], "opt_out": False},
        {"phone": None, "company_name": 'Acme, "Inc"\nLtd'},
    ]
)  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".ndjson"])
def test_what_write_contacts_wrote_reads_back_the_same(tmp_path, suffix):
    written = write_contacts(PEOPLE, tmp_path / f"list{suffix}")
    for source in (written, written.path, str(written.path), written.path.read_bytes()):
        assert read_contacts(source).frame.select(*CONTACT_SCHEMA).equals(PEOPLE)


def test_an_import_reads_as_an_import_again(tmp_path):
    found = read_contacts(LIST.encode())
    again = read_contacts(found.frame)
    assert again.frame.drop("row").equals(found.frame.drop("row"))
    assert again.unmapped == []


def test_it_is_one_of_the_package_and_says_what_it_read(tmp_path):
    path = Path(tmp_path, "list.csv")
    path.write_text(LIST, encoding="utf-8")
    found = read_contacts(path)
    assert isinstance(found, ImportedContacts)
    assert repr(found) == "ImportedContacts(2 rows of list.csv: 2 with a phone)"
    assert "Left out: 'ZIP'." in str(found)
    assert found.problems.is_empty()


BYTES = st.binary(max_size=200) | st.lists(
    st.sampled_from(
        [b"Phone", b"Tags", b"SMS Consent", b",", b";", b"\t", b'"', b"\n", b"\r\n", b"+12125550100", b"'", b"\xff\xfe", b"\0",
         b"\xef\xbb\xbf", b"PK\x03\x04", b"PAR1", b"{", b"}", b":", b"[", b"]", b"\xe9", b"yes", b"opt_out", b"row", b"sep=;"]
    ),
    max_size=25,
).map(b"".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(BYTES)
@example(b"PAR1")
@example(b"{}")
@example(json.dumps({"phone": "1", "tags": [1], "custom_variables": {"a": 1}, "opt_out": None}).encode())
def test_any_bytes_end_in_a_list_or_one_error_of_the_family(data):
    try:
        found = read_contacts(data, region="US")
    except SendblueError as error:
        assert str(error)
        return
    assert found.frame.schema == {"row": pl.UInt32, **CONTACT_SCHEMA, "phone_problem": pl.String}
    has_either = pl.col("phone").is_null() ^ pl.col("phone_problem").is_null()
    assert found.frame.select(has_either.all()).item()
    assert found.frame["row"].is_sorted()
    assert str(found)
    assert found._repr_html_()


CELLS = st.text(alphabet='ab",;\n 5é', max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.booleans(), st.sampled_from(",;\t"))
def test_a_csv_is_read_as_pythons_own_reader_reads_it(cells, quoted, separator):
    import csv

    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerows([("Phone", "First Name", "City"), *(("+12125550100", *row) for row in cells)])
    found = read_contacts(file.getvalue().encode(), mapping={"City": "company_name"})
    clean = [[cell.strip() or None for cell in row] for row in cells]
    assert found.frame.select("first_name", "company_name").rows() == [tuple(row) for row in clean]
    assert found.frame["row"].to_list() == list(range(2, 2 + len(cells)))


def test_a_quoted_tag_after_a_carriage_return_is_read():
    listed = b'phone,tags\n+12125550100,"a\r""b"", ""c, d"", e"\n'
    assert read_contacts(listed).frame["tags"].to_list() == [['a "b"', "c, d", "e"]]


@pytest.mark.parametrize(
    ("text", "encoding", "region", "name"),
    [
        ("電話番号,名\n090-1234-5678,太郎\n", "shift_jis", "JP", "太郎"),
        ("Numer telefonu;Imię\n512 345 678;Łukasz\n", "cp1250", "PL", "Łukasz"),
        ("Телефон;Имя\n+7 912 345-67-89;Анна\n", "cp1251", None, "Анна"),
        ("Phone,First Name\n+12125550100,Zoë\n", "mac_roman", None, "Zoë"),
    ],
)
def test_a_short_file_is_read_in_the_encoding_in_which_its_header_makes_sense(text, encoding, region, name):
    found = read_contacts(text.encode(encoding), region=region)
    assert found.notes[0].startswith(f"{encoding}, found out")
    assert names_of(found) == [name]
    assert found.frame["phone"].null_count() == 0


def test_lines_that_end_as_on_an_old_mac_are_lines():
    found = read_contacts(b"Phone,First Name\r+12125550100,Ana\r+12125550101,Bo\r")
    assert found.frame.select("row", "first_name").rows() == [(2, "Ana"), (3, "Bo")]


def test_the_rows_that_a_report_puts_above_its_header_are_counted_and_left_out():
    report = b"Contacts report,,\nAs of 2026-01-01,,\n\nFirst Name,Phone,City\nAna,+12125550100,Rome\n"
    found = read_contacts(report)
    assert found.frame.select("row", "first_name").rows() == [(5, "Ana")]
    assert "2 rows above the header left out" in found.notes


def test_a_first_row_with_a_phone_in_brackets_is_no_header():
    found = read_contacts(b"Ana,(212) 555-0100\nBo,(212) 555-0101\n", region="US")
    assert found.frame["phone"].to_list() == ["+12125550100", "+12125550101"]


def test_a_last_name_before_a_comma_is_a_last_name():
    found = read_contacts(b'Phone,Full Name\n+12125550100,"Ruiz, Ana"\n+12125550101,"Bo Lind, Jr."\n')
    assert found.frame.select("first_name", "last_name").rows() == [("Ana", "Ruiz"), ("Bo", "Lind, Jr.")]


def test_who_is_unsubscribed_by_a_column_that_says_nothing_of_it_is_opted_out():
    listed = b"Phone,Status,Sent\n+12125550100,Active,1\n+12125550101,Unsubscribed,1\n+12125550102,,1\n"
    found = read_contacts(listed)
    assert found.frame["opt_out"].to_list() == [None, True, None]
    assert found.mapping.rows()[-1][:3] == ("Status", "opt_out", "likely")
    assert found.unmapped == ["Sent"]
    left_out = read_contacts(listed, mapping={"Status": None})
    assert left_out.frame["opt_out"].null_count() == 3
    agreed_by_mail = listed.replace(b"Sent", b"Email Consent").replace(b",1", b",no")
    assert read_contacts(agreed_by_mail).frame["opt_out"].to_list() == [True] * 3


def test_one_row_is_told_of_as_one():
    found = read_contacts(b"Phone,SMS Consent\n+12125550100,STOP\n+12125550101,no\n\n12,\n")
    assert "1 row is opted out" in str(found)
    assert "1 row did not agree" in str(found)
    assert "1 row does not say" in str(found)
    assert "1 blank row left out" in str(found)
    assert "row 5: Phone: " in str(found)
