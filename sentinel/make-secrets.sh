#!/bin/sh
# Makes the passwords and keys of the deployment, one file each, where docker-compose.yml looks for them.
#   sentinel/make-secrets.sh [folder]     default: secrets
# What is there already stays. The folder is for you alone; the files in it are read by the users of the containers.
set -eu
folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random() {
  head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

keep() {
  [ ! -e "$folder/$1" ] || return 0
  (umask 077 && printf %s "$2" >"$folder/$1")
  chmod 644 "$folder/$1"
  echo "made $folder/$1"
}

for name in redis_password redis_replica_password redis_sentinel_password redis_operator_password redis_exporter_password \
  mongo_root_password mongo_password session_secret jwt_secret metrics_token ops_token ops_read_token grafana_password; do
  keep "$name" "$(random 32)"
done
# MongoDB takes letters and digits of base64 for the key of a replica set; hexadecimal ones are such.
keep mongo_keyfile "$(random 256)"
keep mongodb_url "mongodb://sluice:$(cat "$folder/mongo_password")@mongo:27017/chat?replicaSet=rs0&authSource=chat"
# Where alerts are told; this address is nobody's until you write your own.
keep alert_webhook "http://127.0.0.1:9/nobody-is-told-until-secrets/alert_webhook-holds-an-address"

# redis_exporter wants its password once for every server that it is asked for.
servers=
for server in redis:6379 redis-2:6379 redis-3:6379 sentinel-1:26379 sentinel-2:26379 sentinel-3:26379 \
  cluster-1:6379 cluster-2:6379 cluster-3:6379 cluster-4:6379 cluster-5:6379 cluster-6:6379; do
  servers="$servers,\"redis://$server\":\"$(cat "$folder/redis_exporter_password")\""
done
keep redis_exporter.json "{${servers#,}}"
