#!/usr/bin/env bash
# A PostgreSQL of its own for one command, which finds it in SENDBLUE_TEST_POSTGRES: in a folder that goes away, on a
# socket and no port. Installed by apt where there is none.
set -euo pipefail
programs() { find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1; }
if [ -z "$(programs)" ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
folder=$(mktemp -d)
# It does not run as root.
as() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "$*"; else sh -c "$*"; fi; }
[ "$(id -u)" = 0 ] && chown postgres "$folder"
bin=$(programs)
trap 'as "$bin/pg_ctl -D $folder/data -m immediate stop" >/dev/null; rm -rf "$folder"' EXIT
as "$bin/initdb -D $folder/data -A trust -U postgres" >/dev/null
as "$bin/pg_ctl -D $folder/data -l $folder/log -w -o '-k $folder -c listen_addresses= -c fsync=off' start" >/dev/null
SENDBLUE_TEST_POSTGRES="postgresql://postgres@/postgres?host=$folder" "$@"
