#!/bin/sh
# Makes a cluster of the nodes named, three masters and a replica for each, unless they are one already.
#   form-cluster.sh host:port host:port …
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# CLUSTER MEET takes addresses, no names.
addresses=
for node in "$@"; do
  host=${node%:*} port=${node##*:}
  until PORT=$port "$here/entrypoint.sh" cli -h "$host" ping >/dev/null 2>&1; do sleep 0.2; done
  address=$(getent hosts "$host" | awk '{ print $1; exit }')
  addresses="$addresses $address:$port"
done

first=${1%:*} port=${1##*:}
state() { PORT=$port "$here/entrypoint.sh" cli -h "$first" cluster info; }
if ! state | grep -q cluster_slots_assigned:16384; then
  # shellcheck disable=SC2086
  PORT=$port "$here/entrypoint.sh" cli --cluster create $addresses --cluster-replicas 1 --cluster-yes
fi
until state | grep -q cluster_state:ok; do sleep 0.2; done
