# What an operator says by the environment, with defaults; sourced after log.sh. README.md lists the variables.
# shellcheck disable=SC2034 # used by those that source it

# Sets a variable to the first of the named ones that is not empty: first VARIABLE NAME…
first() {
  target=$1
  shift
  for name in "$@"; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || break
  done
  eval "$target=\$value"
}

# The same for a secret, each of whose names may also be given with _FILE, naming a file that holds it.
first_secret() {
  target=$1
  shift
  value=
  for name in "$@"; do
    eval "value=\${$name:-} file=\${${name}_FILE:-}"
    if [ -z "$value" ] && [ -n "$file" ]; then
      [ -r "$file" ] || fail "${name}_FILE=$file cannot be read" "Mount it readable for the user $(id -un)."
      # One line; a line break at its end is not part of it.
      IFS= read -r value <"$file" || [ -n "$value" ] || fail "${name}_FILE=$file is empty"
    fi
    [ -z "$value" ] || break
  done
  eval "$target=\$value"
  case $value in
    *[[:cntrl:]]*) fail "$1 holds a control character" "Passwords and names are one line of text." ;;
  esac
}

need() {
  eval "value=\${$1:-}"
  [ -n "$value" ] || fail "$2 is not set" "$3"
}

# Names that are parts of keys in etcd and of the archive's place.
check_name() {
  case $2 in
    *[!A-Za-z0-9_.:-]*) fail "$1 is not a usable name: $2" "Letters, digits, _ . : -" ;;
  esac
}

check_number() {
  case $2 in '' | *[!0-9]*) fail "$1 is not a number${3:-}: $2" ;; esac
}

# Lists of name=value: check_pairs VARIABLE LINES
check_pairs() {
  printf '%s\n' "$2" | while IFS= read -r line; do
    case $line in
      '' | [!=]*=*) ;;
      *) fail "$1 holds '$line', which is not name=value" ;;
    esac
  done
}

# Names of roles stand in pg_hba.conf and on command lines too.
check_role() {
  case $2 in
    '' | [!A-Za-z_]* | *[!A-Za-z0-9_.-]*) fail "$1 is not a usable name of a role: $2" "Letters, digits, _ . -" ;;
  esac
}

read_environment() {
  first SCOPE PATRONI_SCOPE PGARC_SCOPE
  need SCOPE PATRONI_SCOPE "Name the cluster: all its nodes have the same."
  first NODE PATRONI_NAME NODE_ID NAME NODE_NAME
  NODE=${NODE:-$(hostname)}
  check_name PATRONI_SCOPE "$SCOPE"
  check_name NODE_ID "$NODE"
  first ETCD ETCD_HOST_PORT PATRONI_ETCD3_HOSTS PGARC_ETCD_ENDPOINTS
  case $ETCD in *[!,\ ]*) ;; *) ETCD= ;; esac
  need ETCD ETCD_HOST_PORT "Name etcd's members: ETCD_HOST_PORT=host:2379,host:2379"
  # As other nodes reach this one; the host's published ports may differ from these.
  ADDRESS=${DOCKER_HOSTNAME:-$(hostname)}
  PG_LISTEN=${PATRONI_POSTGRESQL_LISTEN:-0.0.0.0:5432}
  PG_PORT=${PG_LISTEN##*:}
  PG_CONNECT=${PATRONI_POSTGRESQL_CONNECT_ADDRESS:-$ADDRESS:$PG_PORT}
  API_LISTEN=${PATRONI_RESTAPI_LISTEN:-0.0.0.0:8008}
  API_CONNECT=${PATRONI_RESTAPI_CONNECT_ADDRESS:-$ADDRESS:${API_LISTEN##*:}}
  first PGDATA PG_DATA_DIR PGDATA PATRONI_POSTGRESQL_DATA_DIR
  PGDATA=${PGDATA:-/data/postgres}
  first PG_BIN_DIR PG_BIN_DIR PATRONI_POSTGRESQL_BIN_DIR
  PG_BIN_DIR=${PG_BIN_DIR:-/usr/lib/postgresql/${PG_MAJOR:-15}/bin}
  PG_SOCKET_DIR=${PG_SOCKET_DIR:-/run/postgresql}
  RUN_DIR=${RUN_DIR:-/run/pgarc}
  # Beside the data directory, so that it outlives the container as the data does.
  STATE_DIR=${STATE_DIR:-${PGDATA%/*}/pgarc-state}
  PGARC=${PGARC:-$(command -v pgarc || echo pgarc)}

  read_credentials
  TTL=${PATRONI_TTL:-30}
  LOOP_WAIT=${PATRONI_LOOP_WAIT:-10}
  RETRY_TIMEOUT=${PATRONI_RETRY_TIMEOUT:-10}
  SYNCHRONOUS_MODE=${SYNCHRONOUS_MODE:-false}
  ARCHIVE_TIMEOUT=${ARCHIVE_TIMEOUT:-300}
  for name in TTL LOOP_WAIT RETRY_TIMEOUT ARCHIVE_TIMEOUT; do
    eval "check_number $name \"\$$name\" ' of seconds'"
  done
  check_number RESTART_LIMIT "$RESTART_LIMIT"
  check_number RESTART_WINDOW "$RESTART_WINDOW" ' of seconds'
  check_pairs PATRONI_TAGS "$(printf '%s' "${PATRONI_TAGS:-}" | tr , '\n')"
  check_pairs PG_PARAMETERS "${PG_PARAMETERS:-}"
  case $SYNCHRONOUS_MODE in true | false) ;; *) fail "SYNCHRONOUS_MODE is true or false, not $SYNCHRONOUS_MODE" ;; esac
  first ARCHIVE PGARC_STORE WAL_S3_BUCKET WALG_S3_PREFIX WALE_S3_PREFIX WALG_FILE_PREFIX WALE_FILE_PREFIX
  # A settings file of pgarc's may name the store too.
  [ -n "$ARCHIVE" ] || ! grep -qs '^store:' "${PGARC_CONFIG:-/etc/pgarc/pgarc.yaml}" || ARCHIVE="settings file"
}

read_credentials() {
  first SUPERUSER_USERNAME SUPERUSER_USERNAME PATRONI_SUPERUSER_USERNAME
  SUPERUSER_USERNAME=${SUPERUSER_USERNAME:-postgres}
  first_secret SUPERUSER_PASSWORD SUPERUSER_PASSWORD PATRONI_SUPERUSER_PASSWORD
  first REPLICATION_USERNAME REPLICATION_USERNAME PATRONI_REPLICATION_USERNAME APPUSER_USERNAME
  REPLICATION_USERNAME=${REPLICATION_USERNAME:-replicator}
  first_secret REPLICATION_PASSWORD REPLICATION_PASSWORD PATRONI_REPLICATION_PASSWORD APPUSER_PASSWORD
  first ADMIN_USERNAME ADMIN_USERNAME POSTGRES_USERNAME
  ADMIN_USERNAME=${ADMIN_USERNAME:-pgadmin}
  first_secret ADMIN_PASSWORD ADMIN_PASSWORD POSTGRES_PASSWORD
  first ETCD_USER PATRONI_ETCD3_USERNAME PGARC_ETCD_USER
  first_secret ETCD_PASSWORD PATRONI_ETCD3_PASSWORD PGARC_ETCD_PASSWORD
  for name in SUPERUSER_PASSWORD REPLICATION_PASSWORD; do
    need "$name" "$name" "All nodes of the cluster have the same; ${name}_FILE may name a file that holds it."
  done
  check_role SUPERUSER_USERNAME "$SUPERUSER_USERNAME"
  check_role REPLICATION_USERNAME "$REPLICATION_USERNAME"
  check_role ADMIN_USERNAME "$ADMIN_USERNAME"
}

# What the processes of this container read. Patroni takes PATRONI_* out of the environment of all that it starts,
# so pgarc is told by its own names; and its launcher believes a daemon only when both were told the same.
export_environment() {
  unset PATRONI_SCOPE PATRONI_NAME PATRONI_POSTGRESQL_LISTEN PATRONI_POSTGRESQL_CONNECT_ADDRESS \
    PATRONI_RESTAPI_CONNECT_ADDRESS PATRONI_POSTGRESQL_DATA_DIR PATRONI_POSTGRESQL_BIN_DIR \
    PATRONI_ETCD3_HOSTS PATRONI_ETCD3_USERNAME PATRONI_ETCD3_PASSWORD ETCD_HOST_PORT PG_DATA_DIR
  for name in SUPERUSER REPLICATION ADMIN APPUSER POSTGRES PATRONI_SUPERUSER PATRONI_REPLICATION PATRONI_ETCD3; do
    unset "${name}_PASSWORD_FILE"
    case $name in SUPERUSER | REPLICATION | ADMIN) ;; *) unset "${name}_USERNAME" "${name}_PASSWORD" ;; esac
  done
  export ARCHIVE_IS_ON="${ARCHIVE:+yes}"
  export PGDATA PG_BIN_DIR PG_SOCKET_DIR PG_PORT RUN_DIR STATE_DIR PGARC SUPERUSER_USERNAME ADMIN_USERNAME
  export PATRONI_RESTAPI_LISTEN="$API_LISTEN"
  export PGARC_SCOPE="$SCOPE" PGARC_NODE_NAME="$NODE" PGARC_ETCD_ENDPOINTS="$ETCD" PGARC_PGDATA="$PGDATA"
  export PGARC_ETCD_USER="$ETCD_USER" PGARC_ETCD_PASSWORD="$ETCD_PASSWORD"
  export PGARC_PG_HOST="$PG_SOCKET_DIR" PGARC_PG_PORT="$PG_PORT" PGARC_PG_USER="$SUPERUSER_USERNAME"
  export PGARC_PG_PASSFILE="$RUN_DIR/passfile"
  # Every night, as the old image did; an empty value switches it off.
  export PGARC_SCHEDULE_BACKUP_CRON="${PGARC_SCHEDULE_BACKUP_CRON-0 1 * * *}"
  # In files of mode 600 from here on.
  unset SUPERUSER_PASSWORD REPLICATION_PASSWORD ADMIN_PASSWORD ETCD_PASSWORD
}
