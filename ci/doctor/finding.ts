import type { Look } from './look.ts';
import type { Source } from './sources.ts';

/**
 * `ok`: as it should be; `note`: not needed, or on its way; `warning`: serves, but not as it should; `problem`: does not;
 * `unknown`: could not be looked at.
 */
export type Level = 'ok' | 'note' | 'warning' | 'problem' | 'unknown';

/** Something to do, and the command that does it or shows more. */
export interface Fix {
  to: string;
  run?: string;
}

/** What a check found, in words for whoever is on call. */
export interface Finding {
  level: Level;
  /** What was seen, in one line. */
  what: string;
  /** What it means for the fleet. */
  why?: string;
  fixes?: Fix[];
  /** Where more is written. */
  more?: string;
}

export const groups = {
  cluster: 'Cluster: what the release stands on',
  release: 'Release: its objects',
  fleet: 'Fleet: servers, models and gateways',
  speed: 'Speed: why answers are slow',
} as const;

export type Group = keyof typeof groups;

/** Something that can be wrong. It judges what was seen, and asks nothing itself. */
export interface Check {
  /** Short and unique: what it is called in the report. */
  name: string;
  group: Group;
  /** What it has to have seen; where that was refused it is not judged. */
  needs?: readonly Source[];
  /** At least one finding. */
  judge(look: Look): Finding[];
}

export const ok = (what: string): Finding => ({ level: 'ok', what });
export const note = (what: string): Finding => ({ level: 'note', what });

/** What was found, or that there was nothing to find. */
export const orElse = (findings: Finding[], fine: Finding): Finding[] => (findings.length > 0 ? findings : [fine]);

/** A report's line. */
export interface Judged extends Finding {
  check: string;
  group: Group;
}

/** A check that comes to grief over something that nobody has thought of takes no other with it. */
function attempt(check: Check, look: Look): Finding[] {
  try {
    return check.judge(look);
  } catch (error) {
    return [{ level: 'unknown', what: `not looked at, by a fault of doctor's own: ${(error as Error).message}` }];
  }
}

/** Judges everything. A check whose objects may not be read says so and nothing else. */
export function judge(checks: readonly Check[], look: Look): Judged[] {
  return checks.flatMap((check) => {
    const refused = (check.needs ?? []).filter((source) => look.isRefused(source));
    const findings: Finding[] =
      refused.length > 0
        ? [{ level: 'unknown', what: `not looked at: you may not read ${refused.join(' and ')} (see "rights")` }]
        : attempt(check, look);
    return findings.map((finding) => ({ check: check.name, group: check.group, ...finding }));
  });
}
