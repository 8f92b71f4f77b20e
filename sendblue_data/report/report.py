"""`write_report`: what an account's contacts say, on one page that can be sent to a client."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sendblue_data._shared.files import check_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sendblue_data.history.contact_history import ContactHistory
    from sendblue_data.pull.evidence import PullEvidence

__all__ = ["write_report"]


def write_report(
    contacts: Any,
    path: str | os.PathLike[str],
    history: ContactHistory | None = None,
    *,
    evidence: PullEvidence | None = None,
    account: str | None = None,
    as_of: datetime | None = None,
    mask: bool = True,
    theme: str = "auto",
    title: str = "Contacts report",
    note: str | None = None,
) -> Path:
    """Write what the contacts say as one self-contained HTML page.

    The page holds the headline numbers, opt-outs, tags, verification, what a history shows over time, how
    the account was read, and the definition of each number. It loads nothing and runs nothing: plots are
    pictures in the page, a policy in it forbids scripts, and all that came from contacts is escaped. It
    prints, and follows the reader's choice of light or dark.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        path: where to; its folder must exist. Only its owner may read the file.
        history: adds opt-outs over time and survival; it must be of the account that the contacts are of.
        evidence: what `pull_contacts(..., with_evidence=True)` gave: adds the pull's certificate.
        account: the account's label, where there is no evidence to name it.
        as_of: when the contacts were pulled, where there is no evidence to say.
        mask: mask phones and e-mail addresses wherever they stand, in tags and companies too, and the names of
            contacts.
        theme: `"auto"`, `"light"` or `"dark"`.
        title: heading of the page.
        note: a sentence that must be read first, such as that the data is synthetic.

    Returns:
        The path.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: no such folder, no such theme, or a history of another account.

    Example:
        >>> import tempfile
        >>> from sendblue_data.schema import CONTACT_SCHEMA
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(CONTACT_SCHEMA.to_frame(), f"{folder}/report.html").read_text()
        >>> "This account has no contacts." in page
        True
    """
    from sendblue_data.report.build import build_report  # noqa: PLC0415 -- loads the analytics
    from sendblue_data.report.page import save  # noqa: PLC0415 -- loads Great Tables, which takes a second

    check_folder(path)
    report = build_report(
        contacts,
        history,
        evidence=evidence,
        account=account,
        as_of=as_of,
        mask=mask,
        theme=theme,
        title=title,
        note=note,
    )
    return save(report, path)
