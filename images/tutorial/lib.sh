# shellcheck shell=sh
# Shared by the tutorial's scripts; sourced. COMPOSE is how docker compose is run for this cluster, for example
# `docker compose -f images/compose/compose.yaml`: these scripts use its verbs exec, ps, kill, start, logs, down.

COMPOSE=${COMPOSE:-docker compose}
# Seconds to wait for what the cluster does by itself.
WAIT=${WAIT:-180}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

say() {
  printf '\n== %s\n' "$*"
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# in_node NODE COMMAND…
in_node() {
  node=$1
  shift
  # shellcheck disable=SC2086 # a command and its options
  $COMPOSE exec -T "$node" "$@"
}

# in_node_script NODE SCRIPT ARGUMENT…: runs a script of in-node/ there.
in_node_script() {
  node=$1
  script=$2
  shift 2
  in_node "$node" sh -c "$(cat "$here/in-node/environment" "$here/in-node/$script")" "$script" "$@" </dev/null
}

compose() {
  # shellcheck disable=SC2086 # a command and its options
  $COMPOSE "$@"
}

# The running PostgreSQL nodes, one a line; the generated files call them node1, node2 …
nodes() {
  compose ps --services --status running </dev/null | grep '^node' || fail "no node runs: $COMPOSE up --wait"
}

# patronictl, in any node that answers.
ctl() {
  for any in $(nodes); do
    in_node_script "$any" patronictl "$@" && return 0
  done
  fail 'patronictl fails on every node'
}

# A column of `patronictl list` of the members whose other column is as wanted: members Role Leader Member
members() {
  ctl list --format tsv | awk -F '\t' -v where="$1" -v is="$2" -v what="$3" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    $column[where] ~ "^(" is ")$" { print $column[what] }'
}

leader() {
  members Role Leader Member
}

# Waits until a command prints something, and prints that: wait_for WHAT COMMAND…
wait_for() {
  what=$1
  shift
  until=$(($(date +%s) + WAIT))
  while :; do
    found=$("$@" 2>/dev/null) && [ -n "$found" ] && break
    [ "$(date +%s)" -lt "$until" ] || fail "waited $WAIT s in vain for $what"
    sleep 1
  done
  printf '%s\n' "$found"
}

# NODE when it follows the leader on the leader's timeline.
follows() {
  [ "$(members Member "$1" Role)" != Leader ] || return 1
  case $(members Member "$1" State) in running | streaming) ;; *) return 1 ;; esac
  [ "$(members Member "$1" TL)" = "$(members Role Leader TL)" ] && echo "$1"
}
