"""The pinned dependencies against the known vulnerabilities, with pip-audit: `make supply`.

Pip-audit passes what its service does not know, so this says how many were looked up at all. It fails on a known
vulnerability; where the registry at hand serves no advisories, it says that nothing was shown.
"""

import json
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parents[1] / "constraints.txt"


def main():
    command = [Path(sys.executable).with_name("pip-audit"), "-r", PINS, "--no-deps", "--disable-pip"]
    ran = subprocess.run(
        [*command, "--progress-spinner=off", "-f", "json"], check=False, capture_output=True, text=True
    )
    if not ran.stdout:
        print(ran.stderr)
        return "pip-audit could not run"
    found = json.loads(ran.stdout)["dependencies"]
    looked_up = [one for one in found if "vulns" in one]
    known = [(one["name"], one["version"], bad["id"]) for one in looked_up for bad in one["vulns"]]
    print(f"pip-audit: {len(looked_up)} of {len(found)} looked up, {len(known)} known vulnerabilities")
    for name, version, vulnerability in known:
        print(f"  {name} {version}: {vulnerability}")
    if not looked_up:
        print("  The registry at hand serves no advisories: nothing is shown either way.")
    return bool(known)


if __name__ == "__main__":
    sys.exit(main())
