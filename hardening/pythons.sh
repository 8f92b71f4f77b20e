#!/usr/bin/env bash
# The quick tests on each Python named, from PATH or pyenv; one that is not there is said to be missing.
set -euo pipefail
cd "$(dirname "$0")/.."
for version in "$@"; do
  for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    if "$python" --version 2>/dev/null; then
      make test PYTHON="$python" VENV=".venv-$version"
      continue 2
    fi
  done
  echo "Python $version is not on this machine: NOT RUN"
done
