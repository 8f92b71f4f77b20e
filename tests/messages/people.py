"""Messages of random people, made to hit edges, and the same questions answered row by row in plain Python."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
from hypothesis import strategies as st

from sendblue_data import MESSAGE_SCHEMA

START = datetime(2026, 3, 2, tzinfo=UTC)
PHONES = [f"+1305555010{n}" for n in range(4)]
LINES = ["+13055550190", "+13055550191"]
DELIVERED = {"DELIVERED", "RECEIVED", "SENT", "SUCCESS"}
SETTLED = DELIVERED | {"ERROR", "DECLINED", "REGISTERED", "PENDING", "QUEUED", "ACCEPTED"}


def at(hours):
    return START + timedelta(hours=hours)


def text(phone, hours, status="DELIVERED", **more):
    """A text that went out."""
    return {"phone": phone, "date_sent": at(hours), "is_outbound": True, "status": status} | more


def wrote(phone, hours, keyword=None, **more):
    """What a person wrote."""
    row = {"phone": phone, "date_sent": at(hours), "is_outbound": False, "status": "RECEIVED"}
    return row | {"keyword": keyword, "from_number": phone} | more


def frame(rows):
    made = [{"message_handle": f"m{n}", "message_type": "message"} | row for n, row in enumerate(rows)]
    return pl.DataFrame(made, schema=MESSAGE_SCHEMA)


def _row(phone, hours, outbound, status, service, keyword, kind, line, error, twist):
    row = {
        "phone": phone,
        "date_sent": at(hours),
        "is_outbound": outbound,
        "status": status if outbound is not False else "RECEIVED",
        "service": service,
        "keyword": None if outbound else keyword,
        "message_type": kind,
        "sendblue_number": line,
        "error_key": error if status == "DECLINED" else None,
        "was_downgraded": service == "SMS" if service else None,
    }
    if twist == "no time":
        row["date_sent"] = None
    elif twist == "updated":
        row |= {"date_sent": None, "date_updated": at(hours)}
    elif twist == "no phone":
        row["phone"] = None
    elif twist == "group":
        row |= {"message_type": "group", "phone": None, "participants": PHONES[:2]}
        row["from_number"] = None if outbound else PHONES[0]
    return row


# Hours that are often the same, so that ties and the edges of a window of 7 days are met.
HOURS = st.one_of(st.integers(0, 12), st.sampled_from([168, 169, 336, 720, 800]))
ROWS = st.lists(
    st.builds(
        _row,
        st.sampled_from(PHONES),
        HOURS,
        st.sampled_from([True, True, True, False, False, None]),
        st.sampled_from(["DELIVERED", "DELIVERED", "SENT", "ERROR", "DECLINED", "QUEUED", None, "NEW"]),
        st.sampled_from(["iMessage", "SMS", None]),
        st.sampled_from([None, "stop", "stop", "start"]),
        st.sampled_from(["message", "message", None]),
        st.sampled_from(LINES),
        st.sampled_from(["OPTED_OUT", "PRE_REPLY_LIMIT_REACHED"]),
        st.sampled_from([None] * 8 + ["no time", "updated", "no phone", "group"]),
    ),
    max_size=30,
)


class Truth:
    """The same messages, read one by one."""

    def __init__(self, messages):
        self.rows = messages.to_dicts()
        for row in self.rows:
            row["at"] = row["date_sent"] or row["date_updated"]

    def personal(self, row):
        return bool(row["phone"] and row["at"] and row["message_type"] != "group")

    def delivered(self):
        return [
            row
            for row in self.rows
            if row["is_outbound"] and self.personal(row) and row["status"] in DELIVERED
        ]

    def opt_outs(self):
        """(phone, stop, the start before it, the start after it), in time."""
        found = []
        people = {}
        for row in self.rows:
            person = row["phone"] or row["from_number"]
            if not row["is_outbound"] and row["keyword"] and person and row["at"]:
                people.setdefault(person, []).append((row["at"], row["keyword"]))
        for person, words in people.items():
            stop = started = None
            for moment, word in sorted(words):
                if word == "stop" and stop is None:
                    stop = moment
                elif word == "start" and stop is not None:
                    found.append((person, stop, started, moment))
                    stop, started = None, moment
            if stop is not None:
                found.append((person, stop, started, None))
        return found

    def last_before(self, days=7):
        """Of each opt-out that has one, the text that it is laid to."""
        laid = []
        for person, stop, started, _ in self.opt_outs():
            before = [
                row
                for row in self.delivered()
                if row["phone"] == person
                and stop - timedelta(days=days) <= row["at"] <= stop
                and (started is None or row["at"] > started)
            ]
            if before:
                laid.append((max(before, key=lambda row: (row["at"], row["message_handle"])), stop))
        return laid

    def late(self):
        """(row, person, stop) of each text after a stop."""
        found = []
        for row in self.rows:
            if not (row["is_outbound"] and row["at"]):
                continue
            people = [row["phone"]]
            if row["message_type"] == "group" and row["participants"] is not None:
                people = sorted(set(row["participants"]))
            for person, stop, _, until in self.opt_outs():
                if person in people and stop < row["at"] and (until is None or row["at"] <= until):
                    found.append((row, person, stop))
        return found

    def replied(self, days=7):
        """(text, reply) of each text whose next thing is a reply."""
        texts = [(row["at"], 0, n, row) for n, row in enumerate(self.delivered())]
        back = [
            (row["at"], 1, n, row)
            for n, row in enumerate(self.rows)
            if row["is_outbound"] is False and self.personal(row) and row["keyword"] is None
        ]
        found = []
        for phone in PHONES:
            said = sorted((one for one in texts + back if one[3]["phone"] == phone), key=lambda one: one[:3])
            for this, after in pairwise(said):
                if this[1] == 0 and after[1] == 1 and after[0] - this[0] <= timedelta(days=days):
                    found.append((this[3], after[3]))
        return found
