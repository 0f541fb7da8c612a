#!/bin/sh
# Starts one of the processes of the deployment, or looks at it:
#   entrypoint.sh redis|cluster|sentinel        starts it, with what stands in this folder
#   entrypoint.sh check redis|cluster|sentinel  whether it answers
#   entrypoint.sh cli [command …]               redis-cli as the operator
#   entrypoint.sh restore <file.rdb>            makes the data of a snapshot what the next start begins with
# PORT, ANNOUNCE (its name for others) and MASTER ("host port") say who it is and whom it follows at its first start;
# DATA, SECRETS and CERTIFICATES are folders. With CERTIFICATES everything speaks TLS.
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
data=${DATA:-/data}
secrets=${SECRETS:-/run/secrets}
certificates=${CERTIFICATES:-}

die() {
  echo "entrypoint.sh: $*" >&2
  exit 1
}

# Passwords stand in configuration files, so they are of letters and digits: make-secrets.sh makes such.
secret() {
  [ -r "$secrets/$1" ] || die "cannot read $secrets/$1; sentinel/make-secrets.sh makes it"
  value=$(cat "$secrets/$1")
  case $value in
    '' | *[!A-Za-z0-9_-]*) die "$secrets/$1 must be letters, digits, _ and - only" ;;
  esac
  printf %s "$value"
}

hash_of() {
  value=$(secret "$1")
  printf %s "$value" | sha256sum | cut -d ' ' -f 1
}

# The users' file with hashes instead of names of passwords.
users() {
  text=$(sed -e '/^#/d' -e '/^$/d' "$here/users.acl")
  for name in $(printf '%s\n' "$text" | sed -n 's/.*#{\([a-z_]*\)}.*/\1/p'); do
    hash=$(hash_of "$name")
    text=$(printf '%s\n' "$text" | sed "s/#{$name}/#$hash/")
  done
  printf '%s\n' "$text"
}

listening() {
  if [ -z "$certificates" ]; then
    echo "port $1"
    return
  fi
  echo "port 0"
  echo "tls-port $1"
  echo "tls-cert-file $certificates/redis.pem"
  echo "tls-key-file $certificates/redis.key"
  echo "tls-ca-cert-file $certificates/ca.pem"
  echo "tls-auth-clients no"
  echo "tls-replication yes"
  [ "$kind" != cluster ] || echo "tls-cluster yes"
}

# Whom it follows is remembered over a restart; everything else is written anew.
redis_conf() {
  follows=${MASTER:-}
  [ ! -e "$conf" ] || follows=$(sed -n -e 's/^replicaof //p' "$conf")
  password=$(secret redis_replica_password)
  {
    echo "include $here/redis.conf"
    listening "$port"
    echo "dir $data"
    echo "aclfile $data/users.acl"
    echo "masteruser replica"
    echo "masterauth $password"
    if [ "$kind" = cluster ]; then
      echo "cluster-enabled yes"
      echo "cluster-node-timeout 2000"
      echo "cluster-replica-validity-factor 0"
      [ -z "${ANNOUNCE:-}" ] || echo "cluster-announce-hostname $ANNOUNCE"
      [ -z "${ANNOUNCE:-}" ] || echo "cluster-preferred-endpoint-type hostname"
    elif [ -n "${ANNOUNCE:-}" ]; then
      echo "replica-announce-ip $ANNOUNCE"
      echo "replica-announce-port $port"
    fi
    [ -z "$follows" ] || echo "replicaof $follows"
  } >"$conf.new"
  mv "$conf.new" "$conf"
}

# What the sentinel has learned stays; names, ports and passwords are written anew.
sentinel_conf() {
  [ -n "${MASTER:-}" ] || die "MASTER must say which master a sentinel begins with, as \"host port\""
  password=$(secret redis_sentinel_password)
  begun=$here/sentinel.conf
  [ ! -e "$conf" ] || begun=$conf
  {
    listening "$port"
    echo "dir $data"
    echo "requirepass $password"
    echo "user exporter on #$(hash_of redis_exporter_password) resetchannels -@all +ping +info +sentinel|masters +sentinel|ckquorum +sentinel|sentinels +sentinel|slaves +client|setname"
    [ -z "${ANNOUNCE:-}" ] || echo "sentinel announce-ip \"$ANNOUNCE\""
    [ -z "${ANNOUNCE:-}" ] || echo "sentinel announce-port $port"
    sed -e "s/{master}/$MASTER/" -e '/^#/d' \
      -e '/^port /d' -e '/^tls-/d' -e '/^dir /d' -e '/^requirepass /d' -e '/^user /d' \
      -e '/^sentinel announce-ip /d' -e '/^sentinel announce-port /d' -e '/^sentinel auth-/d' "$begun"
    echo "sentinel auth-user mymaster sentinel"
    echo "sentinel auth-pass mymaster $password"
  } >"$conf.new"
  mv "$conf.new" "$conf"
}

cli() {
  [ -z "$certificates" ] || set -- --tls --cacert "$certificates/ca.pem" "$@"
  redis-cli -p "$port" --no-auth-warning "$@"
}

# With an append-only file that is missing Redis begins empty, whatever snapshot lies beside it: so one is made of it.
restore() {
  [ ! -e "$data/appendonlydir" ] && [ ! -e "$data/appendonly.aof" ] || die "there are data in $data: move them away first"
  cp "$1" "$data/dump.rdb"
  socket=$data/restore.sock
  redis-server --port 0 --unixsocket "$socket" --dir "$data" --appendonly no --save '' --logfile /dev/null &
  at() { redis-cli -s "$socket" "$@" 2>/dev/null; }
  until at ping | grep -q PONG; do
    kill -0 $! 2>/dev/null || die "$1 cannot be loaded: is it a whole snapshot, of this version of Redis or an older one?"
    sleep 0.1
  done
  at config set appendonly yes >/dev/null
  until at info persistence | tr -d '\r' | grep -qx aof_rewrite_in_progress:0; do sleep 0.1; done
  keys=$(at dbsize)
  at shutdown || true
  wait
  echo "$keys keys are restored"
}

kind=${1:?redis, cluster, sentinel, check, cli or restore}
shift
case $kind in
  redis | cluster)
    port=${PORT:-6379}
    conf=$data/redis.conf
    users >"$data/users.acl"
    redis_conf
    exec redis-server "$conf"
    ;;
  sentinel)
    port=${PORT:-26379}
    conf=$data/sentinel.conf
    sentinel_conf
    exec redis-server "$conf" --sentinel
    ;;
  check)
    if [ "${1:-}" = sentinel ]; then
      port=${PORT:-26379}
      REDISCLI_AUTH=$(secret redis_sentinel_password)
      export REDISCLI_AUTH
      cli ping | grep -q PONG
    else
      port=${PORT:-6379}
      cli --user probe --pass any ping | grep -q PONG
    fi
    ;;
  cli)
    port=${PORT:-6379}
    REDISCLI_AUTH=$(secret redis_operator_password)
    export REDISCLI_AUTH
    cli --user operator "$@"
    ;;
  restore) restore "${1:?the snapshot to restore}" ;;
  *) die "unknown: $kind" ;;
esac
