# Questions to this node's Patroni; sourced.

# Succeeds when Patroni answers 200: primary, replica, readiness, liveness. https, where it is switched on, is with a
# certificate for other names than this address.
ask_patroni() {
  api=${PATRONI_RESTAPI_LISTEN:-0.0.0.0:8008}
  host=${api%:*}
  case $host in 0.0.0.0 | '*' | '[::]') host=127.0.0.1 ;; esac
  curl -kfsS --noproxy '*' --max-time 4 -o /dev/null \
    "http${PATRONI_RESTAPI_CERTFILE:+s}://$host:${api##*:}/$1"
}
