"""Segments over what `engagement` gives."""

import pytest

from sendblue_data import (
    contacts_frame,
    engagement,
    has_tag,
    never_replied,
    parse_segment,
    replied_within,
    texted_within,
)
from sendblue_data.errors import SegmentError
from tests.messages.people import PHONES, at, frame, text, wrote

ANN, BOB, CAT, _ = PHONES
NOW = at(24 * 30)
PEOPLE = engagement(
    contacts_frame([{"phone": phone, "tags": ["VIP"]} for phone in (ANN, BOB, CAT)] + [{}]),
    frame([text(ANN, 0), text(ANN, 24 * 25), wrote(ANN, 24 * 2), text(BOB, 24), wrote(BOB, 25, "stop")]),
    as_of=NOW,
)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (texted_within("7d", as_of=NOW), [ANN]),
        (texted_within("1mo", as_of=NOW) & has_tag("VIP"), [ANN, BOB]),
        (replied_within("7d", as_of=NOW), []),
        (replied_within("4w", as_of=NOW), [ANN]),
        (never_replied(), [BOB]),
        (~texted_within("7d", as_of=NOW), [None, BOB, CAT]),
    ],
)
def test_who_is_in_it_and_it_reads_itself_back(segment, expected):
    assert PEOPLE.filter(segment).sort("phone")["phone"].to_list() == expected
    assert repr(parse_segment(repr(segment))) == repr(segment)


def test_no_span_is_refused():
    with pytest.raises(SegmentError, match="replied_within: 'a while' is no span of time"):
        replied_within("a while")
