#!/usr/bin/env bash
# Makes the stored lake of a released version, which the upgrade test reads with
# the program of every later commit: three days of the demo, the first of them
# compacted, as that version's program wrote them.
#
#   scripts/stored-lake.sh v1.2.0            builds the program of that tag
#   scripts/stored-lake.sh NAME PROGRAM      takes a program that is there
#
# Then: go test ./cmd/athenatrail -run TestStoredLakes -args -update, once, and
# the figures that it writes stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?which version?}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT
program=${2:-}
if [ -z "$program" ]; then
  git worktree add --detach "$work/tree" "$name" >/dev/null
  program=$work/athenatrail
  (cd "$work/tree" && go build -o "$program" ./cmd/athenatrail)
fi
program=$(realpath "$program")
lake=$work/lake
cd "$work"
export XDG_CACHE_HOME=$work/cache
"$program" demo --no-serve --quiet --events 40 --lake "$lake" >/dev/null
# Of the month three days are left, of everything that has a day.
find "$lake" -depth -type d -name 'dt=*' ! -name 'dt=2026-10-1[345]' -exec rm -r {} +
find "$lake/_ledger/v1" -name '20??-??-??*' ! -name '2026-10-1[345]*' -exec rm -r {} +
find "$lake" -type d -empty -delete
rm -f "$lake/tables.csv" "$lake/grants.json"
sed -i '/^catalog:/,/^[a-z]/{/^catalog:/d;/^ /d}' "$lake/athenatrail.yaml"
"$program" lake rebuild --all --quiet --config "$lake/athenatrail.yaml" --lake "$lake"
"$program" lake compact --before 2026-10-14 --quiet --config "$lake/athenatrail.yaml" --lake "$lake"
"$program" lake verify --quiet --config "$lake/athenatrail.yaml" --lake "$lake" >&2
rm -rf "$lake/_locks"
cd - >/dev/null
mkdir -p cmd/athenatrail/testdata/lakes
tar --sort=name --mtime=2026-11-01 --owner=0 --group=0 --numeric-owner -C "$lake" -cf - . | gzip -n9 >"cmd/athenatrail/testdata/lakes/$name.tar.gz"
ls -l "cmd/athenatrail/testdata/lakes/$name.tar.gz"
