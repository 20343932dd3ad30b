/** A value of the chart that an earlier release had under another name. */
export interface Renamed {
  /** Its old path, with `*` for any key of a map. One under `serverDefaults` stands for that of each server, too. */
  from: string;
  /** The path that it has now. */
  to: string;
}

/**
 * Every value that was renamed since the first release: the schema refuses the old name with the new one. A test holds this against the
 * schema of the previous release (charts/tests/previous), so that none is forgotten.
 */
export const renamed: readonly Renamed[] = [];
