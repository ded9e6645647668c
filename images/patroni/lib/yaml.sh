# Values for a YAML file; sourced. Builtins only, so that no password is ever an argument of a program.

# Prints a value as a single-quoted scalar, in which only the quote itself means something. A scalar cannot hold
# control characters: environment.sh refuses them.
yaml() {
  rest=$1
  quoted=
  while :; do
    case $rest in
      *\'*)
        quoted=$quoted${rest%%\'*}"''"
        rest=${rest#*\'}
        ;;
      *) break ;;
    esac
  done
  printf "'%s'" "$quoted$rest"
}

# Prints a value plain when YAML means a number or a truth value by it, else quoted.
yaml_scalar() {
  case $1 in
    true | false) printf '%s' "$1" ;;
    '' | *[!0-9]*) yaml "$1" ;;
    *) printf '%s' "$1" ;;
  esac
}

# Prints the lines or comma-separated parts `key=value` of $1 as a mapping, each line after the indentation $2.
# $3 is the function that prints a value.
yaml_map() {
  printf '%s\n' "$1" | while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      *=*) printf '%s%s: %s\n' "$2" "$(yaml "${line%%=*}")" "$("$3" "${line#*=}")" ;;
    esac
  done
}

# Prints comma-separated words of $1 as a list, each after the indentation $2.
yaml_list() {
  words=$1,
  while [ -n "$words" ]; do
    word=${words%%,*}
    words=${words#*,}
    word=${word# }
    [ -z "$word" ] || printf '%s- %s\n' "$2" "$(yaml "$word")"
  done
}
