#!/bin/sh
# Makes certificates for trying TLS out: an authority, and one certificate for every Redis and sentinel.
#   sentinel/make-certificates.sh [folder] [name …]     default: certificates, and the names in docker-compose.yml
# What the containers see is in <folder>/tls; the key of the authority stays beside it, for you alone.
# For development. In production, have your own authority sign them; the names of the files stay the same.
set -eu
folder=${1:-certificates}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- redis redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3 \
  cluster-1 cluster-2 cluster-3 cluster-4 cluster-5 cluster-6
names=DNS:localhost,IP:127.0.0.1
for name in "$@"; do names=$names,DNS:$name; done

mkdir -p "$folder/tls"
chmod 700 "$folder"
cd "$folder"
rm -f ca.key
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=sluice development" \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout ca.key -out tls/ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=redis" \
  -keyout redis.key -out redis.csr 2>/dev/null
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$names" >redis.ext
openssl x509 -req -in redis.csr -CA tls/ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile redis.ext \
  -out redis.pem 2>/dev/null
mv -f redis.pem redis.key tls
rm -f redis.csr redis.ext ca.srl tls/ca.srl
# The servers run as users of their own, and read the files through the folder of their container.
chmod 755 tls
chmod 444 tls/ca.pem tls/redis.pem tls/redis.key
chmod 400 ca.key
echo "made $folder/tls/ca.pem, $folder/tls/redis.pem and $folder/tls/redis.key for $names"
