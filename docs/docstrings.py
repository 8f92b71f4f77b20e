"""What Griffe can't read by itself: our heading `Example:`, and the options that every call takes that writes."""

import inspect
import re

import griffe

from sendblue_data.writeback import calls, run, tags, undo
from sendblue_data.writeback.plan import WritePlan


class ExampleSections(griffe.Extension):
    """Reads `Example:` as `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)


class RunOptionsSpelledOut(griffe.Extension):
    """Shows `**options: Unpack[RunOptions]` as `with_run_options` makes it: each option with default and line."""

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        homes = (WritePlan, *(home for home in (calls, run, tags, undo) if home.__name__ == func.module.path))
        made = next((getattr(home, func.name) for home in homes if hasattr(home, func.name)), None)
        if not hasattr(made, "__signature__") or not func.docstring:
            return
        *own, _options = func.parameters
        spelled = list(made.__signature__.parameters.values())[len(own) :]
        kind = griffe.ParameterKind.keyword_only
        options = (
            griffe.Parameter(one.name, annotation=one.annotation, kind=kind, default=repr(one.default))
            for one in spelled
        )
        func.parameters = griffe.Parameters(*own, *options)
        func.docstring.value = inspect.getdoc(made) or ""
