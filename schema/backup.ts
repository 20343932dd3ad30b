import type { TimeZone } from './autoscaling.ts';
import type { ByteQuantity, OptionalObjectName } from './types.ts';
import type { Image, Resources } from './values.ts';

/** A CronJob that keeps copies with restic. */
export interface Backup {
  /** Whether there is one. */
  enabled: boolean;
  /** When it runs, as cron writes it. */
  schedule: CronSchedule;
  /** Time zone of that. */
  timeZone: TimeZone;
  /** Image with restic (0.17 or later) and a shell. */
  image: Image;
  /**
   * Where the copies are, as restic writes it, such as `s3:https://s3.amazonaws.com/BUCKET/PATH`, `gs:BUCKET:/PATH` or
   * `azure:CONTAINER:/PATH`; empty for a claim.
   * @pattern ^((s3|gs|azure|b2|swift|rest|sftp):[!-~]+)?$
   * @maxLength 1024
   */
  repository: string;
  /** The claim that the repository is on where it is at no address. */
  claim: BackupClaim;
  /**
   * Name of the Secret whose keys restic gets as its environment: RESTIC_PASSWORD, and what the cloud asks for, such as
   * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. They are files in /etc/restic as well.
   */
  existingSecret: OptionalObjectName;
  /** How many copies are kept. */
  keep: BackupKeep;
  /**
   * Part of the repository, in percent, that each run reads again to see that it is whole.
   * @asType integer
   * @minimum 1
   * @maximum 100
   */
  checkPercent: number;
  /** Whether models that can be pulled again are copied as well, from the shared claim. */
  baseModels: boolean;
  /** What its pod asks for. */
  resources: Resources;
  /**
   * Longest time in seconds that a run may take.
   * @asType integer
   * @minimum 60
   * @maximum 604800
   */
  timeoutSeconds: number;
  /**
   * Age in hours of the last good copy from where on there is an alert.
   * @asType integer
   * @minimum 1
   * @maximum 8760
   */
  alertAfterHours: number;
}

/** A claim for copies: it has to outlive the namespace to be of use when that is lost. */
export interface BackupClaim {
  /** Its size. */
  size: ByteQuantity;
  /** Its storage class; empty for the cluster's default. */
  storageClass: OptionalObjectName;
  /** Name of a claim that exists already, used instead of making one; empty for none. */
  existingClaim: OptionalObjectName;
}

/** Of all copies, the last of so many days, weeks and months. */
export interface BackupKeep {
  /**
   * Days.
   * @asType integer
   * @minimum 1
   * @maximum 3650
   */
  daily: number;
  /**
   * Weeks.
   * @asType integer
   * @minimum 0
   * @maximum 520
   */
  weekly: number;
  /**
   * Months.
   * @asType integer
   * @minimum 0
   * @maximum 120
   */
  monthly: number;
}

/**
 * When a CronJob runs: minute, hour, day of the month, month, day of the week; or `@daily` and its like.
 * @pattern ^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[-0-9A-Za-z*,/?]+( [-0-9A-Za-z*,/?]+){4})$
 * @maxLength 100
 */
export type CronSchedule = string;
