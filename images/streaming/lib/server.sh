# shellcheck shell=sh
# The server, the daemon beside it, and what is left to do once the server answers.

run_server() {
  rm -f -- "$PGREPL_RUN/ready"
  daemon=''
  if [ -n "$store" ]; then
    run_daemon &
    daemon=$!
  fi
  postgres -D "$PGDATA" "$@" &
  server=$!
  # Fast: clients are sent away, what is committed is safe.
  trap 'kill -INT "$server" 2>/dev/null || true' TERM INT
  after_start &
  after=$!
  code=0
  wait "$server" || code=$?
  # A signal ends the wait, not the server.
  while kill -0 "$server" 2>/dev/null; do
    code=0
    wait "$server" || code=$?
  done
  rm -f -- "$PGREPL_RUN/ready"
  kill "$after" 2>/dev/null || true
  [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
  wait
  exit "$code"
}

# Starts the daemon again whenever it ends, but for a wrong setting (2) and another one that runs (6).
run_daemon() {
  child=''
  trap 'kill "$child" 2>/dev/null || true; wait "$child" || true; exit 0' TERM
  while :; do
    "$PGREPL_PGARC" daemon &
    child=$!
    code=0
    wait "$child" || code=$?
    say "pgarc's daemon ended with $code; archiving goes on without it"
    case $code in 2 | 6) return ;; esac
    sleep 2 &
    child=$!
    wait "$child" || true
  done
}

after_start() {
  until [ "$(query 'SELECT 1' 2>/dev/null)" = 1 ]; do
    kill -0 "$server" 2>/dev/null || return 0
    sleep 1
  done
  if [ "$PGREPL_ROLE" = PRIMARY ] && [ -e "$PGDATA/standby.signal" ]; then
    say 'PGREPL_ROLE is PRIMARY: promoting this standby'
    "$here/promote"
  fi
  # What was restored becomes a primary by itself.
  while [ "$PGREPL_ROLE" = PRIMARY ] && [ "$(query 'SELECT pg_is_in_recovery()')" = t ]; do
    kill -0 "$server" 2>/dev/null || return 0
    sleep 1
  done
  [ "$(query 'SELECT pg_is_in_recovery()')" = t ] || set_up_primary
  : >"$PGREPL_RUN/ready"
  [ -z "$store" ] || take_first_backup
}

# Roles and their passwords follow the environment, at each start.
set_up_primary() {
  {
    # Passwords stay out of the server's log.
    echo "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic';"
    echo "SET client_min_messages = 'warning';"
    echo "SELECT 'CREATE ROLE pgrepl' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'pgrepl') \\gexec"
    echo "ALTER ROLE pgrepl LOGIN REPLICATION PASSWORD $(quote_sql "$token");"
    [ -z "$superuser_password" ] || echo "ALTER ROLE postgres PASSWORD $(quote_sql "$superuser_password");"
    if [ -n "$POSTGRES_DB" ]; then
      name=$(quote_sql "$POSTGRES_DB")
      echo "SELECT format('CREATE DATABASE %I', $name)"
      echo "  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = $name) \\gexec"
    fi
  } | query_script || say 'the roles could not be set: standbys may not be able to connect'
}

# An archive without a backup leads nowhere. Only a primary sees to it, and only while there is none.
take_first_backup() {
  while [ "$(query 'SELECT pg_is_in_recovery()')" = f ]; do
    if list=$("$PGREPL_PGARC" backup-list 2>/dev/null); then
      [ -z "$list" ] || return 0
      say 'taking the first backup'
      "$PGREPL_PGARC" backup-push && return 0
    fi
    say 'the first backup was not taken: trying again in a minute'
    sleep 60
  done
}

query() {
  psql -d postgres -XAtqc "$1"
}

query_script() {
  psql -d postgres -XAtq -v ON_ERROR_STOP=1 >&2
}

quote_sql() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}
