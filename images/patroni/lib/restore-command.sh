# restore_command for pg_rewind; sourced after yaml.sh, whose quoting is PostgreSQL's too.
#
# Patroni writes it into a standby's postgresql.conf only. An old leader that is to be rewound has none, and pg_rewind
# ends where its own WAL is gone. What Patroni includes and does not write is postgresql.base.conf, which is
# postgresql.conf until Patroni first sees it.

# Puts the line into a configuration file, or takes it out where there is no archive: write_restore_command FILE
write_restore_command() {
  [ -f "$1" ] || return 0
  {
    grep -v ' # by the entry point$' "$1" || true
    [ -z "$ARCHIVE_IS_ON" ] ||
      printf '%s # by the entry point\n' "restore_command = $(yaml "'$PGARC' wal-fetch \"%f\" \"%p\"")"
  } >"$1.new"
  mv -f "$1.new" "$1"
}
