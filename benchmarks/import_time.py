"""Import time of the package against that of polars, matplotlib and ipywidgets: `python -m benchmarks.import_time`."""

import subprocess
import sys
from statistics import median

ROUNDS = 7
OURS = "import sendblue_data"
THEIRS = "import polars, matplotlib.pyplot, ipywidgets"
TARGET = 0.35


def seconds(statement):
    """Time a statement in a process of its own, from within, so that the interpreter's start is not counted."""
    timed = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    ran = subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True)
    return float(ran.stdout)


def main():
    rounds = [
        (seconds(OURS), seconds(THEIRS)) for _ in range(ROUNDS)
    ]  # in turn, so that both see the same machine
    ours, theirs = median(one for one, _ in rounds), median(other for _, other in rounds)
    ratio = median(one / other for one, other in rounds)
    print(f"sendblue_data {ours:.3f} s, polars + matplotlib + ipywidgets {theirs:.3f} s: ratio {ratio:.2f}")
    return ratio > TARGET


if __name__ == "__main__":
    sys.exit(main())
