# shellcheck shell=sh
# Settings of PostgreSQL, written anew at every start into a file of their own in the data directory.

# Whether pgarc has a store; its settings come from the environment or from its file.
find_archive() {
  shown=$("$PGREPL_PGARC" config show) || fail 2 "pgarc does not take its settings, see above"
  store=$(printf '%s\n' "$shown" | awk '$1 == "store" && $2 != "-" { print $2 }')
  if [ -n "$store" ]; then
    say "archiving WAL to $store"
  else
    say 'WARNING: PGARC_STORE is not set: NO WAL IS ARCHIVED, there will be no backups'
  fi
}

configure() {
  rmdir -- "$incoming" 2>/dev/null || true
  write_passfile
  write_settings >"$PGDATA/pgrepl.conf.new"
  mv -- "$PGDATA/pgrepl.conf.new" "$PGDATA/pgrepl.conf"
  grep -q "^include_if_exists 'pgrepl.conf'" "$PGDATA/postgresql.conf" ||
    printf "\ninclude_if_exists 'pgrepl.conf'\n" >>"$PGDATA/postgresql.conf"
}

write_settings() {
  echo '# Written at every start from the environment. Settings of your own: PGREPL_CONF.'
  setting listen_addresses "$PGREPL_LISTEN"
  setting port "$PGREPL_PORT"
  setting unix_socket_directories "$PGREPL_RUN"
  setting wal_level replica
  setting hot_standby on
  setting max_wal_senders 10
  setting password_encryption scram-sha-256
  # What a standby may be behind when there is no archive to fill up from.
  setting wal_keep_size 512MB
  setting recovery_target_timeline latest
  setting primary_conninfo "$([ -z "$PGREPL_MASTER_IP" ] || connection_string)"
  if [ -n "$store" ]; then
    setting archive_mode on
    setting archive_command "$(quote_word "$PGREPL_PGARC") wal-push %p"
    setting restore_command "$(quote_word "$PGREPL_PGARC") wal-fetch %f \"%p\""
    setting archive_timeout 60s
  else
    setting archive_mode off
    setting restore_command ''
  fi
  [ -z "$PGREPL_CONF" ] || setting include "$PGREPL_CONF"
}

# setting NAME VALUE: a line of postgresql.conf.
setting() {
  case $1 in include) equals='' ;; *) equals='= ' ;; esac
  printf "%s %s'%s'\n" "$1" "$equals" "$(printf '%s' "$2" | sed "s/[\\\\']/&&/g")"
}

# A word for a command of PostgreSQL's, which sh runs and in which % has a meaning.
quote_word() {
  printf "'%s'" "$(printf '%s' "$1" | sed -e "s/'/'\\\\''/g" -e 's/%/%%/g')"
}

# How to reach the master; the password is in the file, not here, where every reader of pg_settings would see it.
connection_string() {
  printf 'host=%s port=%s user=pgrepl dbname=replication application_name=%s passfile=%s' \
    "$(quote_libpq "$PGREPL_MASTER_IP")" "$PGREPL_MASTER_PORT" "$(quote_libpq "$PGREPL_NAME")" \
    "$(quote_libpq "$PGREPL_RUN/passfile")"
}

quote_libpq() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g")"
}

write_passfile() {
  printf '*:*:*:pgrepl:%s\n' "$(printf '%s' "$token" | sed 's/[\\:]/\\&/g')" >"$PGREPL_RUN/passfile"
}
