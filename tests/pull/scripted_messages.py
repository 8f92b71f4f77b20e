"""Answers said one by one: a listing of messages against what a server may say, not against one that is whole."""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from sendblue_data._api.message_decoding import MessagePage
from sendblue_data.pull.message_listing import MessageListing
from sendblue_data.pull.message_spans import Span
from tests.pull.model_messages import EPOCH, SMALL, messages_frame, refused

SPAN = Span(None, None, EPOCH, EPOCH + timedelta(days=1))
TOO_FAR = refused("offset")


def rows(numbers):
    return messages_frame([(EPOCH, number) for number in numbers])


class page(NamedTuple):
    """What a server says; a frame is made of it when it is asked."""

    numbers: Iterable[int] = ()
    total: int | None = None
    has_more: bool | None = None

    def said(self) -> MessagePage:
        return MessagePage(rows(self.numbers), (), self.total, self.has_more)


class Scripted:
    """Stands in for a client: says its answers in their order, and keeps what was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def _messages_page(self, **asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer.said() if isinstance(answer, page) else answer

    def each(self, name):
        return [asked[name] for asked in self.asked]


def listing(*answers, caps=SMALL):
    client = Scripted(*answers)
    return MessageListing(client, caps), client
