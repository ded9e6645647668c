#!/bin/sh
# Restores the newest backup of a folder store the way any other tool would: with lz4, tar and jq only.
# Usage: read-with-plain-tools.sh STORE_DIR PGDATA
# Checks that every tar member is listed in files_metadata.json, and the other way round. Prints the backup's
# name, then its sentinel's big integers as they are written.
set -eu

store=$1
pgdata=$2
backups=$store/basebackups_005
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# The newest by the sentinels' own FinishTime.
name=$(
  for sentinel in "$backups"/*_backup_stop_sentinel.json; do
    printf '%s %s\n' "$(jq -r .FinishTime "$sentinel")" "$(basename "$sentinel" _backup_stop_sentinel.json)"
  done | sort | tail -n 1 | cut -d' ' -f2
)
[ -n "$name" ] || fail "no backup in $backups"
sentinel=${backups}/${name}_backup_stop_sentinel.json
files=$backups/$name/files_metadata.json
parts=$backups/$name/tar_partitions
printf '%s\n' "$name"
# As text: jq would round integers of more than 53 bits.
for key in SystemIdentifier LSN FinishLSN; do
  value=$(sed -n "s/.*\"$key\": *\\([0-9]*\\)[,}].*/\\1/p" "$sentinel")
  [ -n "$value" ] || fail "$sentinel has no integer $key"
  printf '%s=%s\n' "$key" "$value"
done
jq -e '.Version == 2 and (.PgVersion | type) == "number" and .DateFmt == "%Y-%m-%dT%H:%M:%S.%fZ"' \
  "$sentinel" >/dev/null || fail "$sentinel is not of version 2"
jq -e '.is_permanent == false and (.start_lsn | type) == "number"' "$backups/$name/metadata.json" >/dev/null ||
  fail 'metadata.json is not as it should be'

mkdir -p "$pgdata"
chmod 700 "$pgdata"
: >"$work/all"
for part in "$parts"/part_*.tar.lz4; do
  lz4 -dc "$part" >"$work/part.tar"
  tar --no-recursion -tPf "$work/part.tar" | sed 's|\(.\)/$|\1|' | sort >"$work/members"
  jq -r --arg part "$(basename "$part")" '.TarFileSets[$part][]' "$files" | sort >"$work/listed"
  cmp -s "$work/members" "$work/listed" ||
    fail "$part: TarFileSets differ: $(diff "$work/members" "$work/listed" | head -n 5)"
  cat "$work/members" >>"$work/all"
  tar -xf "$work/part.tar" -C "$pgdata" 2>"$work/tar.log" || fail "$part: $(cat "$work/tar.log")"
done
sort "$work/all" >"$work/members"
jq -r '.Files | keys[]' "$files" | sort >"$work/listed"
cmp -s "$work/members" "$work/listed" ||
  fail "Files and the tar members differ: $(diff "$work/members" "$work/listed" | head -n 5)"

lz4 -dc "$parts/backup_label.tar.lz4" | tar -xf - -C "$pgdata"
lz4 -dc "$parts/pg_control.tar.lz4" | tar -xf - -C "$pgdata" 2>/dev/null
[ -s "$pgdata/global/pg_control" ] || fail 'pg_control is missing'

: >"$pgdata/recovery.signal"
printf "restore_command = 'test -f \"%s/wal_005/%%f.lz4\" && lz4 -dc \"%s/wal_005/%%f.lz4\" > \"%%p\"'\n" \
  "$store" "$store" >>"$pgdata/postgresql.auto.conf"
