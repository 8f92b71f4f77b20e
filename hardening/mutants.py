"""Edit the package one small step at a time, and see whether the tests that own it notice.

`python -m hardening.mutants` tries every edit of every module that `hardening/mutants.toml` names, with paths only
theirs, with `--sample 60` a drawing that stays the same. Edits that nobody could notice stand in the same file, each
with its reason, and are not tried.
"""

import argparse
import hashlib
import sys
import tomllib
from collections import Counter
from itertools import groupby

from hardening.edits import edits
from hardening.forked import ROOT, Mutant, import_foundations, noticed, taken

PLAN = ROOT / "hardening" / "mutants.toml"
FROM_EACH = 5
"""Edits of a module that a sample has on average: it is of a fifth as many modules as edits."""


def read_plan() -> tuple[dict[str, list[str]], set[tuple[str, str, str]]]:
    """Return the tests that own each module, and path, line and change of what nobody could notice."""
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    return plan["tests"], {(one["path"], one["line"], one["change"]) for one in plan["same"]}


def mutants(place: str) -> list[Mutant]:
    """Return every edit of a module, or of one of its lines."""
    path, _, line = place.partition(":")
    source = (ROOT / path).read_text(encoding="utf-8")
    return [Mutant(path, edit, source) for edit in edits(source) if line in {"", str(edit.line)}]


def drawn(tried: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """Return so many, in the order of the source; a change elsewhere changes no lot.

    They are of a few modules, for each of which its tests are run once without any edit.
    """

    def lot(text: str) -> bytes:
        return hashlib.sha256(f"{seed} {text}".encode()).digest()

    paths = sorted({one.path for one in tried}, key=lot)[: -(-size // FROM_EACH)]
    chosen = [one for one in tried if one.path in paths]
    chosen.sort(key=lambda one: lot(f"{one.path} {one.edit.text} {one.edit.change}"))
    return sorted(chosen[:size])


def main() -> int:
    """Try them, and print those that lived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="modules, or MODULE:LINE; all modules that the plan names")
    parser.add_argument("--sample", type=int, help="so many edits only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, default=0.0, help="fail where a smaller share is noticed")
    options = parser.parse_args()
    owners, same = read_plan()
    every = [one for path in options.paths or sorted(owners) for one in mutants(path)]
    tried = [one for one in every if (one.path, one.edit.text, one.edit.change) not in same]
    print(f"{len(every)} edits; {len(every) - len(tried)} change nothing, as explained", flush=True)
    if options.sample:
        tried = drawn(tried, options.sample, options.seed)
    import_foundations()
    counted = Counter[bool]()
    for path, its_own in groupby(tried, key=lambda one: one.path):
        before, began = Counter(counted), taken()
        for mutant, is_noticed in noticed(owners[path], list(its_own)):
            counted[is_noticed] += 1
            if not is_noticed:
                print(f"lived: {mutant}", flush=True)
        here = counted - before
        print(
            f"{path}: {here[True]} of {here.total()} noticed, {taken() - began:.0f} s of processor",
            flush=True,
        )
    share = counted[True] / max(counted.total(), 1)
    print(f"{counted[True]} of {counted.total()} noticed: {share:.1%}")
    return int(share < options.least)


if __name__ == "__main__":
    sys.exit(main())
