# What a machine does for cgroup-v2.machine.test.ts, which sets the variables: each step prints lines that begin with its
# name, the last of which is its exit status.
step() {
  name=$1
  shift
  { "$@" 2>&1; echo $? > /run/status; echo "exit $(cat /run/status)"; } </dev/null | sed --unbuffered "s/^/$name| /"
}

# What is on this machine, a line each: what is there before `up` is all that may be there after `down`.
state() {
  awk '{ print "mount", $5 }' /proc/self/mountinfo
  find /sys/fs/cgroup -mindepth 1 -type d -printf 'group %p\n'
  ip -oneline link | awk '{ print "link", $2 }'
  nft list tables | sed 's/^/rules /'
  lsns --noheadings --output TYPE,NS > /run/namespaces
  sort --unique /run/namespaces | sed 's/^/namespace /'
  # Not the kernel's own.
  ps --ppid 2 --pid 2 --deselect --format comm= > /run/processes
  sort /run/processes | sed 's/^/process /'
  find "$(dirname "$STATE")" -mindepth 1 -maxdepth 2 | sed 's/^/state /'
}

pods() { "$KUBECTL" --namespace model-management get pods --output "jsonpath=$1"; }

ids() {
  each='{.name} {.containerID}{"\n"}{end}'
  pods "{range .items[*].status.containerStatuses[*]}$each{range .items[*].status.initContainerStatuses[*]}$each"
}

limits() {
  each='{.name} {.resources.limits.memory} {.resources.limits.cpu}{"\n"}{end}'
  pods "{range .items[*].spec.containers[*]}$each{range .items[*].spec.initContainers[*]}$each"
}

# What the kernel holds each container to: a group is named by its container's id.
kernel() {
  find /sys/fs/cgroup/model-management -type d -regex '.*/[0-9a-f]+' | while read -r group; do
    echo "containerd://$(basename "$group") $(cat "$group/memory.max" "$group/cpu.max" | tr '\n' ' ')"
  done
}

# A pod that takes more memory than it may.
over() {
  "$KUBECTL" create --filename - <<POD
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "over"}, "spec": {"restartPolicy": "Never", "containers": [{
  "name": "over", "image": "$OLLAMA", "imagePullPolicy": "Never", "command": ["tail", "/dev/zero"],
  "resources": {"limits": {"memory": "64Mi", "cpu": "500m"}}}]}}
POD
  "$KUBECTL" wait --for 'jsonpath={.status.phase}=Failed' --timeout 600s pod/over
  "$KUBECTL" get pod over --output 'jsonpath={range .status.containerStatuses[0].state.terminated}{.reason} {.exitCode}{end}{"\n"}'
}

# The clusters of the host are not this machine's, and its first file system is no place for an overlay of containers.
mkdir -p "$(dirname "$STATE")"
mount -t tmpfs state "$(dirname "$STATE")"
cd "$ROOT" || exit 1

step hierarchies awk '$0 ~ / - cgroup/ { print $(NF - 2), $5 }' /proc/self/mountinfo
step before state
step up npm run up
[ "$(cat /run/status)" = 0 ] || exit
step status npm run status
step ids ids
step limits limits
step kernel kernel
step over over
step between state
step down npm run down
step after state
