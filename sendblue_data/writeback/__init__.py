"""Writing a frame back: plan, run, resume, undo. See `plan_create`, `bulk_create`, `bulk_delete`."""

from sendblue_data.writeback.calls import bulk_create, bulk_delete, opt_out, update, verify
from sendblue_data.writeback.catalogue import JournalWarning, runs
from sendblue_data.writeback.plan import WritePlan, plan_create, plan_delete
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.run import resume
from sendblue_data.writeback.undo import undo

__all__ = [
    "JournalWarning",
    "WritePlan",
    "WriteResult",
    "bulk_create",
    "bulk_delete",
    "opt_out",
    "plan_create",
    "plan_delete",
    "resume",
    "runs",
    "undo",
    "update",
    "verify",
]
