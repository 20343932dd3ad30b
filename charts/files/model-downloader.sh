#!/bin/sh
# Brings the models of $MODEL_SPECS/models.list to $OLLAMA_MODELS: `pull`; waits until a puller has: `wait`; or checks that
# an image has them: `verify`. It runs in Ollama's own image, which has a shell and the ollama command and little else.
#
# A line of models.list is: key|name to pull|name to serve|digest of the pulled manifest, or empty|checksum of all of it.
# A model that is there is noted in $OLLAMA_MODELS/.model-management/KEY with that checksum and its manifest's, last of all:
# half a model is never noted, and one that has to be made differently, or that a pull of its name replaced, is made again.
#
# A pull tells in .model-management/.progress what it does, for the agents that have the volume too: lines of a word and what
# there is to say, up to the line `end`. It is written over in place and in one go, which a full volume allows.
set -u

mode=$1
list=$MODEL_SPECS/models.list
notes=$OLLAMA_MODELS/.model-management
progress=$notes/.progress
attempts=5
# What is told: the model in hand, the attempt, when its pull began, and how often one failed on this volume and why the last.
key= attempt=0 since=0 failures=0 word= error=

# The shell is the container's first process: without a trap it would not hear SIGTERM, and with one it hears it only
# between commands, so that whatever takes long runs in the background and is waited for.
server= watcher= job=
trap 'end; exit 143' TERM INT
in_background() {
  "$@" &
  job=$!
  wait $job
  set -- $?
  job=
  return "$1"
}

# Ends what runs. A pull that is cancelled has a moment to write down how far it came: one that is killed begins its parts anew.
end() {
  trap '' TERM INT
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
  [ -z "$job" ] || { kill "$job" 2>/dev/null && wait "$job"; }
  [ -n "$server" ] || return
  [ -z "$job" ] || sleep 1
  kill "$server" 2>/dev/null && wait "$server"
}

say() { echo "$(date -u +%FT%TZ) model-downloader: $*"; }
die() { say "$*"; end; exit 1; }

tell() {
  { printf '%-4095.4095s\n' "state $1
model $key
attempt $attempt
attempts $attempts
since $since
failures $failures
reason $word
error $(echo "$error" | tr -s '\n' ' ' | cut -c 1-2000)
end
" 1<>"$progress"; } 2>/dev/null
}

# Takes note of a failure: in one word, and in a sentence.
failed() {
  failures=$((failures + 1)) word=$1 error=$2
  tell failed
}
give_up() { failed "$1" "$2"; die "$2"; }

# The file of a model's manifest: host, namespace and tag default as Ollama's do.
manifest() {
  name=${1%:*} tag=${1##*:}
  case $1 in
    *:*/*) case ${1##*/} in *:*) ;; *) name=$1 tag=latest ;; esac ;;
    *:*) ;;
    *) name=$1 tag=latest ;;
  esac
  case $name in
    */*/*) ;;
    */*) name=registry.ollama.ai/$name ;;
    *) name=registry.ollama.ai/library/$name ;;
  esac
  echo "$OLLAMA_MODELS/manifests/$name/$tag"
}

sum_of() { sha256sum "$(manifest "$1")" 2>/dev/null | cut -d ' ' -f 1; }

noted() { [ -f "$(manifest "$3")" ] && [ "$(cat "$notes/$1" 2>/dev/null)" = "$2 $(sum_of "$3")" ]; }

# Room on the volume of the models.
room() {
  # shellcheck disable=SC2046 # a line of words
  set -- $(df -Ph "$OLLAMA_MODELS" | tail -n 1)
  echo "$4 of $2 left"
}

# What an error of `ollama pull` means to the one who reads this log. Sets $reason, $kind to that in one word, and $again when
# another try may help.
explain() {
  again=
  case $1 in
    *'no space left on device'*)
      kind=no_space reason="no space: the volume of $OLLAMA_MODELS is full ($(room)): raise cache.size of the server or sharedCache.size" ;;
    *'digest mismatch'*)
      kind=wrong_digest reason='wrong digest: what arrived is not what the manifest names; it was thrown away' again=yes ;;
    *'file does not exist'* | *'manifest unknown'* | *'not found'*)
      kind=no_such_model reason='no such model: the registry has none of this name and tag: check models.*.pull and modelRegistry.host' ;;
    *'invalid model name'*)
      kind=bad_name reason='no name of a model: write model:tag, namespace/model:tag or host/namespace/model:tag in models.*.pull' ;;
    *'unknown parameter'* | *'invalid '*' value'*)
      kind=bad_parameter reason='Ollama does not take a parameter of it: check models.*.parameters' ;;
    *'HTTP response to HTTPS client'*)
      kind=plain_http reason='the registry speaks plain HTTP: set modelRegistry.insecure, or give it a certificate' ;;
    *x509* | *certificate*)
      kind=certificate reason="the registry's certificate is not trusted: name what it is from in modelRegistry.caBundle, or correct it" ;;
    *unauthorized* | *denied*)
      kind=refused reason='the registry refuses access: check that the model is public, or use a mirror by modelRegistry.host' ;;
    *'no such host'* | *'server misbehaving'* | *'connection refused'* | *'no route to host'* | *'network is unreachable'* | *timeout* | *'connection reset'* | *EOF*)
      kind=no_route reason='no route: the registry does not answer: check DNS, network policies and modelRegistry' again=yes ;;
    *)
      kind=unexpected reason='unexpected' again=yes ;;
  esac
}

# Progress of a pull, a line every ten seconds: the last percentage that `ollama pull` drew.
watch() {
  while sleep 10; do
    percent=$(tr '\r' '\n' <"$1" 2>/dev/null | grep -o '[0-9]*%' | tail -n 1)
    say "$2: ${percent:-connecting}"
  done
}

pull() {
  key=$1 from=$2 served=$3 digest=$4 checksum=$5
  attempt=1 pause=2 since=$(date +%s)
  while :; do
    tell pulling
    say "$key: pulling $from (attempt $attempt of $attempts)"
    started=$(date +%s)
    # Without the lock, which it would keep for as long as its sleep lasts.
    watch "$HOME/pull.log" "$key: pulling $from" 9>&- &
    watcher=$!
    # shellcheck disable=SC2086 # the option is one word or none
    in_background ollama pull ${MODEL_REGISTRY_INSECURE:+--insecure} "$from" >"$HOME/pull.log" 2>&1
    status=$?
    kill $watcher 2>/dev/null
    wait $watcher 2>/dev/null
    watcher=
    [ $status -eq 0 ] && break
    said=$(tr '\r' '\n' <"$HOME/pull.log" | grep -i 'error' | tail -n 1)
    # Ollama says in its own log why a download stalls, and on the terminal only that it did.
    explain "$said $(grep -h 'no space left on device' "$HOME/serve.log" | tail -n 1)"
    failed "$kind" "$reason. Ollama says: ${said:-nothing, exit status $status}"
    say "$key: pulling $from failed: $error"
    [ -n "$again" ] || die "$key: another try now would not help; the next start tries again"
    [ $attempt -lt $attempts ] || die "$key: giving up after $attempts attempts; what has arrived is kept and the next start goes on from there"
    say "$key: trying again in $pause s; what has arrived is kept"
    in_background sleep $pause
    attempt=$((attempt + 1)) pause=$((pause * 2))
  done
  say "$key: pulled and verified by Ollama in $(($(date +%s) - started)) s"
  if [ -n "$digest" ]; then
    have=sha256:$(sum_of "$from")
    if [ "$have" != "$digest" ]; then
      ollama rm "$from" >/dev/null 2>&1
      give_up wrong_digest "$key: wrong digest: $from has the manifest $have, and models.$key.digest wants $digest: pull another tag, or correct the digest"
    fi
  fi
  tell building
  in_background ollama create "$served" -f "$MODEL_SPECS/$key.Modelfile" >"$HOME/create.log" 2>&1 || {
    said=$(tr '\r' '\n' <"$HOME/create.log" | grep -i 'error' | tail -n 1)
    explain "$said"
    give_up "$kind" "$key: building $served failed: $reason. Ollama says: $said"
  }
  echo "$checksum $(sum_of "$served")" >"$notes/.$key.$$" && mv "$notes/.$key.$$" "$notes/$key" || die "$key: cannot write to $notes: check the volume"
  word= error=
  say "$key: $served is on disk"
}

pull_all() {
  [ -d "$OLLAMA_MODELS" ] && [ -w "$OLLAMA_MODELS" ] || die "cannot write to $OLLAMA_MODELS: check the volume and its fsGroup"
  # One writer: two pulls of one blob into one folder corrupt it. The lock goes with the process, however that ends.
  exec 9>"$OLLAMA_MODELS/.model-management.lock"
  flock -n 9 || {
    say 'another puller is writing to this volume; waiting for it to end'
    in_background flock 9
  }
  # A volume too full for this fails the pull, which says so.
  mkdir -p "$notes" 2>/dev/null
  failures=$(sed -n '/^end$/q; s/^failures \([0-9]*\)$/\1/p' "$progress" 2>/dev/null)
  failures=${failures:-0}
  tell starting
  ollama serve >"$HOME/serve.log" 2>&1 &
  server=$!
  tries=0
  until ollama list >/dev/null 2>&1; do
    kill -0 $server 2>/dev/null || give_up unexpected "ollama serve ended: $(tail -n 1 "$HOME/serve.log")"
    tries=$((tries + 1))
    [ $tries -lt 60 ] || give_up unexpected 'ollama serve does not answer after a minute'
    sleep 1
  done
  while IFS='|' read -r key from served digest checksum <&3; do
    if noted "$key" "$checksum" "$served"; then
      say "$key: $served is on disk already"
    else
      pull "$key" "$from" "$served" "$digest" "$checksum"
    fi
  done 3<"$list"
  key= attempt=0
  tell done
  kill $server
  wait $server 2>/dev/null
}

wait_all() {
  while IFS='|' read -r key _ served _ checksum; do
    waited=0
    until noted "$key" "$checksum" "$served"; do
      [ $((waited % 30)) -ne 0 ] || say "$key: waiting for $served to be pulled to the shared volume by the Job model-management-puller-…"
      in_background sleep 2
      waited=$((waited + 2))
    done
    say "$key: $served is on disk"
  done <"$list"
}

verify_all() {
  while IFS='|' read -r key _ served _ _; do
    [ -f "$(manifest "$served")" ] ||
      die "$key: the image has no model $served ($(manifest "$served") is missing): build it with this model, or correct cache.image.reference"
    say "$key: $served is in the image"
  done <"$list"
}

case $mode in
  pull) pull_all ;;
  wait) wait_all ;;
  verify) verify_all ;;
  *) die "no such mode: '$mode': call it with pull, wait or verify" ;;
esac
