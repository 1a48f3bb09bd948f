#!/usr/bin/env bash
# Starts a command as the ranks of one run on this host (docs/scale.md): ranks.sh N COMMAND …, such as
#   ranks.sh 2 l2t-native transfer --method scratch --target vgg9_bn --data photos --out runs/two
# It needs bash 5.1. SIGINT, SIGTERM and SIGHUP reach every rank. If a rank fails, the others end, too, after 20 s by
# SIGKILL, and the script returns its exit code.
set -um # m: each rank has its own process group, so that a Ctrl-C reaches it once: from this script
[[ $# -ge 2 && $1 =~ ^[1-9][0-9]{0,2}$ ]] || { echo "usage: ${0##*/} N COMMAND …" >&2 && exit 2; }
cores=$(nproc)
export WORLD_SIZE=$1 LOCAL_WORLD_SIZE=$1 MASTER_ADDR=127.0.0.1 MASTER_PORT=${MASTER_PORT:-$((15000 + RANDOM % 15000))}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores > $1 ? cores / $1 : 1))}

declare -A running=()
passed='' code=0 timer=''
send() { for pid in "${!running[@]}"; do kill -s "$1" -- "-$pid"; done 2>/dev/null; }
for signal in INT TERM HUP; do trap "passed=yes; send $signal" "$signal"; done
for ((rank = 0; rank < WORLD_SIZE; rank++)); do
  [[ $passed ]] && break
  # The subshell outlives a signal, to return the exit code of the rank.
  (trap : INT TERM HUP && RANK=$rank LOCAL_RANK=$rank "${@:2}") </dev/null &
  running[$!]=$rank
done

while ((${#running[@]})); do
  wait -n -p ended "${!running[@]}" $timer
  status=$?
  if [[ ! ${ended-} ]]; then
    ((status == 127)) || continue # a signal came, and was passed on
    code=${code/#0/1} && break    # somebody killed the subshell of a rank
  fi
  [[ $ended == "$timer" ]] && break
  unset "running[$ended]"
  ((status == 0 || code)) && continue
  code=$status
  [[ $passed ]] || send TERM # its second signal would end a rank before it has saved
  send CONT
  sleep 20 &
  timer=$!
done
send KILL # ranks that did not end in time
[[ ! $timer ]] || kill "$timer" 2>/dev/null
exit "$code"
