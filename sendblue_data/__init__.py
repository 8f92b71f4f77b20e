"""Every Sendblue contact in a Polars frame, and what an audience team asks of it.

The public names stand in `__init__.pyi`, where type checkers read them. They load when they are first used, so that
importing the package costs little more than importing Polars.
"""

import sys

import lazy_loader

_load, __dir__, _public = lazy_loader.attach_stub(__name__, __file__)
# What `import *` brings: not a module that would take the place of a user's variable, which the docs call `sandbox`.
__all__ = [name for name in _public if name != "sandbox"]


if "IPython" in sys.modules:
    # A notebook: frames show themselves as tables for people. `readable_in_notebooks(False)` ends that.
    from sendblue_data.display.notebook import readable_in_notebooks as _readable

    _readable()


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 -- so that the import stays cheap

        return version("sendblue-data")
    if name not in _public:
        from difflib import get_close_matches  # noqa: PLC0415

        close = get_close_matches(name, _public, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{hint}", name=name)
    from sendblue_data.errors import MissingExtraError  # noqa: PLC0415

    try:
        return _load(name)
    except MissingExtraError as error:
        from sendblue_data._optional import placeholder  # noqa: PLC0415

        return placeholder(name, error)  # not kept: the extra may be installed while the notebook runs
