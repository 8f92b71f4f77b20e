"""`write_report`: what an account's contacts say, on one page that can be sent to a client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import column_names, converted_once, to_polars
from sendblue_data._frames.engines import collect
from sendblue_data._frames.repeats import repeats_in_words
from sendblue_data._shared.time import Moment, moment
from sendblue_data.analytics.opt_outs import check_min_contacts
from sendblue_data.analytics.unfilled import unfilled_columns, unfilled_in_words
from sendblue_data.analytics.verification import UNUSED, verification_funnel, verification_rate
from sendblue_data.errors import ConfigurationError, HistoryRangeError, WrongAccountError
from sendblue_data.plots.labels import moment_text, number, percent
from sendblue_data.pull.evidence import PullEvidence, certificate
from sendblue_data.report.findings import findings
from sendblue_data.report.images import check_theme
from sendblue_data.report.message_section import message_section, warning
from sendblue_data.report.options import chosen, logo_uri, target
from sendblue_data.report.parts import Card, Report, Section, Table
from sendblue_data.report.sections import Maker
from sendblue_data.schema import CONTACT_SCHEMA, IS_E164

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory

MIN_CONTACTS = 20
"""Groups with fewer contacts are in no report, unless asked for."""
EMPTY = "This account has no contacts."
UNKNOWN = "not known"
"""In place of a count of nobody, where the API said it of nobody."""


def write_report(
    contacts: Any,
    path: str | os.PathLike[str],
    history: ContactHistory | None = None,
    *,
    messages: Any | None = None,
    evidence: PullEvidence | None = None,
    account: str | None = None,
    as_of: Moment | None = None,
    mask: bool = True,
    min_contacts: int = MIN_CONTACTS,
    theme: str = "auto",
    title: str = "Contacts report",
    note: str | None = None,
    sections: Iterable[str] | None = None,
    logo: str | os.PathLike[str] | None = None,
) -> Path:
    """Write what the contacts say as one self-contained HTML page.

    The page holds the headline numbers, opt-outs, tags, verification, what a history shows over time, how
    the account was read, and the definition of each number. It loads nothing and runs nothing: plots are
    drawings in the page, whose texts can be searched and copied, a policy in it forbids scripts, and all that
    came from contacts is escaped. It follows the reader's choice of light or dark, and is light on paper.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        path: an .html or a .pdf file; its folder must exist. Without a suffix it is .html, and in a folder
            `report.html`. Only its owner may read the file. A .pdf is printed by this machine's Chromium.
        history: adds opt-outs over time and survival; it must be of the account that the contacts are of.
        messages: the account's messages, in a frame of any engine: adds texts after opt-outs (which come first, where
            there are any), opt-outs per text, and when people opted out.
        evidence: what `pull_contacts(..., with_evidence=True)` gave: adds the pull's certificate.
        account: the account's label, where there is no evidence to name it.
        as_of: when the contacts were pulled, where there is no evidence to say: a datetime, a date (its first
            moment), or either as ISO 8601.
        mask: mask phones and e-mail addresses wherever they stand, in tags and companies too, and the names of
            contacts.
        min_contacts: tags, combinations, cohorts and sets with fewer contacts are left out, and counted: a rate of a
            handful says little, and may show what one person did.
        theme: on a screen: `"auto"` (as the reader's is), `"light"` or `"dark"`.
        title: heading of the page.
        note: a sentence that must be read first, such as that the data is synthetic.
        sections: which parts it has: `"findings"`, `"opt-outs"`, `"tags"`, `"verification"`, `"messages"`,
            `"over-time"`, `"certificate"`; all by default.
        logo: a .png, .jpg or .svg file, put into the page beside its heading.

    Returns:
        The path.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: no such folder, theme, moment, section or logo, a `min_contacts` below 0, another suffix, or
            a .pdf where no browser is.
        FileNotWrittenError: the disk does not take it, or the browser did not print.
        WrongAccountError: the history is of another account.
        MissingExtraError: the extra `notebook`, which draws and lays out the page, is not installed.

    Example:
        >>> import tempfile
        >>> from sendblue_data import CONTACT_SCHEMA
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(CONTACT_SCHEMA.to_frame(), f"{folder}/report.html").read_text()
        >>> "This account has no contacts." in page
        True
    """
    from sendblue_data.report.page import save  # noqa: PLC0415 -- loads Great Tables, which takes a second

    path = target(path)
    report = build_report(
        contacts,
        history,
        messages=messages,
        evidence=evidence,
        account=account,
        as_of=as_of,
        mask=mask,
        min_contacts=min_contacts,
        theme=theme,
        title=title,
        note=note,
        sections=sections,
        logo=logo,
    )
    return save(report, path)


def build_report(
    contacts: Any,
    history: ContactHistory | None = None,
    *,
    messages: Any | None = None,
    evidence: PullEvidence | None = None,
    account: str | None = None,
    as_of: Moment | None = None,
    mask: bool = True,
    min_contacts: int = MIN_CONTACTS,
    theme: str = "auto",
    title: str = "Contacts report",
    note: str | None = None,
    sections: Iterable[str] | None = None,
    logo: str | os.PathLike[str] | None = None,
    png: bool = False,
) -> Report:
    """Make a report's numbers, pictures (with `png` as PNG too) and tables.

    `write_report` says what each other argument is.
    """
    check_theme(theme)
    wanted, mark = chosen(sections), logo_uri(logo)
    contacts = converted_once(contacts)
    check_min_contacts(min_contacts)
    pulled = moment("as_of", as_of) if as_of else evidence.finished if evidence else None
    account = account or (evidence.account if evidence else None)
    if history is not None:
        _check_same_account(history, contacts, account)
    make = Maker(contacts, pulled, mask, min_contacts, png)
    opt_outs = make.total
    size = opt_outs["contacts"]
    makers: dict[str, Callable[[], Section]] = {
        "findings": lambda: Section("findings", "What was found", sentences=findings(make)),
        "opt-outs": make.opt_outs,
        "tags": make.tags,
        "verification": make.verification,
        "over-time": lambda: make.over_time(history),
    }
    if messages is not None:
        makers["messages"] = lambda: message_section(make, messages)
    if evidence:
        makers["certificate"] = lambda: _certificate(evidence)
    told = ("messages", "over-time", "certificate") if not size else wanted
    made = [makers[name]() for name in wanted if name in makers and name in told]
    untold = unfilled_columns(contacts)
    facts = [
        ("Account", account or "not named"),
        ("Contacts", number(size)),
        ("As of", moment_text(pulled)) if pulled else ("Written", moment_text(datetime.now(UTC))),
    ]
    return Report(
        title=title,
        facts=facts,
        warnings=[
            *(warning(messages) if messages is not None else []),
            *_warnings(size, evidence, pulled, note),
            *_repeats(contacts),
            *unfilled_in_words(untold, size),
        ],
        cards=_cards(contacts, opt_outs) if size else [],
        sections=made,
        over_time=history is not None,
        with_messages=messages is not None,
        theme=theme,
        logo=mark,
    )


def _cards(contacts: Any, opt_outs: dict[str, Any]) -> list[Card]:
    verified = verification_rate(contacts).row(0, named=True)
    reachable = verification_funnel(contacts).row(-1, named=True)
    size, known = opt_outs["contacts"], opt_outs["contacts"] - opt_outs["unknown"]
    known_verified = verified["contacts"] - verified["unknown"]
    interval = (
        f"95% interval {percent(opt_outs['low'])} to {percent(opt_outs['high'])}"
        if known
        else "nobody's state is known"
    )
    return [
        Card("Contacts", number(size), "in the account, each once"),
        Card(
            "Opted out",
            number(opt_outs["opt_outs"]) if known else UNKNOWN,
            f"of {number(known)} whose state is known",
        ),
        Card("Opt-out rate", percent(opt_outs["rate"]), f"{interval}; a prevalence, not per message"),
        Card(
            "Verified",
            number(verified["verified"]) if known_verified else UNKNOWN,
            f"{percent(verified['rate'])} of {number(known_verified)} whose state is known"
            if verified["verified"]
            else UNUSED,
        ),
        Card(
            "Reachable",
            UNKNOWN if reachable["share"] is None else number(reachable["contacts"]),
            f"{percent(reachable['share'])} of all: {reachable['definition']}",
        ),
        Card(
            "Not known",
            number(opt_outs["unknown"]),
            f"opt-outs that the API did not say, and {number(verified['unknown'])} verifications; in no rate",
        ),
    ]


def _warnings(
    size: int, evidence: PullEvidence | None, pulled: datetime | None, note: str | None
) -> list[str]:
    words = [note] if note else []
    if not size:
        words.append(EMPTY)
    if evidence and evidence.doubt:
        words.append(f"The pull is in doubt: {evidence.doubt}")
    elif evidence and not evidence.complete:
        words.append(
            f"The pull is not complete: {number(evidence.contacts)} contacts arrived, and the account counts "
            f"{number(evidence.count_after)}. The numbers below are of those that arrived."
        )
    if evidence and evidence.since:
        words.append(
            f"Only contacts created since {moment_text(evidence.since)} were read: "
            "the numbers below are not those of the whole account."
        )
    if evidence and evidence.contacts != size:
        words.append(f"The report covers {number(size)} of the {number(evidence.contacts)} contacts pulled.")
    if not pulled:
        words.append(
            "When the contacts were pulled was not given; ages are counted to when this was written."
        )
    return words


def _repeats(contacts: Any) -> list[str]:
    names = [name for name in ("contact_id", "phone") if name in column_names(contacts)]
    words = repeats_in_words(to_polars(contacts, names))
    return [words] if words else []


def _check_same_account(history: ContactHistory, contacts: Any, account: str | None) -> None:
    """Refuse a history of another account: its trend would stand beside numbers of these contacts.

    Labels decide where they agree. Where they don't, or one has none, the contacts that both have do: an account
    may have a new key, and a caller may name it as he likes.
    """
    from sendblue_data.history.refusals import SAME_ACCOUNT_SHARE  # noqa: PLC0415 -- an extra

    if not hasattr(history, "snapshots"):
        raise ConfigurationError(
            f"history is {type(history).__name__}: expected a ContactHistory, such as ContactHistory('history')."
        )
    try:
        snapshots = history.snapshots()
    except HistoryRangeError:
        return
    labels = snapshots["account"].drop_nulls()
    if len(labels) and account == labels[-1]:
        return
    shared, smaller = _shared(history, contacts, snapshots["seen_until"][-1])
    if shared < SAME_ACCOUNT_SHARE * smaller:
        of = f" (recorded of {labels[-1]})" if len(labels) else ""
        raise WrongAccountError(
            f"Only {shared:,} of {smaller:,} contacts are in the last snapshot of {history.uri}{of}: this looks like "
            "the history of another account. Give the report the history of its own account."
        )


def _shared(history: ContactHistory, contacts: Any, seen_until: datetime) -> tuple[int, int]:
    """Count the contacts that are in the history's last snapshot, and those that could be.

    By id, or by phone where the frame has no ids; contacts created after the last look can't be there yet. A frame
    that has neither, or masked phones, has none that could be.
    """
    frame = nw.from_native(contacts).lazy()
    names = [name for name in ("contact_id", "phone", "created_at") if name in frame.collect_schema().names()]
    now = collect(frame.select(names)) if names else pl.DataFrame()
    if now.schema.get("created_at") == CONTACT_SCHEMA["created_at"]:
        now = now.filter(~(pl.col("created_at") > seen_until).fill_null(value=False))
    for key in ("contact_id", "phone"):
        if key in now.columns:
            keys = now[key].cast(pl.String).drop_nulls()
            keys = keys.filter(keys.str.contains(IS_E164)) if key == "phone" else keys
            if len(keys):
                then = history.scan().select(key).collect()[key]
                return int(keys.is_in(then.implode()).sum()), min(len(keys), len(then))
    return 0, 0


def _certificate(evidence: PullEvidence) -> Section:
    names, values = zip(*certificate(evidence), strict=True)
    rows = pl.DataFrame({"What": names, "How it was": values})
    return Section(
        "certificate",
        "How the account was read",
        ["The API lists contacts by pages, and the account may change meanwhile: this is what was checked."],
        [Table("pull", "The pull's certificate", rows, ("How it was",))],
    )
