"""The sandbox against schemathesis, over the OpenAPI description that this project writes of it: `make contract`.

Schemathesis is no dependency: it runs in an environment of its own. Its own `seed` keeps the requests the same from
run to run; `--seed N` tries others.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from sendblue_data.sandbox import Sandbox

DESCRIPTION = Path(__file__).parents[1] / "docs" / "openapi.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="1")
    parser.add_argument("--max-examples", default="100")
    args = parser.parse_args()
    with Sandbox(300) as sandbox:
        keys = [f"sb-api-key-id: {sandbox.api_key}", f"sb-api-secret-key: {sandbox.api_secret}"]
        headers = [part for key in keys for part in ("-H", key)]
        ran = subprocess.run(
            [
                *(Path(sys.executable).with_name("schemathesis"), "run", DESCRIPTION),
                *("--url", sandbox.url, "--seed", args.seed, "--max-examples", args.max_examples),
                *headers,
            ],
            check=False,
        )
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
