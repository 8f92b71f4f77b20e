"""Made-up contacts in one Parquet file, written piece by piece: any number of them in little memory."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from sendblue_data.sandbox import tags

_PIECE = 250_000
_START = np.datetime64("2024-01-01", "us")
_TWO_YEARS_US = 730 * 86_400_000_000


def write_contacts(path: Path, count: int, seed: int = 0) -> None:
    """Write contacts with the sandbox's tags, skewed companies, 3% unknown opt-outs, two years of growth."""
    random = np.random.RandomState(seed)
    writer = None
    for start in range(0, count, _PIECE):
        piece = _piece(random, start, min(_PIECE, count - start)).to_arrow()
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    if writer is not None:
        writer.close()


def _piece(random: np.random.RandomState, start: int, count: int) -> pl.DataFrame:
    has = tags.draw(random, count)
    rows, columns = has.nonzero()
    names = {place: tag.name for place, tag in enumerate(tags.TAGS)}
    tagged = (
        pl.DataFrame({"row": rows, "tags": columns})
        .group_by("row", maintain_order=True)
        .agg(pl.col("tags").replace_strict(names, return_dtype=pl.String))
    )
    chance = random.random_sample((6, count))
    numbers = np.arange(start, start + count)
    created = _START + (np.sqrt(chance[1]) * _TWO_YEARS_US).astype("timedelta64[us]")
    opted_out = chance[0] < 1 / (1 + np.exp(2.5 - tags.effect(has)))
    frame = pl.DataFrame({"row": np.arange(count)}).join(tagged, on="row", how="left", maintain_order="left")
    return frame.select(
        contact_id=pl.Series(numbers).cast(pl.String),
        # 211 is no area code: nobody's numbers.
        phone=pl.lit("+1211") + pl.Series(numbers).cast(pl.String).str.zfill(8),
        company_name=pl.when(pl.Series(chance[4] > 0.3)).then(
            pl.lit("Company ") + pl.Series((chance[4] ** 3 * 400).astype(int)).cast(pl.String)
        ),
        created_at=pl.Series(created).cast(pl.Datetime("us", "UTC")),
        opt_out=pl.when(pl.Series(chance[2] > 0.03)).then(pl.Series(opted_out)),
        verified=pl.when(pl.Series(chance[3] > 0.02)).then(pl.Series(chance[3] < 0.62)),
        sendblue_number=pl.lit("+1305555010") + pl.Series((chance[5] * 6).astype(int)).cast(pl.String),
        tags=pl.col("tags"),
        assigned_to_email=pl.lit("owner")
        + pl.Series((chance[2] * 12).astype(int)).cast(pl.String)
        + "@example.com",
    )
