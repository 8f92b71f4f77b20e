"""The public names: all there, with the signatures that were promised, documented, and cheap to import."""

import functools
import inspect
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

import sendblue_data
from sendblue_data import ContactHistory, SendblueClient, SendblueError, plots

ROOT = Path(__file__).parents[1]
EMPTY = inspect.Parameter.empty
# name: parameters in their order, each with its default; `*` for keyword-only ones after it.
PROMISED = {
    "SendblueClient": "api_key=None, api_secret=None, base_url=None, *, timeout=60, max_connections=8, "
    "requests_per_second=None, retries=5",
    "doctor": "client",
    "pull_contacts": "client, *, since=None, progress=True, allow_incomplete=False",
    "has_tag": "*tags",
    "has_any_tag": "*tags",
    "untagged": "",
    "opted_out": "",
    "verified": "",
    "reachable": "*, verified=False",
    "created_between": "start, end",
    "variable": "name",
    "phone_region": "",
    "compare_segments": "contacts, segments",
    "segment_overlap": "contacts, segments",
    "tag_summary": "contacts",
    "tag_pairs": "contacts",
    "tag_combinations": "contacts",
    "tag_growth": "contacts, every='1mo'",
    "similar_tags": "contacts",
    "opt_out_rate": "contacts, by=None, *, confidence=0.95, min_contacts=0",
    "opt_out_by_age": "contacts, by=None, *, as_of=None, confidence=0.95",
    "opt_out_cohorts": "contacts, every='1mo', by=None",
    "opt_out_drivers": "contacts",
    "verification_funnel": "contacts, by=None, *, verified=False",
    "verification_rate": "contacts, by=None",
    "verification_backlog": "contacts, as_of=None",
    "plan_create": "contacts_or_client, contacts",
    "plan_delete": "contacts_or_client, contacts",
    "plan_update": "contacts_or_client, contacts, columns=None",
    "plan_opt_out": "contacts_or_client, contacts, opted_out=True",
    "plan_verify": "contacts_or_client, contacts",
    "plan_add_tags": "contacts_or_client, contacts, *tags",
    "plan_remove_tags": "contacts_or_client, contacts, *tags",
    "add_tags": "client, contacts, *tags",
    "remove_tags": "client, contacts, *tags",
    "bulk_create": "client, contacts",
    "bulk_delete": "client, contacts",
    "resume_run": "client, run_id",
    "undo_run": "client, run_id",
    "bulk_opt_out": "client, contacts, opted_out=True",
    "bulk_verify": "client, contacts",
    "bulk_update": "client, contacts, columns=None",
    "ContactHistory": "uri",
    "ContactExplorer": "contacts, client=None",
    "write_report": "contacts, path, history=None",
    "Sandbox": "contacts=5000, **switches",
    "normalize_phones": "frame, column, region=None",
}
ENDPOINTS = {
    "list_contacts": "limit offset created_at_gte order_by order_direction phone contact_id strict",
    "count_contacts": "",
    "get_contact": "phone",
    "create_contact": "phone first_name last_name assigned_to_email sendblue_number tags custom_variables "
    "update_if_exists",
    "update_contact": "phone first_name last_name company_name assigned_to_email sendblue_number tags "
    "custom_variables opt_out",
    "delete_contact": "phone",
    "opt_out_contact": "phone opted_out",
    "verify_contact": "phone",
    "bulk_create_contacts": "contacts",
    "bulk_delete_contacts": "phones",
}
HISTORY = {
    "snapshot": "contacts",
    "at": "at",
    "changes": "since, until",
    "opt_out_events": "",
    "opt_out_trend": "every='1w'",
    "survival": "by=None, *, method='turnbull'",
    "opt_out_alarms": "by=('tags', 'sendblue_number')",
    "list_flow": "every='1mo', by=None",
    "segment_flow": "segment, every='1mo'",
    "segment_moves": "segment",
}
PLOTS = [
    "compare_segments",
    "opt_out_cohorts",
    "opt_out_drivers",
    "opt_out_rate",
    "segment_overlap",
    "similar_tags",
    "tag_combinations",
    "tag_growth",
    "tag_pairs",
    "tag_summary",
    "verification_backlog",
    "verification_funnel",
    "verification_rate",
]
# Given by other calls, whose examples show them: nobody makes one.
MADE_BY_OTHERS = {"IncompletePullError", "PullEvidence", "SendblueError", "WritePlan", "WriteResult"}


def parameters(promise):
    """Read a promise as the parameters of a function."""
    made = {}
    exec(f"def promised({promise}): ...", made)
    return inspect.signature(made["promised"]).parameters


def assert_keeps(call, promise, *, method=False):
    """Every call that the promise allows is allowed, and means the same; more options may follow."""
    actual = dict(inspect.signature(call).parameters)
    if method:
        actual.pop("self")
    promised = parameters(promise)
    for name, parameter in promised.items():
        assert name in actual, f"{call.__name__} has no {name}"
        assert actual[name].kind is parameter.kind, name
        assert parameter.default in (EMPTY, actual[name].default), name
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    places = [name for name, parameter in promised.items() if parameter.kind in by_place]
    assert [name for name, parameter in actual.items() if parameter.kind in by_place][: len(places)] == places
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = {name for name, one in actual.items() if one.default is EMPTY and one.kind not in several}
    assert required <= set(promised)


@pytest.mark.parametrize("name", PROMISED)
def test_the_signature_is_the_promised_one(name):
    assert name in sendblue_data.__all__
    assert_keeps(getattr(sendblue_data, name), PROMISED[name])


@pytest.mark.parametrize("verb", ["create", "delete", "update", "opt_out", "verify"])
def test_each_bulk_call_takes_what_its_plan_does(verb):
    plan, bulk = (
        dict(inspect.signature(getattr(sendblue_data, f"{kind}_{verb}")).parameters)
        for kind in ("plan", "bulk")
    )
    del plan["contacts_or_client"]
    assert len(plan) >= 2
    assert {name: one.default for name, one in plan.items()} == {name: bulk[name].default for name in plan}


@pytest.mark.parametrize(
    "name", ["bulk_create", "add_tags", "rename_tags", "resume_run", "undo_run", "WritePlan.run"]
)
def test_the_options_of_a_run_are_spelled_out(name):
    call = functools.reduce(getattr, name.split("."), sendblue_data)
    spelled = {
        "raise_on_errors": False,
        "progress": True,
        "journal_dir": None,
        "cancel": None,
        "on_progress": None,
    }
    actual = inspect.signature(call).parameters
    assert {option: actual[option].default for option in spelled} == spelled
    assert all(f"\n    {option}: " in call.__doc__ for option in spelled)


@pytest.mark.parametrize("name", HISTORY)
def test_the_historys_methods(name):
    assert_keeps(getattr(ContactHistory, name), HISTORY[name], method=True)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_clients_methods(name):
    actual = inspect.signature(getattr(SendblueClient, name)).parameters
    assert list(actual) == ["self", *ENDPOINTS[name].split()]


@pytest.mark.parametrize("name", PLOTS)
def test_each_table_has_its_plot(name):
    assert name in plots.__all__
    assert_keeps(getattr(plots, name), "table, *, ax=None")
    assert callable(getattr(sendblue_data, name))


def test_an_error_carries_what_was_promised():
    error = sendblue_data.IncompletePullError("half", frame=None, expected=4, missing=2)
    assert (error.frame, error.expected, error.missing) == (None, 4, 2)
    assert isinstance(error, SendblueError)


def test_every_name_is_listed_once_and_there():
    names = sendblue_data.__all__
    assert len(names) == len(set(names)) >= len(PROMISED)
    assert [name for name in names if not hasattr(sendblue_data, name)] == []
    assert set(names) <= set(dir(sendblue_data))
    with pytest.raises(AttributeError, match="has no attribute 'tag_sumary'"):
        _ = sendblue_data.tag_sumary


def documented():
    for module in (sendblue_data, plots):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                yield f"{module.__name__}.{name}", value


def test_everything_public_is_explained_with_an_example():
    public = dict(documented())
    assert len(public) >= len(PROMISED) + len(PLOTS)
    unexplained, without_example = [], []
    for name, value in public.items():
        text = inspect.getdoc(value) or ""
        if not text or value.__doc__ is None:
            unexplained.append(name)
        if name.split(".")[-1] not in MADE_BY_OTHERS and not ("Example" in text and ">>> " in text):
            without_example.append(name)
    assert (unexplained, without_example) == ([], [])


def test_every_public_method_is_explained():
    classes = [value for _, value in documented() if inspect.isclass(value)]
    assert len(classes) >= 5
    bare = [
        f"{one.__name__}.{name}"
        for one in classes
        for name, value in vars(one).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property)) and not value.__doc__
    ]
    assert bare == []


HEAVY = (
    "matplotlib",
    "ipywidgets",
    "deltalake",
    "great_tables",
    "rapidfuzz",
    "starlette",
    "uvicorn",
    "scipy",
    "jinja2",
    "pyspark",
)


@pytest.mark.parametrize(
    "code",
    [
        "import sendblue_data",
        "from sendblue_data import SendblueClient, pull_contacts, has_tag, tag_summary, bulk_create",
        "import sendblue_data.cli.main",
    ],
)
def test_an_import_loads_only_what_it_needs(code):
    """Each of these takes a noticeable part of a second, and most calls need none."""
    asked = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_names_that_load_later_do_load():
    asked = "import sys, sendblue_data\nsendblue_data.plots.tag_summary\nprint('sendblue_data.plots' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True"]


WITHOUT_EXTRAS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import inspect, pydoc
import sendblue_data
from sendblue_data import *
from sendblue_data.errors import MissingExtraError
assert all(hasattr(sendblue_data, name) for name in sendblue_data.__all__)
assert {"Sandbox", "ContactHistory"} <= dict(inspect.getmembers(sendblue_data)).keys()
assert "needs deltalake" in pydoc.render_doc(sendblue_data)
for call in (lambda: Sandbox(5, seed=1), lambda: ContactHistory("history")):
    try:
        call()
    except MissingExtraError as error:
        print(call.__code__.co_names[0], error)
contacts = sendblue_data.contacts_frame([{"phone": "+12125550100", "opt_out": True, "tags": ["A"]}])
sendblue_data.ContactExplorer(contacts)
sendblue_data.write_report(contacts, sys.argv[1])
try:
    sendblue_data.similar_tags(contacts)
except MissingExtraError as error:
    print("similar_tags", error)
"""


WITHOUT_NOTEBOOK = (
    WITHOUT_EXTRAS.partition("import inspect, pydoc")[0]
    + """
import tempfile
import sendblue_data as sd
from sendblue_data.errors import MissingExtraError
contacts = sd.contacts_frame([{"phone": "+12125550100", "opt_out": True, "tags": ["A", "אב"], "company_name": "א"}])
rates = sd.opt_out_rate(contacts, by="tag")
print("counted", rates.height, len(sd.overview(contacts).__repr__()) > 0, len(sd.readable(rates)._repr_html_()) > 0)
for name, call in {
    "plots": lambda: sd.plots.opt_out_rate(rates),
    "use_style": lambda: sd.plots.use_style("dark"),
    "write_report": lambda: sd.write_report(contacts, sys.argv[1]),
    "ContactExplorer": lambda: sd.ContactExplorer(contacts),
}.items():
    try:
        call()
    except MissingExtraError as error:
        print(name, error)
"""
)
OF_NOTEBOOK = (
    *("matplotlib", "PIL", "ipywidgets", "anywidget", "traitlets", "IPython", "comm"),
    *("great_tables", "jinja2", "markupsafe", "pandas", "scipy"),
)


def told_by(script, *arguments):
    """Run a script in a process of its own; return what it printed, by the first word of each line."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_without_the_notebook_extra_plots_reports_and_the_explorer_name_it(tmp_path):
    told = told_by(WITHOUT_NOTEBOOK, tmp_path / "a.html", *OF_NOTEBOOK)
    assert told.pop("counted") == "2 True True"
    assert set(told) == {"plots", "use_style", "write_report", "ContactExplorer"}
    for words in told.values():
        assert re.search(
            r"needs \w+, which is not installed: install the extra notebook: pip install '", words
        )
    assert not (tmp_path / "a.html").exists()


def test_without_extras_all_but_the_sandbox_and_the_history_is_there(tmp_path):
    """Each says which extra it needs; nothing else needs one but that of notebooks, which is there."""
    extras = [
        "deltalake",
        "starlette",
        "uvicorn",
        "rapidfuzz",
        "duckdb",
        "pyarrow",
        "pandas",
        "pyspark",
        "xlsxwriter",
        "fastexcel",
    ]
    told = told_by(WITHOUT_EXTRAS, tmp_path / "a.html", *extras)
    assert set(told) == {"ContactHistory", "Sandbox", "similar_tags"}
    for name, extra in (("ContactHistory", "history"), ("Sandbox", "sandbox"), ("similar_tags", "similar")):
        assert f"install the extra {extra}: pip install '" in told[name]


@pytest.mark.parametrize("extra", ["", "duckdb", "excel", "history", "notebook", "sandbox", "similar"])
def test_the_least_versions_are_those_that_the_bounds_allow(extra):
    """`make test-least` shows the bounds by these pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = project["optional-dependencies"][extra] if extra else project["dependencies"]
    lines = (ROOT / "constraints-least.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    for bound in bounds:
        name, least = bound.split(">=")
        assert Version(pins[name]) == Version(least), bound


def test_the_changelog_has_this_version_with_its_day():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert sendblue_data.__version__ == version
    heads = re.findall(r"^## (\S+), (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    newest, day = heads[0]
    assert newest == version
    time.strptime(day, "%d %B %Y")  # raises when it is no day


FORKED = """
import os, signal
import polars as pl
import sendblue_data
for name in sendblue_data.__all__:
    getattr(sendblue_data, name)
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(int(pl.Series([2, 1]).sort()[0] != 1))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
def test_no_import_runs_a_query_so_that_a_forked_process_can():
    """The first query starts threads, for which a process that is forked afterwards waits forever."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout == "0\n", done.stderr
