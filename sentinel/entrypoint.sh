#!/bin/sh
# Starts one of the processes of the deployment, or looks at it:
#   entrypoint.sh redis|cluster|sentinel        starts it, with what stands in this folder
#   entrypoint.sh check redis|cluster|sentinel  whether it answers
#   entrypoint.sh cli [command …]               redis-cli as the operator, also at a sentinel
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

# A users' file with hashes instead of names of passwords.
users() {
  text=$(sed -e '/^#/d' -e '/^$/d' "$here/$1")
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
    echo "aclfile $data/sentinels.acl"
    [ -z "${ANNOUNCE:-}" ] || echo "sentinel announce-ip \"$ANNOUNCE\""
    [ -z "${ANNOUNCE:-}" ] || echo "sentinel announce-port $port"
    sed -e "s/{master}/$MASTER/" -e '/^#/d' \
      -e '/^port /d' -e '/^tls-/d' -e '/^dir /d' -e '/^aclfile /d' -e '/^requirepass /d' -e '/^user /d' \
      -e '/^sentinel announce-ip /d' -e '/^sentinel announce-port /d' -e '/^sentinel auth-/d' -e '/^sentinel sentinel-/d' "$begun"
    echo "sentinel sentinel-user sentinel"
    echo "sentinel sentinel-pass $password"
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
# What is there is touched only when that one is whole, and kept beside it until the next time.
restore() {
  [ -f "$1" ] && [ -r "$1" ] || die "cannot read $1 as user $(id -u): nothing is changed (chmod 644 makes a file readable)"
  new=$data/restoring
  rm -rf "$new"
  mkdir "$new"
  server=
  trap 'code=$?; [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; rm -rf "$new"; exit $code' EXIT
  cp "$1" "$new/dump.rdb"
  socket=$new/redis.sock
  redis-server --port 0 --unixsocket "$socket" --dir "$new" --appendonly no --save '' --logfile /dev/null &
  server=$!
  at() { redis-cli -s "$socket" "$@" 2>/dev/null; }
  until at ping | grep -q PONG; do
    kill -0 "$server" 2>/dev/null ||
      die "$1 cannot be loaded, nothing is changed: is it a whole snapshot, of this version of Redis or an older one?"
    sleep 0.1
  done
  at config set appendonly yes >/dev/null
  is() { at info persistence | tr -d '\r' | grep -qx "$1"; }
  until is aof_rewrite_in_progress:0 && is aof_rewrite_scheduled:0; do
    kill -0 "$server" 2>/dev/null || die "Redis has ended while it wrote to $data, nothing is changed: is there room?"
    sleep 0.1
  done
  is aof_last_bgrewrite_status:ok || die "$data does not take the data, nothing is changed: is there room?"
  keys=$(at dbsize)
  at shutdown || true
  wait "$server" || true
  server=
  rm -rf "$data/replaced"
  mkdir "$data/replaced"
  for name in appendonlydir appendonly.aof dump.rdb; do
    [ ! -e "$data/$name" ] || mv "$data/$name" "$data/replaced/"
    [ ! -e "$new/$name" ] || mv "$new/$name" "$data/"
  done
  echo "$keys keys are restored; what was there before is in $data/replaced"
}

kind=${1:?redis, cluster, sentinel, check, cli or restore}
shift
case $kind in
  redis | cluster)
    port=${PORT:-6379}
    conf=$data/redis.conf
    users users.acl >"$data/users.acl"
    redis_conf
    exec redis-server "$conf"
    ;;
  sentinel)
    port=${PORT:-26379}
    conf=$data/sentinel.conf
    users sentinels.acl >"$data/sentinels.acl"
    sentinel_conf
    exec redis-server "$conf" --sentinel
    ;;
  check)
    port=${PORT:-6379}
    [ "${1:-}" != sentinel ] || port=${PORT:-26379}
    cli --user probe --pass any ping | grep -q PONG
    ;;
  cli)
    port=${PORT:-6379}
    [ ! -e "$data/sentinel.conf" ] || port=${PORT:-26379}
    REDISCLI_AUTH=$(secret redis_operator_password)
    export REDISCLI_AUTH
    cli --user operator "$@"
    ;;
  restore) restore "${1:?the snapshot to restore}" ;;
  *) die "unknown: $kind" ;;
esac
