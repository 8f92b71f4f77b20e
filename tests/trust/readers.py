"""Exported files, read back."""

import polars as pl


def read_file(path):
    """Give an exported file's rows; a map comes back from Parquet as pairs."""
    rows = pl.read_parquet(path).to_dicts()
    for row in rows:
        pairs = row["custom_variables"]
        if isinstance(pairs, list):
            row["custom_variables"] = {pair["key"]: pair["value"] for pair in pairs}
    return rows
