"""A process that records to a history in a bucket, again and again, and says what was accepted: the test starts two."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from sendblue_data import ContactHistory
from sendblue_data.errors import HistoryConflictError, SnapshotRefusedError

from . import worlds as w

if __name__ == "__main__":
    uri, name, times, options = sys.argv[1:]
    history = ContactHistory(uri, storage_options=json.loads(options))
    for number in range(int(times)):
        told = f"{name} {number}"
        at = datetime.now(UTC)
        contacts = w.frame([w.contact(n, first_name=told) for n in range(5)])
        try:
            done = history.snapshot(contacts, at)
        except (HistoryConflictError, SnapshotRefusedError) as error:
            outcome = {"refused": type(error).__name__}
        else:
            outcome = {"number": done.number, "at": at.isoformat()}
        sys.stdout.write(json.dumps({"name": told, **outcome}) + "\n")
        sys.stdout.flush()
