# shellcheck shell=sh
# The data directory: made once, kept afterwards. It is filled in a folder within, and PG_VERSION is moved last, so
# that a copy that was cut off, by SIGKILL too, is never taken for a cluster.

prepare_data() {
  incoming=$PGDATA/pgrepl.incoming
  case $(state_of_data) in
    unfinished)
      say "the copy in $PGDATA was not finished: starting anew"
      find "$PGDATA" -mindepth 1 -delete
      make_data
      ;;
    empty) make_data ;;
    strange)
      fail 4 "$PGDATA holds files, but no cluster" 'Empty it, or name another folder with PGDATA; nothing was changed.'
      ;;
    standby) say "keeping the standby in $PGDATA" ;;
    restored)
      [ "$PGREPL_ROLE" = PRIMARY ] || fail 4 "$PGDATA holds a restored cluster that would become a primary" \
        'Restore it with pgarc backup-fetch --standby; nothing was changed.'
      say "keeping the restored cluster in $PGDATA"
      ;;
    primary) keep_primary ;;
  esac
}

state_of_data() {
  if [ -e "$incoming" ] && [ ! -e "$PGDATA/PG_VERSION" ]; then
    echo unfinished
  elif [ ! -e "$PGDATA/PG_VERSION" ]; then
    [ -z "$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found)" ] && echo empty || echo strange
  elif [ -e "$PGDATA/standby.signal" ]; then
    echo standby
  elif [ -e "$PGDATA/recovery.signal" ]; then
    echo restored
  else
    echo primary
  fi
}

keep_primary() {
  if [ "$PGREPL_ROLE" = PRIMARY ]; then
    say "keeping the primary in $PGDATA"
  elif [ "$(cat "$PGDATA/pgrepl.role" 2>/dev/null)" = standby ]; then
    # The file says how the directory came to be. To make it a standby again would throw away what it has taken since.
    say "this standby was promoted: it stays a primary, though PGREPL_ROLE is STANDBY"
  else
    fail 4 "$PGDATA holds a primary, and PGREPL_ROLE is STANDBY" \
      'Empty the folder to make it a standby; what only this server has would be lost, so nothing was changed.'
  fi
}

make_data() {
  mkdir -- "$incoming"
  if [ "$PGREPL_ROLE" = PRIMARY ]; then
    init_primary
  else
    copy_master
  fi
  place_data
}

init_primary() {
  say "making a new cluster in $PGDATA"
  initdb -D "$incoming" -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums \
    --auth-host=scram-sha-256 --auth-local=peer >/dev/null
  # Over the socket, the account of the server is the superuser; everybody else needs a password.
  cat >"$incoming/pg_hba.conf" <<HBA
local all postgres peer map=pgrepl
local all all scram-sha-256
host replication pgrepl all scram-sha-256
host all all all scram-sha-256
HBA
  printf 'pgrepl "%s" postgres\n' "$(id -un)" >>"$incoming/pg_ident.conf"
  echo primary >"$incoming/pgrepl.role"
}

# Tries until the master takes connections and knows the replication's role, for PGREPL_MASTER_WAIT seconds.
copy_master() {
  say "copying $PGREPL_MASTER_IP port $PGREPL_MASTER_PORT to $PGDATA"
  write_passfile
  until pg_basebackup -d "$(connection_string)" -D "$incoming" -X stream -c fast --no-password >&2; do
    [ "$PGREPL_MASTER_WAIT" -gt 0 ] || fail 7 "cannot copy $PGREPL_MASTER_IP port $PGREPL_MASTER_PORT" \
      'Look at the line above: does the master run, and has it the same PGREPL_TOKEN?'
    PGREPL_MASTER_WAIT=$((PGREPL_MASTER_WAIT - 1))
    sleep 1
    # pg_basebackup empties what it has begun, and leaves the folder.
    mkdir -p -- "$incoming"
  done
  : >"$incoming/standby.signal"
  echo standby >"$incoming/pgrepl.role"
}

place_data() {
  for entry in "$incoming"/*; do
    [ "${entry##*/}" = PG_VERSION ] || mv -- "$entry" "$PGDATA/"
  done
  sync
  mv -- "$incoming/PG_VERSION" "$PGDATA/"
  rmdir -- "$incoming"
}
