"""Makes docs/reliability.md: what holds under which fault, from the results of the tests that show it.

`python docs/reliability.py` runs the tests of the matrix and writes the page; `--results FILE` takes a junit file
that such a run made (`pytest tests/trust/test_matrix.py tests/trust/test_machine.py -o junit_family=xunit1
--junitxml FILE`); `--check` fails when one of them failed, and
writes nothing. Which way a case ends may differ from run to run, since requests run side by side; both are right.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "reliability.md"
BY_HAND = DOCS / "reliability-lines.txt"
TESTS = ("tests/trust/test_matrix.py", "tests/trust/test_machine.py")

PROMISES = {
    "pull": "every contact that stayed is in the frame once, or an error says that it can't be shown",
    "iter": "as `pull`, frame by frame; the error comes after the last frame",
    "export": "the file is whole, or it is not there (the one before still is)",
    "snapshot": "recorded as it was pulled, or not at all",
    "bulk_create": "each row is created once, opt-outs included, or the run says so and `resume_run` ends it",
    "bulk_delete": "those named are gone, nobody else, and their opt-outs are known for later",
    "update": "each row holds the new values, other fields the old ones",
    "opt_out": "each row is opted out, or told as not",
    "verify": "no message goes out twice; one whose answer was lost is told as `unknown`",
    "resume": "the run ends as if it had not been cut off",
    "undo a delete": "everybody is back, with tags, variables and opt-out, also where the server forgets opt-outs",
    "undo a create": "those created are gone, nobody else",
}
GROUPS = {
    "test_fault_now_and_then": (
        "Faults now and then",
        "Every third request is hit, reads and writes alike; `churn` creates and deletes a contact at each list.",
    ),
    "test_fault_at_every_request": (
        "Nothing gets through",
        "Every request is hit, until the fault is over and the operation is done again or resumed.",
    ),
    "test_fault_at_every_write": (
        "Reads get through, no write does",
        "Every write is hit, until the fault is over.",
    ),
    "test_switch": (
        "What the API leaves unsaid",
        "Each switch of the sandbox set the other way, with every fifth write's answer lost on top.",
    ),
}
SHORT = {
    "goes through": "✓",
    "says so; done again": "says so",
    "says so before anything is sent; done again": "says so first",
    "says so; resume finishes it": "resume",
    "says so; undo finishes it": "undo again",
    "says which messages may have gone out": "told",
}
MACHINE = (
    (
        "test_a_full_disk_before_a_run_sends_nothing",
        "disk full before a write: `JournalError`, nothing was sent",
    ),
    (
        "test_a_full_disk_in_the_middle_forgets_no_opt_out",
        "disk full in the middle of a run: `JournalError`; `resume_run` ends it, no opt-out is forgotten",
    ),
    (
        "test_a_full_disk_leaves_no_export",
        "disk full in an export: `FileNotWrittenError`; the file that was there still is",
    ),
    (
        "test_a_full_disk_leaves_the_history_as_it_was",
        "disk full in a snapshot: `FileNotWrittenError`; the history is as it was",
    ),
    (
        "test_a_journal_folder_that_can_not_be_written_to_sends_nothing",
        "journal folder that can't be written to: `JournalError`, nothing was sent",
    ),
    ("test_a_journal_folder_that_is_a_file_sends_nothing", "journal folder that is a file: the same"),
    (
        "test_no_jump_of_the_clock_forgets_an_opt_out",
        "clock jumping back or ahead between runs: what the later run saw of an opt-out counts",
    ),
    (
        "test_no_jump_of_the_clock_brings_an_opt_out_back_that_was_cleared",
        "clock jumping back: an opt-out that was cleared stays so",
    ),
    (
        "test_a_snapshot_from_before_the_last_is_refused",
        "clock jumping back between snapshots: `SnapshotRefusedError`",
    ),
    (
        "test_a_hostile_server_ends_in_an_error_of_the_family",
        "gzip bomb, large page, endless redirect, silence, nonsense: an `ApiError`, and no run begins",
    ),
)
ELSEWHERE = (
    (
        "one byte a second, in body, headers or status line",
        "tests/api/test_hostile_servers.py",
        "test_a_server_that_drips_ends_within_the_timeout",
    ),
    (
        "endless redirect, and one with an endless body",
        "tests/api/test_hostile_servers.py",
        "test_a_redirect_with_an_endless_body_ends",
    ),
    ("gzip bomb of 100 MB in 100 kB", "tests/api/test_hostile_servers.py", "test_a_gzip_bomb_is_refused"),
    (
        "page of over 64 MB",
        "tests/api/test_hostile_servers.py",
        "test_a_page_of_over_64_megabytes_is_refused",
    ),
    ("HTTP/1.0", "tests/api/test_hostile_servers.py", "test_an_http_1_0_server"),
    (
        "proxy in the environment",
        "tests/api/test_addresses.py",
        "test_https_goes_by_the_proxy_of_the_environment_which_sees_no_key",
    ),
    (
        "proxy in the environment, and an account on this machine",
        "tests/api/test_addresses.py",
        "test_plain_keys_go_to_this_machine_and_through_no_proxy",
    ),
    ("IPv6", "tests/api/test_addresses.py", "test_the_ipv6_loopback"),
    ("`kill -9` in the middle of a write", "tests/writeback/test_killed.py", "test_"),
    ("crashes, faults and third parties in any order", "tests/writeback/test_state_machine.py", "Account"),
)


def run_tests(results):
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *TESTS, "-o", "junit_family=xunit1", f"--junitxml={results}"],
        cwd=DOCS.parent,
        check=False,  # a test that fails is shown in the page
    )


def read(results):
    """Give, by test function, its cases: (parameters, outcome or None where it failed)."""
    found = {}
    for case in ET.parse(results).getroot().iter("testcase"):
        name, _, parameters = case.attrib["name"].partition("[")
        outcomes = [one.attrib["value"] for one in case.iter("property") if one.attrib["name"] == "outcome"]
        bad = any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        outcome = None if bad else outcomes[0] if outcomes else "goes through"
        found.setdefault(name, []).append((parameters.removesuffix("]"), outcome))
    return found


def matrix(cases):
    """Give a table of operations by faults; pytest joins the two by a dash."""
    cells = {}
    for parameters, outcome in cases:
        operation = next(one for one in PROMISES if parameters.startswith(f"{one}-"))
        cells[operation, parameters.removeprefix(f"{operation}-")] = outcome
    faults = list(dict.fromkeys(fault for _, fault in cells))
    operations = [one for one in PROMISES if any(one == operation for operation, _ in cells)]
    lines = [
        "| operation | " + " | ".join(f"`{fault}`" for fault in faults) + " |",
        "| --- |" + " :-: |" * len(faults),
    ]
    lines += [
        f"| {operation} | " + " | ".join(cell(cells[operation, fault]) for fault in faults) + " |"
        for operation in operations
    ]
    return lines


def cell(outcome):
    return "**FAILED**" if outcome is None else SHORT[outcome]


def page(found):
    lines = [
        "# Reliability",
        "",
        "What each operation promises, and the test that shows it under each fault and switch. This page is made by",
        "`docs/reliability.py` from the tests' results; the last part, on the rest of the hardening, by hand.",
        "",
        "## The promises",
        "",
        "| operation | under any fault |",
        "| --- | --- |",
        *(f"| {operation} | {promise} |" for operation, promise in PROMISES.items()),
        "",
        "Each cell below is a test. It checks the promise against the sandbox's own rows after the operation, and",
        "once more after the fault is over:",
        "",
        "- ✓: it went through, as if there had been no fault.",
        "- says so: an error of the `SendblueError` family; done again after the fault, it went through.",
        "- says so first: the same, before anything was sent.",
        "- resume, undo again: the error named the run; `resume_run` (or `undo_run` again) ended it.",
        "- told: verification messages whose answer was lost are told as `unknown`, and never sent twice.",
        "",
    ]
    for test, (title, words) in GROUPS.items():
        lines += [f"## {title}", "", f"{words} `{TESTS[0]}::{test}`", "", *matrix(found[test]), ""]
    lines += [
        "## The machine, and servers that no honest API resembles",
        "",
        "| fault and promise | test | cases |",
        "| --- | --- | --: |",
    ]
    for test, promise in MACHINE:
        cases = found[test]
        failed = sum(outcome is None for _, outcome in cases)
        lines.append(
            f"| {promise} | `{TESTS[1]}::{test}` | {f'**{failed} FAILED**' if failed else len(cases)} |"
        )
    for fault, file, test in ELSEWHERE:
        assert f"{test}" in (DOCS.parent / file).read_text(), (file, test)
        shown = file if test == "test_" else f"{file}::{test}"
        lines.append(f"| {fault} | `{shown}` | |")
    cases = [outcome for group in found.values() for _, outcome in group]
    passed = sum(outcome is not None for outcome in cases)
    lines += [
        "",
        f"{passed} of {len(cases)} cases passed.",
        "",
        BY_HAND.read_text(encoding="utf-8").strip(),
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = args.results or Path(folder, "results.xml")
        if not args.results:
            run_tests(results)
        found = read(results)
    text = page(found)
    failed = [
        f"{name}[{case}]" for name, cases in found.items() for case, outcome in cases if outcome is None
    ]
    if not args.check:
        PAGE.write_text(text, encoding="utf-8")
    print("\n".join(failed) or f"{PAGE}: {sum(map(len, found.values()))} cases")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
