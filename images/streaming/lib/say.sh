# shellcheck shell=sh
# What the container tells, on stderr.

say() {
  printf 'pgrepl: %s\n' "$*" >&2
}

# fail CODE MESSAGE [HINT]: 2 for the environment, 4 refused to keep data safe, 7 the master does not answer.
fail() {
  say "$2"
  [ -z "${3:-}" ] || printf 'hint: %s\n' "$3" >&2
  exit "$1"
}
