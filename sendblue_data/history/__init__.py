"""History: pulls recorded over time in a Delta table, for the opt-out rate over time that the API can't tell."""
