# Patroni's settings, made of what environment.sh has read; sourced after yaml.sh.
# shellcheck disable=SC2154 # set by those that source it

print_patroni_yml() {
  cat <<YAML
# Made by the entry point at every start: change the environment instead.
scope: $(yaml "$SCOPE")
name: $(yaml "$NODE")
restapi:
  listen: $(yaml "$API_LISTEN")
  connect_address: $(yaml "$API_CONNECT")
etcd3:
$(print_etcd)
$(print_tags)
bootstrap:
  # For a new cluster; afterwards: patronictl edit-config
  dcs:
    ttl: $TTL
    loop_wait: $LOOP_WAIT
    retry_timeout: $RETRY_TIMEOUT
    synchronous_mode: $SYNCHRONOUS_MODE
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
        # So that pg_rewind can tell which pages an old leader changed, whether or not there are page checksums.
        wal_log_hints: 'on'
        max_wal_senders: 10
        max_replication_slots: 10
        # What a new leader may have to archive in place of the one before: lib/fill-archive.sh
        wal_keep_size: 512MB
  method: cluster
  cluster:
    command: $(yaml "'$here/bootstrap-cluster'")
    # It writes where recovery ends itself.
    keep_existing_recovery_conf: true
  post_init: $(yaml "'$here/post-init'")
postgresql:
  listen: $(yaml "$PG_LISTEN")
  connect_address: $(yaml "$PG_CONNECT")
  data_dir: $(yaml "$PGDATA")
  bin_dir: $(yaml "$PG_BIN_DIR")
  pgpass: $(yaml "$RUN_DIR/patroni-passfile")
  use_unix_socket: true
  authentication:
    superuser:
      username: $(yaml "$SUPERUSER_USERNAME")
      password: $(yaml "$SUPERUSER_PASSWORD")
    replication:
      username: $(yaml "$REPLICATION_USERNAME")
      password: $(yaml "$REPLICATION_PASSWORD")
  pg_hba:
    - local all all scram-sha-256
    - host replication $REPLICATION_USERNAME all scram-sha-256
    - host all all all scram-sha-256
$(print_archive)
YAML
}

print_etcd() {
  hosts=
  protocol=http
  rest=$ETCD,
  while [ -n "$rest" ]; do
    host=${rest%%,*}
    rest=${rest#*,}
    case $host in https://*) protocol=https ;; esac
    host=${host#*://}
    hosts=$hosts${host%/},
  done
  printf '  protocol: %s\n  hosts:\n' "$protocol"
  yaml_list "$hosts" '    '
  [ -z "$ETCD_USER" ] || printf '  username: %s\n  password: %s\n' "$(yaml "$ETCD_USER")" "$(yaml "$ETCD_PASSWORD")"
}

# PATRONI_TAGS=datacentre=one,nosync=true
print_tags() {
  [ -n "${PATRONI_TAGS:-}" ] || return 0
  echo 'tags:'
  yaml_map "$(printf '%s' "$PATRONI_TAGS" | tr , '\n')" '  ' yaml_scalar
}

# What depends on there being an archive, and the operator's own parameters last: lines name=value in PG_PARAMETERS.
print_archive() {
  if [ -n "$ARCHIVE" ]; then
    cat <<YAML
  create_replica_methods: [pgarc, basebackup]
  pgarc:
    command: $(yaml "'$here/create-replica'")
    # A replica can be made from the archive while there is no leader.
    no_leader: true
  recovery_conf:
    restore_command: $(yaml "'$PGARC' wal-fetch \"%f\" \"%p\"")
YAML
  else
    echo '  create_replica_methods: [basebackup]'
  fi
  cat <<YAML
  basebackup:
    - checkpoint: fast
  parameters:
    unix_socket_directories: $(yaml "$PG_SOCKET_DIR")
    # Only 'replica' lets WAL be archived and streamed.
    wal_level: replica
YAML
  if [ -n "$ARCHIVE" ]; then
    cat <<YAML
    archive_mode: 'on'
    archive_command: $(yaml "'$PGARC' wal-push \"%p\"")
    archive_timeout: ${ARCHIVE_TIMEOUT}s
YAML
  else
    echo "    archive_mode: 'off'"
  fi
  yaml_map "${PG_PARAMETERS:-}" '    ' yaml
}
