"""One day's work, from a pull to a report, in the folder that is named; prints its figures as JSON."""

import json
import os
import stat
import sys
from contextlib import redirect_stdout
from pathlib import Path

import polars as pl

from sendblue_data import (
    ContactHistory,
    Sandbox,
    bulk_create,
    bulk_delete,
    list_runs,
    opt_out_cohorts,
    opt_out_rate,
    pull_contacts,
    pull_messages,
    read_contacts,
    tag_summary,
    texts_after_opt_out,
    undo_run,
    write_contacts,
    write_report,
)
from sendblue_data.cli.main import main as run_command

AS_OF = "2026-11-01"


def main(folder: Path) -> None:
    """Do it all once."""
    journals = folder / "journals"
    with Sandbox(contacts=600, messages=3_000, seed=3) as sandbox, sandbox.client() as client:
        contacts = pull_contacts(client, progress=False)
        messages = pull_messages(client, progress=False)
        history = ContactHistory(folder / "history")
        history.snapshot(contacts)
        named = contacts.filter(pl.col("tags").list.len() > 3)
        gone = bulk_delete(client, named, confirm=named.height, journal_dir=journals, progress=False)
        back = undo_run(client, gone, journal_dir=journals, progress=False)
        made = bulk_create(
            client,
            pl.DataFrame({"phone": ["+12125550198"], "first_name": ["Zoë Ünïcode"], "tags": [["späť"]]}),
            journal_dir=journals,
            progress=False,
        )
        after = pull_contacts(client, progress=False)
        history.snapshot(after)
        written = write_contacts(after, folder / "contacts.csv")
        read = read_contacts(folder / "contacts.csv").frame
        write_report(after, folder / "report.html", as_of=AS_OF, messages=messages)
        command(sandbox, folder)
    open_to_others = [
        path.name
        for path in journals.rglob("*")
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    moments = history.snapshots()["taken_at"].to_list()
    figures = {
        "contacts": contacts.height,
        "messages": messages.height,
        "after": after.height,
        "same": sorted(after["phone"].to_list()) == sorted(read["phone"].to_list()),
        "statuses": [sorted(set(result.frame["status"])) for result in (gone, back, made)],
        "rate": opt_out_rate(contacts).row(0),
        "cohorts": opt_out_cohorts(contacts, as_of=AS_OF).height,
        "tags": tag_summary(contacts).rows()[:3],
        "after_stop": texts_after_opt_out(messages).height,
        "changes": history.changes(moments[0]).height,
        "runs": list_runs(journals).height,
        "open to others": open_to_others,
    }
    if not (figures["same"] and written.path.stat().st_size) or open_to_others:
        raise SystemExit(f"wrong: {figures}")
    print(json.dumps(figures, default=str))


def command(sandbox: Sandbox, folder: Path) -> None:
    """Pull and record by the command line; what it prints may have to be ASCII."""
    os.environ |= {
        "SENDBLUE_API_API_KEY": sandbox.api_key,
        "SENDBLUE_API_API_SECRET": sandbox.api_secret,
        "SENDBLUE_API_BASE_URL": sandbox.url,
    }
    with redirect_stdout(sys.stderr):
        for words in (
            ["pull", str(folder / "pulled.parquet"), "--quiet"],
            ["snapshot", str(folder / "recorded"), "--quiet"],
            ["doctor", "--quiet"],
        ):
            if code := run_command(words):
                raise SystemExit(f"{words[0]} ended with {code}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
