# What the pages ask of `docker compose`, on a machine without containers: a file in $CONTAINERS stands for each service,
# says who it is there (variables; `data`, its /data) and where it begins. What starts or stops one is asked of $ASK.
set -eu

# A command inside a container, whose files are elsewhere here.
inside() {
  if [ ! -e "$CONTAINERS/$1" ]; then
    echo "no such service: $1" >&2
    exit 1
  fi
  . "$CONTAINERS/$1"
  shift
  local words=() word
  for word in "$@"; do
    case $word in
      /data/*) word=$data/${word#/data/} ;;
      /etc/sluice/*) word=$ROOT/sentinel/${word#/etc/sluice/} ;;
      "${mounted:-/}") word=$mount ;;
    esac
    words+=("$word")
  done
  exec "${words[@]}"
}

# Copies keep their rights.
copy() {
  . "$CONTAINERS/${1%%:*}"
  cp -p "$data/${1#*:/data/}" "$2"
}

# --rm, -T, -v file:path:ro and --entrypoint, and no others.
once() {
  local entry=()
  while [ "${1#-}" != "$1" ]; do
    case $1 in
      -v)
        shift
        IFS=: read -r mount mounted _ <<<"$1"
        # The user of a container is not the owner of the files of this machine.
        [ -n "$(find "$mount" -maxdepth 0 -perm -o=r)" ] || mount=$mount-is-not-for-others
        ;;
      --entrypoint)
        shift
        entry=("$1")
        ;;
    esac
    shift
  done
  local name=$1
  shift
  inside "$name" "${entry[@]}" "$@"
}

case "$*" in
  "compose exec -T "*) shift 3 && inside "$@" ;;
  "compose cp "*) shift 2 && copy "$@" ;;
  "compose run "*) shift 2 && once "$@" ;;
  *) exec curl -sS --fail-with-body --data-binary "docker $*" "$ASK" ;;
esac
