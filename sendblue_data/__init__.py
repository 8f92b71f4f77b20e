"""Every Sendblue contact in a Polars frame, and what an audience team asks of it.

Names load when they are first used, so that importing the package costs little more than importing Polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sendblue_data import plots
    from sendblue_data.analytics import (
        Benchmark,
        compare_with_benchmark,
        created_period,
        opt_out_cohorts,
        opt_out_drivers,
        opt_out_rate,
        tag_combinations,
        tag_growth,
        tag_pairs,
        tag_summary,
        verification_backlog,
        verification_funnel,
        verification_rate,
        verification_worklist,
    )
    from sendblue_data.client import SendblueClient
    from sendblue_data.contacts import CONTACT_SCHEMA, contacts_frame
    from sendblue_data.errors import IncompletePullError, SendblueError
    from sendblue_data.evidence import PullEvidence
    from sendblue_data.explorer import ContactExplorer
    from sendblue_data.export import write_contacts
    from sendblue_data.history import ContactHistory
    from sendblue_data.phones import normalize_phones
    from sendblue_data.pull import iter_contacts, merge_contacts, pull_contacts
    from sendblue_data.report import write_report
    from sendblue_data.sandbox import Sandbox
    from sendblue_data.segments import (
        compare_segments,
        created_between,
        describe,
        field_is,
        has_any_tag,
        has_tag,
        load_segments,
        mentions,
        opted_out,
        parse_segment,
        phone_region,
        reachable,
        save_segments,
        segment_overlap,
        untagged,
        variable,
        verified,
    )
    from sendblue_data.tag_spelling import similar_tags
    from sendblue_data.writeback import (
        WritePlan,
        WriteResult,
        add_tags,
        bulk_create,
        bulk_delete,
        bulk_opt_out,
        bulk_update,
        bulk_verify,
        forget,
        list_runs,
        plan_add_tags,
        plan_create,
        plan_delete,
        plan_opt_out,
        plan_remove_tags,
        plan_update,
        plan_verify,
        prune_runs,
        rebuild_ledger,
        remove_tags,
        rename_tags,
        resume_run,
        undo_run,
    )

_HOMES = {
    "analytics": (
        "Benchmark",
        "compare_with_benchmark",
        "created_period",
        "opt_out_cohorts",
        "opt_out_drivers",
        "opt_out_rate",
        "tag_combinations",
        "tag_growth",
        "tag_pairs",
        "tag_summary",
        "verification_backlog",
        "verification_funnel",
        "verification_rate",
        "verification_worklist",
    ),
    "client": ("SendblueClient",),
    "contacts": ("CONTACT_SCHEMA", "contacts_frame"),
    "errors": ("IncompletePullError", "SendblueError"),
    "evidence": ("PullEvidence",),
    "explorer": ("ContactExplorer",),
    "export": ("write_contacts",),
    "history": ("ContactHistory",),
    "phones": ("normalize_phones",),
    "pull": ("iter_contacts", "merge_contacts", "pull_contacts"),
    "report": ("write_report",),
    "sandbox": ("Sandbox",),
    "segments": (
        "compare_segments",
        "created_between",
        "describe",
        "field_is",
        "has_any_tag",
        "has_tag",
        "load_segments",
        "mentions",
        "opted_out",
        "parse_segment",
        "phone_region",
        "reachable",
        "save_segments",
        "segment_overlap",
        "untagged",
        "variable",
        "verified",
    ),
    "tag_spelling": ("similar_tags",),
    "writeback": (
        "WritePlan",
        "WriteResult",
        "add_tags",
        "bulk_create",
        "bulk_delete",
        "bulk_opt_out",
        "bulk_update",
        "bulk_verify",
        "forget",
        "list_runs",
        "plan_add_tags",
        "plan_create",
        "plan_delete",
        "plan_opt_out",
        "plan_remove_tags",
        "plan_update",
        "plan_verify",
        "prune_runs",
        "rebuild_ledger",
        "remove_tags",
        "rename_tags",
        "resume_run",
        "undo_run",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CONTACT_SCHEMA",
    "Benchmark",
    "ContactExplorer",
    "ContactHistory",
    "IncompletePullError",
    "PullEvidence",
    "Sandbox",
    "SendblueClient",
    "SendblueError",
    "WritePlan",
    "WriteResult",
    "add_tags",
    "bulk_create",
    "bulk_delete",
    "bulk_opt_out",
    "bulk_update",
    "bulk_verify",
    "compare_segments",
    "compare_with_benchmark",
    "contacts_frame",
    "created_between",
    "created_period",
    "describe",
    "field_is",
    "forget",
    "has_any_tag",
    "has_tag",
    "iter_contacts",
    "list_runs",
    "load_segments",
    "mentions",
    "merge_contacts",
    "normalize_phones",
    "opt_out_cohorts",
    "opt_out_drivers",
    "opt_out_rate",
    "opted_out",
    "parse_segment",
    "phone_region",
    "plan_add_tags",
    "plan_create",
    "plan_delete",
    "plan_opt_out",
    "plan_remove_tags",
    "plan_update",
    "plan_verify",
    "plots",
    "prune_runs",
    "pull_contacts",
    "reachable",
    "rebuild_ledger",
    "remove_tags",
    "rename_tags",
    "resume_run",
    "save_segments",
    "segment_overlap",
    "similar_tags",
    "tag_combinations",
    "tag_growth",
    "tag_pairs",
    "tag_summary",
    "undo_run",
    "untagged",
    "variable",
    "verification_backlog",
    "verification_funnel",
    "verification_rate",
    "verification_worklist",
    "verified",
    "write_contacts",
    "write_report",
]


def __getattr__(name: str) -> object:
    if name == "plots":
        return import_module("sendblue_data.plots")
    if name == "__version__":
        return import_module("importlib.metadata").version("sendblue-data")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'sendblue_data' has no attribute {name!r}")
    from sendblue_data.errors import MissingExtraError  # noqa: PLC0415 -- so that the import stays cheap

    try:
        value: object = getattr(import_module(f"sendblue_data.{home}"), name)
    except MissingExtraError as error:
        from sendblue_data.absent import stand_in  # noqa: PLC0415

        return stand_in(name, error)  # not kept: the extra may be installed while the notebook runs
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
