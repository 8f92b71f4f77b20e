"""The one logger, `sendblue_data`, silent until the caller configures logging. No key and no person goes into it."""

from __future__ import annotations

import logging

log = logging.getLogger("sendblue_data")
log.addHandler(logging.NullHandler())
