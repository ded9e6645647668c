# shellcheck shell=sh
# Folders, made by root in a container, else by whoever runs this.

make_directories() {
  for folder in "$PGDATA" "$PGREPL_RUN" "$PGARC_SPOOL"; do
    mkdir -p -- "$folder"
    [ "$(id -u)" -ne 0 ] || own "$folder"
    chmod 700 "$folder"
  done
}

# A whole directory is looked through only where the account of its top has changed.
own() {
  [ "$(stat -c %U -- "$1")" = "$PGREPL_USER" ] || chown -R -- "$PGREPL_USER:" "$1"
}
