#!/bin/sh
# Makes a copy of what was collected in $BACKUP, and of the files that $BACKUP/files names, with restic. What a run leaves is called
# unverified until the repository has been looked through: nothing that is torn is ever taken for a copy, and none is given up for it.
# Leaves what the repository takes in $BACKUP_STATS.
set -u

say() { echo "$(date -u +%FT%TZ) backup: $*"; }
die() { say "$*"; exit 1; }
# Others may be at the same repository.
restic() { command restic --retry-lock 5m "$@"; }

restic cat config >/dev/null
case $? in
  0) ;;
  10) say 'no repository yet: making one'; restic init || die 'cannot make a repository: see above' ;;
  12) die "the password is not that of the repository: see the key RESTIC_PASSWORD of the Secret $BACKUP_SECRET" ;;
  *) die 'the repository cannot be reached: see above' ;;
esac
# Those of runs that ended long ago; one that somebody holds stays.
restic unlock || die 'the repository cannot be unlocked: see above'

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
