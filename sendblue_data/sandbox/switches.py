"""Switches: one choice for each thing that the API leaves open, or does otherwise than documented."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox.fields import FIELDS

Spelling = Literal["snake", "camel", "both", "older"]


@dataclass(kw_only=True)
class Switches:
    """Each thing that the API's description leaves unsaid, as a choice. The first value is the default.

    Attributes:
        on_duplicate: what a bulk create does with a phone that exists: `"skip"` it, `"update"` the contact
            with the fields given, `"reject"` the whole request with 409, or `"partial"`: the rows before the
            first such phone are created, then the answer is 409.
        invalid_row: one invalid row of a bulk create: `"reject"` fails the request with 400, `"skip"` leaves
            the row out.
        bulk_answer: a bulk create answers with `"all"` contacts of the request, or only the `"new"` ones.
        max_bulk: most rows that a bulk create or delete takes; None for any number.
        max_bulk_status: the status that refuses a larger request, 413 or 400.
        delete_amount: `amount` of a bulk delete counts the phones that were `"existing"`, or `"all"` of the
            request.
        delete_status: a delete that went well answers 200, or 204 without a body.
        empty_writes: every write that went well answers 204 without a body.
        list_spelling: names of fields in lists and gets: `"snake"` (first_name), `"camel"` (firstName, for
            all but `phone`, `tags` and `created_at`, as the vendor's guide shows), `"both"` (each twice) or
            `"older"` (`id`, `contact_primary_phone`, `contact_first_name`, `contact_last_name`).
        write_spelling: the same for the contacts in answers to writes.
        id_spelling: `contact_id` is called that (contactId in camelCase), `"id"` or `"cid"`.
        contact_ids: a `contact_id` is `"text"` or a `"number"` in the JSON; `Sandbox.rows` has its digits then.
        list_contact_id: lists carry `contact_id`.
        create_answer: answers to creates hold the `"whole"` contact, or are `"partial"`: without
            `contact_id`, `opt_out`, `verified` and `assigned_to_email`.
        timestamps: precision of `created_at` in answers, `"us"`, `"ms"`, `"s"` or `"day"` (its midnight), cut
            off, not rounded. The store keeps, sorts and filters by microseconds.
        write_created_at: answers to writes show `created_at` the `"same"` as others do, or its `"day"`.
        nulls: a tag list or variable map that is unknown is `"left_out"` of answers, or shown as `"null"`.
        null_fields: fields that are null for everyone in answers.
        missing_fields: fields that answers leave out.
        odd_values: share of the contacts of which answers show a field in another form: see
            `Sandbox.oddities`.
        default_company: `company_name` of contacts that are created without one; None to leave it null.
        tidy_tags: tags are stored `"as_sent"`, or the server does one of `"trim"`, `"lower"`, `"sort"`,
            `"dedupe"` to them, or `"all"` of these.
        tidy_text: names and companies are stored trimmed, each inner white space as one blank.
        plan: on a `"paid"` plan nobody is shown as verified; the account itself keeps who is.
        paid_verified: what `verified` is for everybody on a paid plan, `"false"` or `"null"`.
        verify_marks: a verification marks its contact verified at once, as if the person had answered.
        verify_finds: verify finds `"all"` contacts, or `"none"`: 404 for one that a get finds.
        remember_opt_outs: a deleted contact's opt-out lives on, and holds when the contact is created again.
        opt_out_unknown: an opt-out for a number that no contact has is kept (`"accept"`) or `"refuse"`d, 404.
        offset_past_cap: an offset above 10,000 is `"clamp"`ed to 10,000 or `"refuse"`d with 400 (of contacts and
            messages alike).
        count_off: added to the count's answer.
        honour_order: False ignores `order_by` and `order_direction` and lists in order of insertion.
        order_names: `order_by` takes `"any"` field, in snake_case or camelCase, or the `"documented"` ones:
            `created_at`, `firstName`, `lastName`, `phone`; others are refused with 400.
        sort_nulls: contacts without a value in the field sorted by come `"first"` or `"last"`, in either
            direction.
        ties: contacts equal in the field sorted by keep their order of insertion (`"stable"`), or come in
            another order at each request (`"shuffled"`), as a database without a tie-breaker may answer.
        default_order: a list without `order_by` has the `"newest"` first, or the order they were
            `"inserted"` in.
        read_lag: seconds by which reads lag behind writes through the API, as from a replica. What is changed
            behind the API's back (`Sandbox.add`, `edit`, `remove`, ...) shows at once.
        lag_of: `"all"` reads lag, or only `"lists"` (and counts), while a get of one contact is fresh.
        rate_limit: requests in `rate_window`, above which the answer is 429; None for no limit. Less than
            one is one request in so much longer a window.
        rate_window: seconds.
        rate_kind: the window is `"sliding"`, or `"fixed"`: each begins where the last ended, the first at the
            sandbox's start.
        refused_count: requests refused by the limit count against it too.
        retry_after: a 429 of the rate limit carries `Retry-After`.
        errors: refusals of keys are `"plain"` (401), or as `"observed"`: 401 "Invalid Credentials" for wrong
            ones, 403 without a `status` where the headers are missing.
        error_shape: the message of an error stands under `"message"`, `"error_message"` or `"error"`, or is
            `"nested"`: `{"error": {"code": ..., "message": ...}}`.
        cdn_headers: every answer has the headers of a CDN, as of a service that stands behind one.
        reject_text: a write whose body contains this text gets a CDN's page with 403, from its firewall; None
            for no such text.
        message_spelling: names of fields in lists of messages: `"snake"` (but for `accountEmail`, as the vendor's SDK
            has it), `"camel"` or `"both"`.
        message_nulls: fields of a message that have no value are shown as `"null"`, or `"left_out"`.
        message_totals: `pagination` tells how many messages match (`"exact"`), at most 10,000 (`"capped"`), only how
            many the `"page"` has, or it is `"missing"`.
        message_page: most messages of a page.
        message_page_past_cap: a larger `limit` is `"clamp"`ed to that, or `"refuse"`d with 400.
        message_reach: the largest `offset` of messages; a larger one goes the way of `offset_past_cap`.
        message_bounds: `created_at_gte` and its like are `"inclusive"` (at or after), or `"exclusive"` (after).
        message_clock: precision to which they are read: `"us"`, `"ms"` or `"s"`, cut off.
        odd_messages: share of the messages of which answers show a field in another form: see
            `Sandbox.message_oddities`.
        rewrite: called with method, path and the body of each 2xx answer that has one; returns the body to
            send. For answers that break the API's promises.
    """

    on_duplicate: Literal["skip", "update", "reject", "partial"] = "skip"
    invalid_row: Literal["reject", "skip"] = "reject"
    bulk_answer: Literal["all", "new"] = "all"
    max_bulk: int | None = None
    max_bulk_status: Literal[413, 400] = 413
    delete_amount: Literal["existing", "all"] = "existing"
    delete_status: Literal[200, 204] = 200
    empty_writes: bool = False
    list_spelling: Spelling = "snake"
    write_spelling: Spelling = "snake"
    id_spelling: Literal["contact_id", "id", "cid"] = "contact_id"
    contact_ids: Literal["text", "number"] = "text"
    list_contact_id: bool = True
    create_answer: Literal["whole", "partial"] = "whole"
    timestamps: Literal["us", "ms", "s", "day"] = "us"
    write_created_at: Literal["same", "day"] = "same"
    nulls: Literal["left_out", "null"] = "left_out"
    null_fields: tuple[str, ...] = ()
    missing_fields: tuple[str, ...] = ()
    odd_values: float = 0.0
    default_company: str | None = None
    tidy_tags: Literal["as_sent", "trim", "lower", "sort", "dedupe", "all"] = "as_sent"
    tidy_text: bool = False
    plan: Literal["free", "paid"] = "free"
    paid_verified: Literal["false", "null"] = "false"
    verify_marks: bool = False
    verify_finds: Literal["all", "none"] = "all"
    remember_opt_outs: bool = True
    opt_out_unknown: Literal["accept", "refuse"] = "accept"
    offset_past_cap: Literal["clamp", "refuse"] = "clamp"
    count_off: int = 0
    honour_order: bool = True
    order_names: Literal["any", "documented"] = "any"
    sort_nulls: Literal["first", "last"] = "first"
    ties: Literal["stable", "shuffled"] = "stable"
    default_order: Literal["newest", "inserted"] = "newest"
    read_lag: float = 0.0
    lag_of: Literal["all", "lists"] = "all"
    rate_limit: float | None = None
    rate_window: float = 1.0
    rate_kind: Literal["sliding", "fixed"] = "sliding"
    refused_count: bool = False
    retry_after: bool = True
    errors: Literal["plain", "observed"] = "plain"
    error_shape: Literal["message", "error_message", "error", "nested"] = "message"
    cdn_headers: bool = False
    reject_text: str | None = None
    message_spelling: Literal["snake", "camel", "both"] = "snake"
    message_nulls: Literal["null", "left_out"] = "null"
    message_totals: Literal["exact", "capped", "page", "missing"] = "exact"
    message_page: int = 1_000
    message_page_past_cap: Literal["clamp", "refuse"] = "clamp"
    message_reach: int = 10_000
    message_bounds: Literal["inclusive", "exclusive"] = "inclusive"
    message_clock: Literal["us", "ms", "s"] = "us"
    odd_messages: float = 0.0
    rewrite: Callable[[str, str, bytes], bytes] | None = None

    def __post_init__(self) -> None:
        check_choices(self)
        check_seconds(self, "read_lag")
        if self.max_bulk is not None and self.max_bulk < 1:
            raise ConfigurationError(f"max_bulk is {self.max_bulk}; expected None or at least 1.")
        for name in ("rate_limit", "rate_window"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                expected = "None or more than 0" if name == "rate_limit" else "more than 0"
                raise ConfigurationError(f"{name} is {value}; expected {expected}.")
        for name in ("odd_values", "odd_messages"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected a share from 0 to 1.")
        for name in ("message_page", "message_reach"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if self.reject_text == "":
            raise ConfigurationError("reject_text is ''; expected None or text that a body may contain.")
        for name in ("null_fields", "missing_fields"):
            named = getattr(self, name)
            wrong = [named] if isinstance(named, str) else sorted(set(named).difference(FIELDS))
            if wrong:
                raise ConfigurationError(
                    f"{name} has {wrong[0]!r}; expected a tuple of fields: {', '.join(FIELDS)}."
                )


@cache  # get_type_hints compiles every annotation anew
def _hints(settings: type) -> dict[str, Any]:
    return get_type_hints(settings)


def check_choices(settings: Any) -> None:
    """Refuse a value that is not among those its field's type names."""
    for name, hint in _hints(type(settings)).items():  # type: ignore[arg-type]  # mypy: classes are hashable
        value = getattr(settings, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(repr(choice) for choice in get_args(hint))
            raise ConfigurationError(f"{name} is {value!r}; expected one of {choices}.")
        if hint is bool and not isinstance(value, bool):
            raise ConfigurationError(f"{name} is {value!r}; expected True or False.")


def check_seconds(settings: Any, *names: str) -> None:
    """Refuse seconds that are negative or endless."""
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value < math.inf:
            raise ConfigurationError(f"{name} is {value}; expected seconds, 0 or more.")
