"""Writing a frame back: plan, run, resume, undo. See `plan_create`, `bulk_create`, `bulk_delete`."""

from sendblue_data.writeback.calls import bulk_create, bulk_delete, bulk_opt_out, bulk_update, bulk_verify
from sendblue_data.writeback.catalogue import JournalWarning, list_runs
from sendblue_data.writeback.erasure import forget
from sendblue_data.writeback.plan import WritePlan
from sendblue_data.writeback.plans import plan_create, plan_delete, plan_opt_out, plan_update, plan_verify
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.run import resume_run
from sendblue_data.writeback.tag_verbs import (
    add_tags,
    plan_add_tags,
    plan_remove_tags,
    remove_tags,
    rename_tags,
)
from sendblue_data.writeback.undo import undo_run
from sendblue_data.writeback.upkeep import prune_runs, rebuild_ledger

__all__ = [
    "JournalWarning",
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
]
