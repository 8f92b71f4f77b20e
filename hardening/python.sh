#!/usr/bin/env bash
# Prints the first of the Pythons named that this machine has, on PATH or by pyenv: hardening/python.sh 3.13 3.12
set -euo pipefail
for version in "$@"; do
  for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    if "$python" --version >/dev/null 2>&1; then
      command -v "$python"
      exit
    fi
  done
done
echo "None of Python $* is on this machine" >&2
exit 1
