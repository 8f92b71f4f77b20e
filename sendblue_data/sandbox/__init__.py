"""A local account that serves Sendblue's Contacts API, with a switch for everything that the API leaves open.

It imports nothing of the client side, so that it can contradict the client. The server behind `Sandbox` is
loaded when it is first asked for: the command line can describe its options without the `sandbox` extra.
"""

from typing import TYPE_CHECKING

from sendblue_data._optional import missing_extra
from sendblue_data.sandbox.faults import Faults
from sendblue_data.sandbox.switches import Switches

if TYPE_CHECKING:
    from sendblue_data.sandbox.sandbox import Sandbox

__all__ = ["Faults", "Sandbox", "Switches"]


def __getattr__(name: str) -> object:
    if name != "Sandbox":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from sendblue_data.sandbox.sandbox import Sandbox  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_extra("The sandbox", error, "sandbox") from error
    return Sandbox
