# WAL that only replicas have; sourced after log.sh.
#
# A standby takes segments it has received for archived (archive_mode = on), since its leader archives them. A leader
# that is lost with its disk leaves some out: complete ones that it had sent, and not yet archived. PostgreSQL archives
# the last, unfinished segment on promotion and not these, so that no recovery leads from an older backup into the new
# timeline. They lie in the new leader's pg_wal for a while.

# Prints the number of a segment from its hexadecimal name: timeline 8, then 8 + 8 digits.
number_of() {
  rest=${1#????????}
  echo $((0x${rest%????????} * (0x100000000 / segment_size) + 0x${rest#????????}))
}

# Prints the names of complete segments of timelines before the current one, in the order of their numbers.
list_left_segments() {
  history=$(find "$PGDATA/pg_wal" -name '????????.history' | sort | tail -n 1)
  [ -n "$history" ] || return 0
  segment_size=$("$PG_BIN_DIR/pg_controldata" "$PGDATA" | sed -n 's/^Bytes per WAL segment: *//p')
  # Lines: a timeline, where the next one left it, why.
  while read -r timeline place _; do
    case $timeline in '' | *[!0-9]*) continue ;; esac
    left=$(((0x${place%/*} * 0x100000000 + 0x${place#*/}) / segment_size))
    for file in "$PGDATA"/pg_wal/"$(printf '%08X' "$timeline")"????????????????; do
      [ -f "$file" ] || continue
      number=$(number_of "${file##*/}")
      [ "$number" -ge "$left" ] || printf '%s %s\n' "$number" "${file##*/}"
    done
  done <"$history" | sort -n | cut -d ' ' -f 2
}

# Archives what is missing of them: from the newest back to the first that the archive has, or all when an earlier try
# was interrupted. Nothing that is there can be overwritten: `pgarc wal-push` compares.
fill_archive() {
  for segment in $(list_left_segments | sort -r); do
    answer=$(PGARC_DAEMON=no PGARC_LOG_LEVEL=debug "$PGARC" wal-push "$PGDATA/pg_wal/$segment" 2>&1) || {
      say "cannot archive $segment, which the leader before may have left out: $answer"
      return 1
    }
    case $answer in
      *walAlreadyStored*) [ -e "$STATE_DIR/filling-archive" ] || break ;;
      *)
        : >"$STATE_DIR/filling-archive"
        say "archived $segment, which the leader before had left out"
        ;;
    esac
  done
  rm -f "$STATE_DIR/filling-archive"
}
