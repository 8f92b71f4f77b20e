"""Adjusted risks in made-up accounts whose truth is known, beside the crude ones."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from sendblue_data import opt_out_drivers

pytestmark = pytest.mark.slow
ACCOUNTS, NOW = 60, datetime(2026, 11, 1, tzinfo=UTC)


def account(random, size=3_000):
    """A constant hazard, twice as high on one line, for one tag's contacts and at one company; old, new and mixed tags.

    Cold contacts are mostly imported, and Acme's are mostly old and cold: crude, both look worse than they are.
    """
    days = random.integers(0, 400, size)
    is_old, is_new = random.random((2, size)) < np.stack([days / 450, 1 - days / 420])
    cold = random.random(size) < 0.2
    imported = random.random(size) < np.where(cold, 0.8, 0.2)
    line, acme = (
        random.random(size) < 0.5,
        random.random(size) < np.where(cold, 0.3, 0.05) * (0.5 + days / 400),
    )
    hazard = 0.0006 * np.where(cold, 3, 1) * np.where(line, 2, 1)
    out = random.random(size) < -np.expm1(-hazard * days)
    names = {"old": is_old, "new": is_new, "cold": cold, "imported": imported}
    return pl.DataFrame(
        {
            "tags": [[name for name, has in names.items() if has[n]] for n in range(size)],
            "company_name": np.where(acme, "Acme", "other"),
            "sendblue_number": np.where(line, "+13055550101", "+13055550102"),
            "created_at": [NOW - timedelta(days=int(day)) for day in days],
            "opt_out": out,
        }
    ).with_columns(company_name=pl.col("company_name").replace("other", None))


def test_what_has_no_effect_has_none_when_age_line_and_tags_are_held():
    """Of the four sets without an effect, 93% to 97% of 95% intervals hold 1, less 3 standard errors; crude ones don't."""
    random = np.random.default_rng(8)
    held, crude = {}, {}
    for _ in range(ACCOUNTS):
        frame = account(random)
        table = opt_out_drivers(frame, ["tag", "company"], adjust=("age", "line", "tags"), as_of=NOW)
        for row in table.iter_rows(named=True):
            for which, prefix in ((held, "adjusted_"), (crude, "")):
                low, high = (row[f"{prefix}relative_risk_{end}"] for end in ("low", "high"))
                which.setdefault(row["level"], []).append(low <= 1 <= high)
    for name in ("old", "new", "imported", "Acme"):
        assert len(held[name]) == ACCOUNTS
        assert np.mean(held[name]) >= 0.85, name
        assert np.mean(crude[name]) < 0.6, name
    assert np.mean([np.mean(held[name]) for name in ("old", "new", "imported", "Acme")]) >= 0.92
    assert np.mean(held["cold"]) < 0.05
