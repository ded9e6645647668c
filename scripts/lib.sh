# Shared by the install scripts; sourced, not run. Needs $0 to be a script in scripts/.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/pgarc

say() {
  printf '%s\n' "$*" >&2
}

fail() {
  say "${0##*/}: $*"
  exit 1
}

# Holds a lock until the script ends, so that two runs at once do not install over each other.
# Where flock is missing they may, and the second install repeats the first.
hold_lock() {
  mkdir -p "$cache"
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>"$cache/$1.lock"
  flock 9
}

# Runs a command silently; shows what it said only when it fails.
quietly() {
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
  else
    code=$?
    cat "$log" >&2
    rm -f "$log"
    fail "failed: $* (exit code $code)"
  fi
}
