"""Options that many functions share, shown in the signature of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def spell_out_options(
    function: Callable[..., Any], options: type, defaults: Mapping[str, object] | None = None
) -> None:
    """Show the keys of a TypedDict in a function's signature, in place of its `**options: Unpack[...]`.

    For `help` and the reference; type checkers and editors read them from the annotation.

    Args:
        function: what takes the options.
        options: the TypedDict, of a module whose annotations are postponed.
        defaults: what each of them is when it is not given; None where this does not say.
    """
    signature = inspect.signature(function)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    spelled = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=(defaults or {}).get(name),
            annotation=annotation.__forward_arg__,
        )
        for name, annotation in inspect.get_annotations(options).items()
    ]
    function.__signature__ = signature.replace(parameters=[*own, *spelled])  # type: ignore[attr-defined]
