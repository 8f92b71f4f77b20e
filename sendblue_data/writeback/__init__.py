"""Writing a frame back: plan, run, resume, undo. See `plan_create`, `bulk_create`, `bulk_delete`."""
