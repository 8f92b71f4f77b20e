"""History: pulls recorded over time in a Delta table, for the opt-out rate over time that the API can't tell."""

from sendblue_data.history.contact_history import ContactHistory
from sendblue_data.history.record import Snapshot

__all__ = ["ContactHistory", "Snapshot"]
