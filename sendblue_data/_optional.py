"""Optional dependencies that are missing: how to install them, and a placeholder for names that need them."""

from __future__ import annotations

from importlib import metadata
from typing import NoReturn

from sendblue_data.errors import MissingExtraError


def install_command(extra: str) -> str:
    """Return what installs an extra: its packages by name, which an index has wherever ours was installed from.

    Example:
        >>> install_command("history")
        "install the extra history: pip install 'deltalake>=..."
    """
    try:
        needed = metadata.requires("sendblue-data") or []
    except metadata.PackageNotFoundError:  # run from a folder that was not installed
        needed = []
    found = [
        one.partition(";")[0].strip() for one in needed if f'extra == "{extra}"' in one.replace("'", '"')
    ]
    packages = " ".join(f"'{one}'" for one in found) or f"'sendblue-data[{extra}]'"
    return f"install the extra {extra}: pip install {packages}"


def missing_extra(what: str, error: ModuleNotFoundError, extra: str) -> MissingExtraError:
    """Return the error to raise where a module of an extra is not installed.

    Example:
        >>> print(missing_extra("A plot", ModuleNotFoundError(name="matplotlib"), "none"))
        A plot needs matplotlib, which is not installed: install the extra none: pip install 'sendblue-data[none]'.
    """
    return MissingExtraError(f"{what} needs {error.name}, which is not installed: {install_command(extra)}.")


def placeholder(name: str, error: MissingExtraError) -> type:
    """Return a class that raises `error` when it is called, so that `import *`, `hasattr` and `help` need no extra.

    Example:
        >>> thing = placeholder("Thing", MissingExtraError("A thing needs its extra."))
        >>> thing.__name__, thing.__doc__
        ('Thing', 'A thing needs its extra.')
        >>> thing(1)
        Traceback (most recent call last):
        ...
        sendblue_data.errors.MissingExtraError: A thing needs its extra.
    """
    words = str(error)

    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise MissingExtraError(words)

    return type(name, (), {"__new__": refuse, "__doc__": words, "__module__": "sendblue_data"})
