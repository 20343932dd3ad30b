#!/bin/sh
# Makes a copy of what was collected in $BACKUP, and of the files that $BACKUP/files names, with restic. What a run leaves is called
# unverified until the repository has been looked through: nothing that is torn is ever taken for a copy, and none is given up for it.
# Leaves what the repository takes in $BACKUP_STATS.
set -u

say() { echo "$(date -u +%FT%TZ) backup: $*"; }
die() { say "$*"; exit 1; }

# A signal to this shell, the pod's first process, reaches nothing that it runs by itself, and restic gives up its lock when told to end.
child=
run() {
  (exec "$@") &
  child=$!
  wait "$child"
}
trap 'kill $child 2>/dev/null; wait $child; die "told to end; the copies from before stay"' TERM
# Others may be at the same repository.
restic() {
  run restic --retry-lock 5m "$@"
  status=$?
  [ "$status" -le 128 ] || die "restic was killed (status $status), as where it takes more memory than backup.resources; the copies from before stay"
  [ "$status" -ne 11 ] || die 'somebody else is at the repository: see above; a lock that nobody holds any more counts for half an hour'
  return "$status"
}

# restic itself asks a store that refuses its credentials for a quarter of an hour.
run timeout 120 restic cat --no-lock config >/dev/null
case $? in
  0) ;;
  10) say 'no repository yet: making one'; restic init || die 'cannot make a repository: see above' ;;
  12) die "the password is not that of the repository: see the key RESTIC_PASSWORD of the Secret $BACKUP_SECRET" ;;
  *) die "the repository cannot be opened: see above; what restic asks it with is in the Secret $BACKUP_SECRET" ;;
esac

# A run that was killed leaves its lock, by the name of its pod, and restic cannot know that that has ended. One that anybody else may hold
# stays, with all others, until restic itself takes it for one of a run of long ago.
held=$(restic list --quiet --no-lock locks) || die 'the locks of the repository cannot be read: see above'
remove=--remove-all
for lock in $held; do
  host=$(restic cat --quiet --no-lock lock "$lock" | grep '"hostname"')
  host=${host#*: \"}
  grep -qxF "${host%\"*}" "$BACKUP/ended" || remove=
done
[ -n "$held" ] || remove=
restic unlock --quiet $remove || die 'the repository cannot be unlocked: see above'

say 'copying'
restic backup --quiet --host "$BACKUP_RELEASE" --group-by host --tag unverified --files-from-raw "$BACKUP/files" "$BACKUP" ||
  die "not everything could be copied (status $?): see above; the copies from before stay"

say "reading $BACKUP_CHECK_PERCENT% of the repository again"
restic check --quiet --read-data-subset="$BACKUP_CHECK_PERCENT%" ||
  die 'the repository is damaged: see above, and docs/backup.md; nothing is taken away from it'

restic tag --quiet --host "$BACKUP_RELEASE" --tag unverified --set verified latest || die 'the copy cannot be called verified: see above'
# What runs left that were cut off, and then what is older than is to be kept.
restic forget --quiet --host "$BACKUP_RELEASE" --tag unverified --unsafe-allow-remove-all || die 'remains cannot be taken away: see above'
restic forget --quiet --host "$BACKUP_RELEASE" --tag verified --group-by host --prune \
  --keep-last 1 --keep-daily "$BACKUP_KEEP_DAILY" --keep-weekly "$BACKUP_KEEP_WEEKLY" --keep-monthly "$BACKUP_KEEP_MONTHLY" ||
  die 'old copies cannot be taken away: see above'
restic stats --quiet --mode raw-data --json >"$BACKUP_STATS" || die 'the size of the repository cannot be told: see above'
say 'done'
