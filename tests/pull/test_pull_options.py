"""What the pulls of contacts and of messages are asked for, and what they do with what they lack."""

import inspect

import pytest

from sendblue_data import iter_contacts, iter_messages, pull_contacts, pull_messages
from sendblue_data.errors import IncompletePullError
from sendblue_data.pull import messages, pull
from sendblue_data.schema import CONTACT_SCHEMA, MESSAGE_SCHEMA

KINDS = {
    "contacts": (pull, "Pull", pull_contacts, iter_contacts, CONTACT_SCHEMA),
    "messages": (messages, "MessagePull", pull_messages, iter_messages, MESSAGE_SCHEMA),
}


class Scripted:
    """A pull that lacks something, and keeps what it was made with."""

    made = ()

    def __init__(self, *given, **how):
        type(self).made = (given, how)
        self.frame = CONTACT_SCHEMA.to_frame() if "trust" in how else MESSAGE_SCHEMA.to_frame()

    def windows(self):
        row = self.frame.clear(1)
        yield from [row, row]

    def in_order(self, frame):
        return frame

    def check(self, frame):
        raise IncompletePullError("one is missing", frame=frame, expected=3, missing=1)

    def evidence(self):
        return "the evidence"


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch):
    module, name, *functions = KINDS[request.param]
    monkeypatch.setattr(module, name, Scripted)
    return functions


def ended(frames):
    """Return the frames of a generator, and what it returned."""
    found = []
    while True:
        try:
            found.append(next(frames))
        except StopIteration as end:
            return found, end.value


def test_what_is_missing_is_an_error_unless_it_is_allowed(kind):
    whole, one_by_one, schema = kind
    with pytest.raises(IncompletePullError) as caught:
        whole("the client")
    assert (caught.value.frame.height, caught.value.frame.schema) == (2, schema)
    frames = one_by_one("the client")
    assert [next(frames).height, next(frames).height] == [1, 1]
    with pytest.raises(IncompletePullError) as caught:
        next(frames)
    assert (caught.value.frame.height, caught.value.frame.schema) == (0, schema)
    assert whole("the client", allow_incomplete=True).height == 2
    assert ended(one_by_one("the client", allow_incomplete=True))[1] == "the evidence"


def test_evidence_comes_where_it_is_asked_for(kind):
    whole, *_ = kind
    frame, evidence = whole("the client", allow_incomplete=True, with_evidence=True)
    assert (frame.height, evidence) == (2, "the evidence")


def test_a_pull_shows_a_bar_and_takes_what_can_be_read_unless_told_otherwise(kind):
    for function in kind[:2]:
        list(function("the client", allow_incomplete=True)) if function is kind[1] else function(
            "the client", allow_incomplete=True
        )
        given, how = Scripted.made
        assert given[0] == "the client"
        assert set(given[1:]) == {None}
        usual = {"progress": True, "strict": False}
        usual |= {"trust": "count"} if "trust" in how else {"content": False, "languages": ()}
        assert how == usual


def test_a_pull_is_asked_for_what_it_is_told(kind):
    whole, one_by_one, _ = kind
    names = inspect.signature(one_by_one).parameters
    others = {"progress": False, "strict": True}
    others |= {"trust": "seams"} if "trust" in names else {"content": True, "languages": ["fr"]}
    bounds = [name for name in ("since", "until") if name in names]
    for call in (whole, lambda *given, **how: list(one_by_one(*given, **how))):
        call("the client", **dict(zip(bounds, bounds, strict=True)), **others, allow_incomplete=True)
        assert Scripted.made == (("the client", *bounds), others)
