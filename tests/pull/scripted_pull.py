"""A pull of contacts whose reader, counts and state a test says."""

from types import SimpleNamespace

from sendblue_data.pull.joining import PLACED, Listed
from sendblue_data.pull.sweeps import Pull
from tests.pull.model_account import ModelAccount
from tests.pull.scripted_contacts import TINY, done, ids, page


class Reader(SimpleNamespace):
    """What a reader knows, and what it was asked for."""

    def __init__(self, **state):
        known = {
            "caps": TINY, "is_proven": True, "undated_shown": True, "windows": 1, "crowded": [], "unproven": 0,
            "pages": 0, "retaken": 0, "repeats": 0, "counts": [], "log": [], "newest_page": page("z9"),
        }  # fmt: skip
        super().__init__(**{**known, **state})

    def count(self):
        self.log.append("count")
        return done(self.counts.pop(0))

    def newest(self, start):
        self.log.append(("newest", start))
        return done(self.newest_page)

    def open_window(self, start, expected, first):
        self.log.append(("window", start, expected, first))
        return SimpleNamespace(renew_end=lambda: self.log.append("renew"))

    def walk(self, _window, expected):
        self.log.append(("walk", expected))
        yield page("a1")
        yield page("b2")

    def undated(self, newest):
        self.log.append(("undated", ids(newest)))
        return page("n-") if newest[PLACED][:1].null_count() else newest[:0]

    def one_by_one(self, start):
        self.log.append(("one by one", start))
        return page("z3")

    def begin_sweep(self):
        self.log.append("begin")


class Counts(Listed):
    """What was listed, by numbers alone."""

    def __init__(self, listed=5, *, old=None, perhaps_old=None, in_sweep=None):
        super().__init__(None)
        self.listed = listed
        self.old, self.perhaps_old, self.in_sweep = (
            listed if one is None else one for one in (old, perhaps_old, in_sweep)
        )

    def count(self):
        return self.listed

    def count_old(self):
        return self.old

    def count_perhaps_old(self):
        return self.perhaps_old

    def count_in_sweep(self):
        return self.in_sweep


def pull_of(listed=None, *, since=None, trust="count", kind=Pull, state=(), **reader):
    """Make a pull whose reader and counts are said; `state` is what else it knows."""
    pull = kind(ModelAccount([]), since, progress=False, strict=False, trust=trust)
    pull._reader = Reader(**reader)
    pull._listed = listed or Counts()
    pull._counted = pull._count_after = 5
    for name, value in dict(state).items():
        setattr(pull, f"_{name}", value)
    return pull
