# shellcheck shell=sh
# The environment: what is allowed, what is missing, what is the default.

read_settings() {
  for name in PGREPL_TOKEN POSTGRES_PASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN; do
    read_secret "$name"
  done
  case ${PGREPL_ROLE:-} in
    PRIMARY | primary) PGREPL_ROLE=PRIMARY ;;
    STANDBY | standby) PGREPL_ROLE=STANDBY ;;
    '') fail 2 'PGREPL_ROLE is missing' "Set it to PRIMARY, or to STANDBY with PGREPL_MASTER_IP." ;;
    *) fail 2 "PGREPL_ROLE: '$PGREPL_ROLE' is not allowed" 'Allowed are PRIMARY and STANDBY.' ;;
  esac
  [ -n "${PGREPL_TOKEN:-}" ] || fail 2 'PGREPL_TOKEN is missing' \
    'Set it, or PGREPL_TOKEN_FILE, to the password of replication: the same on every server.'
  if [ "$PGREPL_ROLE" = STANDBY ]; then
    [ -n "${PGREPL_MASTER_IP:-}" ] || fail 2 'PGREPL_MASTER_IP is missing' \
      'A standby needs the address or the name of the server that it follows: a primary or another standby.'
  fi
  : "${PGREPL_MASTER_IP:=}" "${PGREPL_MASTER_PORT:=5432}" "${PGREPL_MASTER_WAIT:=60}"
  : "${PGREPL_PORT:=5432}" "${PGREPL_LISTEN:=*}" "${PGREPL_CONF:=}" "${PGREPL_NAME:=$(uname -n)}"
  : "${PGREPL_RUN:=/run/pgrepl}" "${PGREPL_USER:=postgres}" "${PGREPL_PGARC:=pgarc}"
  : "${PGDATA:=/var/lib/postgresql/data}" "${PGARC_SPOOL:=/var/spool/pgarc}"
  : "${POSTGRES_DB:=}" "${POSTGRES_PASSWORD:=}"
  check_number PGREPL_MASTER_PORT 1 65535
  check_number PGREPL_PORT 1 65535
  check_number PGREPL_MASTER_WAIT 0 86400
  export PGREPL_ROLE PGREPL_RUN PGREPL_PORT PGDATA PGARC_SPOOL
}

# read_secret NAME: gives NAME the contents of the file that NAME_FILE names.
read_secret() {
  eval "file=\${$1_FILE:-} value=\${$1:-}"
  # shellcheck disable=SC2154 # eval sets it
  [ -n "$file" ] || return 0
  [ -z "$value" ] || fail 2 "$1 and $1_FILE are both set" 'Set one of them.'
  value=$(cat -- "$file") || fail 2 "$1_FILE: cannot read $file"
  [ -n "$value" ] || fail 2 "$1_FILE: $file is empty"
  eval "$1=\$value"
  # shellcheck disable=SC2163 # the name is meant
  export "$1"
  # The run after the change of the account has the value already.
  unset "$1_FILE"
}

# check_number NAME LEAST MOST
check_number() {
  eval "value=\$$1"
  case $value in
    '' | *[!0-9]* | ??????*) ;;
    *) [ "$value" -lt "$2" ] || [ "$value" -gt "$3" ] || return 0 ;;
  esac
  fail 2 "$1: '$value' is not allowed" "Allowed are whole numbers from $2 to $3."
}

# Takes what only this script needs out of the environment of the programs it starts. The store's credentials
# stay: archive_command needs them.
hide_secrets() {
  token=$PGREPL_TOKEN
  superuser_password=$POSTGRES_PASSWORD
  unset PGREPL_TOKEN POSTGRES_PASSWORD
}
