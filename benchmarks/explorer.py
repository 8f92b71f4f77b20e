"""Kernel time of a change of filter in the explorer, against a plain Polars filter of the same frame.

    python -m benchmarks.explorer [--contacts 100000 1000000] [--repeat 7]

A change is timed from the browser's message to the counts of the open facets, the sentence, the headline, the
table's first rows, the code and the write panel being set, as a kernel would do it. `first` asks the frame about a
condition that is new to it; `again` takes the condition off and sets it once more, when its mask is known. The plain
filter is `contacts.filter(predicate)`, which gives the frame and counts nothing. Targets: 150 ms at 100,000 contacts,
1 s at a million. A facet is opened before its values can be clicked, and is timed apart: the first time its values are
read. Pictures are drawn after the numbers, once the filters have settled: they are timed apart, too.

Then a kernel of its own runs one cell ten times over, as JupyterLab asks it to, and says what is still alive, and how
large the saved output is.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import date
from functools import partial

import polars as pl
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from sendblue_data import ContactExplorer
from sendblue_data.contacts import contacts_frame
from sendblue_data.explorer.filters import Filters, predicate_of
from sendblue_data.sandbox import people

PEOPLE = 50_000
"""Synthetic people, repeated to the size that is asked for, each time with other phones."""

CHANGES = {
    "a tag": Filters(all_tags=("VIP",)),
    "none of two tags": Filters(no_tags=("Lead", "Customer")),
    "opt-out": Filters(opt_out="not opted out"),
    "reachable": Filters(reach="reachable"),
    "reachable and verified": Filters(reach="reachable and verified"),
    "created from": Filters(created_from=date(2025, 1, 1)),
    "owner": Filters(owners=("ana@example.com",)),
    "company": Filters(companies=("Acme Fitness",)),
    "region": Filters(regions=("CA",)),
    "variable": Filters(variable="Plan", test="is", value="Pro"),
    "text": Filters(text="smith"),
    "six at once": Filters(
        any_tags=("VIP", "Customer"),
        no_tags=("Churned",),
        verified="verified",
        regions=("US",),
        variable="Plan",
        test="contains",
        value="r",
        text="an",
    ),
}

FACETS = {"owner": "owners", "company": "companies", "region": "regions"}
"""The changes that are clicked in a facet that is folded at first."""
RUNS = 10
SHOWN = """
from benchmarks.explorer import account
from sendblue_data import ContactExplorer
explorer = ContactExplorer(account({contacts}).clone())
bundle = explorer._repr_mimebundle_()
"""
LEFT = """
import gc, json
from ipywidgets import Widget
from ipywidgets.widgets.widget import _instances
gc.collect()
with open("/proc/self/status") as status:
    resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
print(json.dumps({
    "widgets": len(_instances), "MiB": resident // 1024, "output": len(json.dumps(bundle)) // 1024,
    "state": len(json.dumps(Widget.get_manager_state(), default=str)) // 1024,
}))
"""


def account(contacts: int) -> pl.DataFrame:
    base = contacts_frame(people.contacts(min(contacts, PEOPLE), seed=1))
    copies = [
        base.with_columns(
            phone=pl.col("phone").str.slice(0, 8) + f"{copy:02}" + pl.col("phone").str.slice(10),
            contact_id=pl.col("contact_id") + f"-{copy}",
        )
        for copy in range(-(-contacts // base.height))
    ]
    return pl.concat(copies).head(contacts).rechunk()


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def change(explorer: ContactExplorer, filters: Filters) -> float:
    def hear() -> None:
        explorer.controls.show(filters)
        explorer.controls.changed()

    return seconds(hear)


def compare(frame: pl.DataFrame, repeat: int) -> None:
    explorers: list[ContactExplorer] = []
    made = seconds(lambda: explorers.append(ContactExplorer(frame)))
    explorer = explorers[0]
    print(f"\n{frame.height:,} contacts; the explorer is made in {made:.2f} s")
    print(
        f"{'change of filter':18}{'first':>9}{'again':>9}{'plain':>9}{'first/plain':>13}{'again/plain':>13}"
    )
    for name, filters in CHANGES.items():
        predicate = predicate_of(filters)
        if name in FACETS:
            opened = seconds(partial(explorer.controls.hear, {"type": "open", "field": FACETS[name]}))
            print(f"{f'({name} opened)':18}{1e3 * opened:6.0f} ms")
        first = change(explorer, filters)
        again, plain = [], []
        for _ in range(repeat):
            change(explorer, Filters())
            again.append(change(explorer, filters))
            plain.append(seconds(partial(frame.filter, predicate)))
        if name in FACETS:
            change(explorer, Filters())
            explorer.controls.hear({"type": "open", "field": FACETS[name], "open": False})
        usual, base = statistics.median(again), statistics.median(plain)
        times = "".join(f"{1e3 * value:6.0f} ms" for value in (first, usual, base))
        print(f"{name:18}{times}{first / base:13.2f}{usual / base:13.2f}")
    change(explorer, Filters(all_tags=("VIP",)))
    sort = seconds(lambda: explorer.tabs.table.hear({"type": "sort", "by": "last_name"}))
    print(f"sorted by last name, the first time: {1e3 * sort:.0f} ms")
    for view in ("Tags", "Opt-outs", "Verification"):
        drawn = seconds(partial(setattr, explorer.tabs.choice, "value", view))
        print(f"picture {view}: {1e3 * drawn:.0f} ms")


def run_again(contacts: int) -> None:
    """Say what a kernel holds after a cell was run once, and after it was run ten times."""
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        for run in range(1, RUNS + 1):
            ask(client, SHOWN.format(contacts=contacts))
            if run in (1, RUNS):
                left = json.loads(ask(client, LEFT))
                print(
                    f"run {run:2}: {left['widgets']} widgets, {left['MiB']} MiB; saved: {left['output']} kB of output, "
                    f"{left['state']} kB of widget state"
                )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def ask(client: BlockingKernelClient, code: str) -> str:
    """Run a cell as JupyterLab does, which says which cell it is; give what it printed."""
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    message = client.session.msg("execute_request", content, metadata={"cellId": "the-cell"})
    client.shell_channel.send(message)
    printed = ""
    while True:
        told = client.get_iopub_msg(timeout=120)
        if told["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if told["msg_type"] == "error":
            raise RuntimeError("\n".join(told["content"]["traceback"]))
        if told["msg_type"] == "stream":
            printed += told["content"]["text"] if told["content"]["name"] == "stdout" else ""
        if told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
            return printed


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--contacts", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--repeat", type=int, default=7)
    asked = options.parse_args()
    for contacts in asked.contacts:
        compare(account(contacts), asked.repeat)
    print(f"\nThe cell of an explorer of {asked.contacts[0]:,} contacts, run again:")
    run_again(asked.contacts[0])


if __name__ == "__main__":
    main()
