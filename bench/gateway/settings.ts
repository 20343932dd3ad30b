import { parseArgs } from 'node:util';
import { type CandidateName, candidateNames } from './candidates.ts';

const partNames = ['rates', 'capacity', 'streams', 'fairness', 'soak', 'profile'] as const;
export type PartName = (typeof partNames)[number];

/** What is measured, and for how long. */
export interface Settings {
  parts: PartName[];
  candidates: CandidateName[];
  /** Rounds in which the candidates take turns. */
  rounds: number;
  /** Length of each of their turns. */
  seconds: number;
  minutesOfSoak: number;
  /** Time between two chunks of a stream where many are open, in ms. */
  intervalMs: number;
}

const usage =
  `usage: npm run bench -- gateway [--only ${partNames.slice(0, 5).join('|')}] [--candidates ${candidateNames.join()}] ` +
  '[--rounds N] [--seconds N] [--interval MS] [--soak] [--minutes N] [--profile]; names have commas between';

/** Throws in one line what is wrong with the arguments. */
export function parseSettings(args: string[]): Settings {
  const values = (() => {
    try {
      return parseArgs({
        args,
        options: {
          only: { type: 'string' },
          candidates: { type: 'string' },
          rounds: { type: 'string', default: '5' },
          seconds: { type: 'string', default: '5' },
          interval: { type: 'string', default: '500' },
          soak: { type: 'boolean', default: false },
          minutes: { type: 'string', default: '10' },
          profile: { type: 'boolean', default: false },
        },
      }).values;
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${usage}`);
    }
  })();
  const parts: PartName[] = values.only ? names('--only', values.only, partNames) : defaultParts(values);
  const candidates = values.candidates ? names('--candidates', values.candidates, candidateNames) : undefined;
  return {
    parts,
    // A profile shows one process well; two of them share the cores.
    candidates: candidates ?? (parts.includes('profile') ? ['gateway'] : [...candidateNames]),
    rounds: number('--rounds', values.rounds, 1, 100),
    seconds: number('--seconds', values.seconds, 0.5, 60),
    intervalMs: number('--interval', values.interval, 10, 10_000),
    minutesOfSoak: number('--minutes', values.minutes, 0.1, 60),
  };
}

function defaultParts({ soak, profile }: { soak: boolean; profile: boolean }): PartName[] {
  if (profile) return ['profile'];
  const short: PartName[] = ['rates', 'capacity', 'streams', 'fairness'];
  return soak ? [...short, 'soak'] : short;
}

function names<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  const given = text.split(',');
  const unknown = given.find((name) => !known.includes(name as T));
  if (unknown !== undefined) throw new Error(`${option}: ${JSON.stringify(unknown)} is none of ${known.join(', ')}`);
  return known.filter((name) => given.includes(name));
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new Error(`${option}: ${JSON.stringify(text)} is not a number from ${least} to ${most}`);
  }
  return value;
}
