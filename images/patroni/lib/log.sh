# Words for the operator; sourced. They go to stderr, where the container's log takes them.

say() {
  printf '%s pgarc-patroni: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2
}

# The second argument is what to do about it.
fail() {
  say "error: $1"
  [ $# -lt 2 ] || say "hint: $2"
  exit 1
}
