"""Where the explorer's modules take their widgets from, so that it is told in one place when these are missing."""

from sendblue_data._optional import missing_extra

try:
    import anywidget
    import ipywidgets as widgets
except ModuleNotFoundError as error:
    raise missing_extra("The explorer", error, "notebook") from error

__all__ = ["anywidget", "widgets"]
