"""The contacts, made ready to be filtered again and again: members, orders and counts that are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from functools import cached_property, reduce
from operator import and_, or_
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import as_contacts, is_frame, to_polars
from sendblue_data._frames.engines import require_columns
from sendblue_data._frames.grouping import Key, Measure, grouped
from sendblue_data._frames.parquet_files import opened
from sendblue_data.analytics.rates import wilson_interval
from sendblue_data.errors import FrameError, SegmentError
from sendblue_data.explorer.headline import Headline
from sendblue_data.messages.engagement import COLUMNS as ENGAGEMENT
from sendblue_data.schema import CONTACT_SCHEMA
from sendblue_data.segments.field_rules import Mentions, Plain, searched_text
from sendblue_data.segments.predicates import Segment
from sendblue_data.segments.regions import phone_region_code
from sendblue_data.segments.rules import Flag, Joined, Negated, PhoneFrom, Reachable, Rule

KEPT = 64
"""Rules whose members are kept, the last used: a change of one filter asks the frame about that one only. At a
million contacts the members of one take 125 kB."""

Counted = list[tuple[Any, int]]
"""Values with how many contacts have each, most first."""


class Account:
    """A contacts frame, and what was found out about it so far. The frame itself never changes.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; further columns are kept and not shown.

    Raises:
        FrameError: it is no frame, lacks columns of a contacts frame, or one of them has another type.
    """

    def __init__(self, contacts: Any) -> None:
        contacts = opened(contacts)
        if not is_frame(contacts):
            raise FrameError(
                f"the explorer takes a frame of contacts, not {type(contacts).__name__}: pass what pull_contacts "
                "gives."
            )
        frame = as_contacts(to_polars(contacts).lazy()).collect()
        require_columns(frame.columns, CONTACT_SCHEMA)
        for name, kind in CONTACT_SCHEMA.items():
            if frame.schema[name] != kind:
                raise FrameError(
                    f"the column {name!r} is {frame.schema[name]}, expected {kind}: cast it first."
                )
        self.frame = frame.rechunk()
        self._kept: OrderedDict[Rule, pl.Series] = OrderedDict()
        self._orders: dict[str, pl.Series] = {}

    @property
    def height(self) -> int:
        """How many contacts there are."""
        return self.frame.height

    def members(self, predicate: Segment | None) -> pl.Series:
        """Return who is in a segment: a Boolean for every contact, without nulls.

        Raises:
            SegmentError: a plain expression in it can't be run, or is not true or false for each contact.
        """
        if predicate is None:
            return pl.repeat(value=True, n=self.height, dtype=pl.Boolean, eager=True).alias("in")
        return self._of(predicate.rule)

    def _of(self, rule: Rule) -> pl.Series:
        if isinstance(rule, Joined):
            return reduce(and_ if rule.every else or_, map(self._of, rule.parts))
        if isinstance(rule, Negated):
            return ~self._of(rule.part)
        if rule in self._kept and not rule.moves:
            self._kept.move_to_end(rule)
            return self._kept[rule]
        found = self._kept[rule] = self._ask(rule).alias("in")
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _ask(self, rule: Rule) -> pl.Series:
        """Ask the frame; what takes long to look at is looked up in a column made for it once."""
        if rule.moves:  # it depends on when it is asked
            return self.frame.select(rule.expr()).to_series()
        if isinstance(rule, PhoneFrom) and not rule.area_codes:
            return self._regions.is_in(list(rule.regions)).fill_null(value=False)
        if isinstance(rule, Mentions):
            return self._searched.str.contains(rule.pattern)
        if not isinstance(rule, Plain):
            try:
                return self.frame.select(rule.expr()).to_series()
            except pl.exceptions.ColumnNotFoundError as missing:
                raise SegmentError(
                    f"{rule.code()} needs what messages tell: pass messages= to the explorer, or contacts that "
                    "engagement(contacts, messages) gave."
                ) from missing
        try:
            found = self.frame.select(rule.given).to_series()
        except pl.exceptions.PolarsError as refusal:
            raise SegmentError(
                f"the expression {rule.given} can't be run on contacts: {refusal}"
            ) from refusal
        if found.dtype != pl.Boolean or found.len() != self.height:
            raise SegmentError(
                f"the expression {rule.given} gives {found.len():,} values of {found.dtype}: expected true "
                f"or false for each of {self.height:,} contacts."
            )
        return found.fill_null(value=False)

    @property
    def regions_of_all(self) -> pl.Series:
        """The country of each contact's phone, null where it is from none."""
        return self._regions

    @cached_property
    def _regions(self) -> pl.Series:
        return self.frame.select(phone_region_code()).to_series()

    @cached_property
    def _searched(self) -> pl.Series:
        return self.frame.select(searched_text()).to_series()

    @property
    def has_engagement(self) -> bool:
        """Whether it is known when each contact was texted and wrote."""
        return set(ENGAGEMENT) <= set(self.frame.columns)

    # Numbers

    def headline(self, members: pl.Series) -> Headline:
        """Count what the headline says of a selection."""
        out = self._of(Flag("opted_out"))
        contacts, known = _sum(members), _sum(members & self._is_known)
        opt_outs, reachable = _sum(members & out), _sum(members & self._of(Reachable()))
        staying = members & self._is_known & ~out
        told = _sum(staying & self.frame["phone"].is_not_null()) if staying.any() else known
        interval = wilson_interval(opt_outs, known)
        return Headline(
            contacts=contacts,
            share=_ratio(contacts, self.height),
            reachable=reachable,
            reachable_share=_ratio(reachable, contacts) if told else None,
            opt_outs=opt_outs,
            unknown=contacts - known,
            opt_out_rate=_ratio(opt_outs, known),
            opt_out_rate_low=interval.low,
            opt_out_rate_high=interval.high,
        )

    @cached_property
    def _is_known(self) -> pl.Series:
        return self.frame["opt_out"].is_not_null()

    # Orders

    def ordered(self, members: pl.Series, by: str | None, *, descending: bool) -> pl.Series:
        """Return the row numbers of some contacts, sorted; those without a value come last, either way."""
        if by is None:
            rows = members.arg_true()
            return rows.reverse() if descending else rows
        key = f"{by} {descending}"
        if key not in self._orders:
            order = pl.col(by).arg_sort(descending=descending, nulls_last=True)
            self._orders[key] = self.frame.select(order).to_series()
        order_of_all = self._orders[key]
        return order_of_all.filter(members.gather(order_of_all))

    # What there is to choose from

    @cached_property
    def tags(self) -> Counted:
        """Every tag that a contact has."""
        each = grouped(self.frame, [Key("tag", "tags")], {}, {"contacts": Measure(nw.len())})
        return [(tag, count) for tag, count in _by_size(each, "tag") if tag.strip()]

    def values(self, column: str) -> Counted:
        """Every value of a column, None among them."""
        return _counted(self.frame.lazy().select(column))

    @cached_property
    def regions(self) -> Counted:
        """Every country that a phone is from."""
        counts = _counted(self._regions.to_frame("region").lazy())
        return [(region, count) for region, count in counts if region not in (None, "001")]

    @cached_property
    def variables(self) -> Counted:
        """The names of custom variables."""
        names = self.frame.lazy().select(name=pl.col("custom_variables").map.keys()).explode("name")
        return [(name, count) for name, count in _counted(names.drop_nulls()) if name.strip()]

    def patched(self, phones: Collection[str], now: Mapping[str, Mapping[str, Any]]) -> Account:
        """The account after a write: of these phones only what the API says now, all others as they were."""
        touched = pl.col("phone").is_in(pl.Series(list(phones), dtype=pl.String).implode(), nulls_equal=False)
        kept = self.frame.filter(~touched.fill_null(value=False))
        fresh = pl.DataFrame(list(now.values()), schema=CONTACT_SCHEMA)
        if self.has_engagement:  # which no write changes
            counted = self.frame.select("phone", *ENGAGEMENT).unique("phone", keep="any")
            fresh = fresh.join(counted, on="phone", how="left", maintain_order="left")
        return Account(pl.concat([kept, fresh], how="diagonal"))


def _sum(mask: pl.Series) -> int:
    return int(mask.sum() or 0)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _counted(column: pl.LazyFrame) -> Counted:
    name = column.collect_schema().names()[0]
    return _by_size(column.group_by(name).agg(contacts=pl.len()).collect(), name)


def _by_size(counts: pl.DataFrame, value: str) -> Counted:
    ranked = counts.sort("contacts", value, descending=[True, False], nulls_last=True)
    return list(ranked.select(value, "contacts").iter_rows())
