"""The explorer: find an audience, see what it is worth and stage a write, without leaving the notebook."""

from sendblue_data.explorer.code import parse_code
from sendblue_data.explorer.contact_explorer import ContactExplorer
from sendblue_data.explorer.filters import Filters, filters_of, predicate_of

__all__ = [
    "ContactExplorer",
    "Filters",
    "filters_of",
    "parse_code",
    "predicate_of",
]
