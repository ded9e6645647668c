# Notices that data is made anew again and again; sourced after log.sh. What it remembers lies in STATE_DIR.

RESTART_LIMIT=${RESTART_LIMIT:-5}
RESTART_WINDOW=${RESTART_WINDOW:-600}

# Remembers that data is about to be made: note_attempt WORD. Fails when the same was noted more than RESTART_LIMIT
# times within RESTART_WINDOW seconds.
note_attempt() {
  now=$(date +%s)
  attempts=1
  {
    if [ -r "$STATE_DIR/attempts" ]; then
      while read -r time word; do
        [ "$((now - time))" -lt "$RESTART_WINDOW" ] || continue
        [ "$word" != "$1" ] || attempts=$((attempts + 1))
        printf '%s %s\n' "$time" "$word"
      done <"$STATE_DIR/attempts"
    fi
    printf '%s %s\n' "$now" "$1"
  } >"$STATE_DIR/attempts.new"
  mv -f "$STATE_DIR/attempts.new" "$STATE_DIR/attempts"
  [ "$attempts" -le "$RESTART_LIMIT" ]
}

# Nothing is started from now on, also by later containers, until somebody removes the file: halt REASON.
halt() {
  printf '%s\n' "$1" >"$STATE_DIR/halted"
  rm -f "$STATE_DIR/attempts"
}

is_halted() {
  [ -e "$STATE_DIR/halted" ]
}

# Says why nothing is started, and waits for the operator, or for the end.
hold() {
  say "STOPPED: $(cat "$STATE_DIR/halted")"
  say "nothing is started and no data is touched. Look for the cause above, then remove $STATE_DIR/halted"
  while is_halted; do
    sleep 1 &
    wait $! || true
    [ -z "${stopping:-}" ] || return 0
  done
  say "$STATE_DIR/halted is gone: going on"
}
