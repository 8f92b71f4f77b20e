"""Tags of synthetic people: how common each is, which come together, and their effect on opting out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tag:
    """A tag's share of the contacts, and what it adds to the log-odds of opting out."""

    name: str
    share: float
    opt_out: float = 0.0
    spelling_of: str | None = None


COMMON = (
    Tag("Newsletter", 0.34, 0.25),
    Tag("Customer", 0.30, -0.55),
    Tag("Lead", 0.28, 0.25),
    Tag("Trial", 0.12, 0.10),
    Tag("Webinar 2025", 0.10, 0.20),
    Tag("Referral", 0.09, -0.50),
    Tag("Black Friday", 0.08, 0.60),
    Tag("Cold List", 0.07, 1.30),
    Tag("VIP", 0.06, -0.90),
    Tag("Churned", 0.05, 0.90),
    Tag("Wholesale", 0.04, -0.20),
    Tag("Event: SXSW", 0.04, 0.40),
    Tag("Partner", 0.03, -0.60),
    Tag("日本", 0.01),
    Tag("🔥 hot", 0.02, -0.20),
    Tag("<b>bold</b>", 0.004),
    # Spellings that someone typed by hand: they mean the tag beside them, and behave like it.
    Tag("vip ", 0.012, -0.90, "VIP"),
    Tag("V.I.P.", 0.008, -0.90, "VIP"),
    Tag("newsletter", 0.02, 0.25, "Newsletter"),
    Tag("News letter", 0.006, 0.25, "Newsletter"),
    Tag("customer", 0.010, -0.55, "Customer"),
    Tag("Cold-List", 0.008, 1.30, "Cold List"),
)
# A long tail of campaigns, as accounts gather over two years.
CAMPAIGNS = tuple(
    Tag(f"Campaign {2024 + month // 12}-{month % 12 + 1:02}", 0.006, 0.05) for month in range(24)
)
TAGS = (*COMMON, *CAMPAIGNS)
IMPORTED = Tag("Imported", 0.9, 0.35)
"""Given to most contacts that came in a bulk import, and to no others."""

_PLACE = {tag.name: place for place, tag in enumerate(TAGS)}
_WEIGHTS = np.array([tag.opt_out for tag in TAGS])
# With the tag on the left, the one on the right comes at this share instead of its own.
_COMES_WITH = (
    ("VIP", "Customer", 0.92),
    ("Churned", "Customer", 0.75),
    ("Trial", "Lead", 0.80),
    ("Cold List", "Lead", 0.70),
    ("Wholesale", "Partner", 0.35),
    ("Webinar 2025", "Newsletter", 0.70),
)
_BOTH_SPELLINGS = 0.1


def draw(random: np.random.RandomState, count: int) -> npt.NDArray[np.bool_]:
    """Draw who has which tag: a row a contact, a column for each of `TAGS`."""
    drawn = random.random_sample((count, len(TAGS)))
    has: npt.NDArray[np.bool_] = drawn < np.array([tag.share for tag in TAGS])
    for given, then, share in _COMES_WITH:
        has[:, _PLACE[then]] |= has[:, _PLACE[given]] & (drawn[:, _PLACE[then]] < share)
    for tag in COMMON:
        if tag.spelling_of is not None:
            # Most who have the odd spelling lack the proper one: that is what makes it a mistake.
            has[:, _PLACE[tag.spelling_of]] &= ~has[:, _PLACE[tag.name]] | (
                drawn[:, _PLACE["Lead"]] < _BOTH_SPELLINGS
            )
    return has


def effect(has: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return what each contact's tags add to the log-odds of opting out."""
    added: npt.NDArray[np.float64] = has @ _WEIGHTS
    return added


def names(has: npt.NDArray[np.bool_]) -> list[list[str]]:
    """Return each contact's tags as a list of names."""
    rows, columns = has.nonzero()
    ends = np.searchsorted(rows, np.arange(1, len(has) + 1)).tolist()
    flat = [TAGS[column].name for column in columns.tolist()]
    return [flat[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
