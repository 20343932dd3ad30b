import { styleText } from 'node:util';
import { type Group, groups, type Judged, type Level } from './finding.ts';
import type { Look } from './look.ts';

type Style = Parameters<typeof styleText>[0];

/** A mark, a word and a colour: any one of them says it. */
const marks: Record<Level, { mark: string; word: string; style: Style }> = {
  ok: { mark: '✓', word: 'ok', style: 'green' },
  note: { mark: '–', word: 'note', style: 'dim' },
  warning: { mark: '!', word: 'warning', style: 'yellow' },
  problem: { mark: '✗', word: 'problem', style: 'red' },
  unknown: { mark: '?', word: 'unknown', style: 'magenta' },
};

export interface Paper {
  /** Columns after which text is wrapped; commands never are, so that they can be copied. */
  width: number;
  /** Whether it may be coloured. */
  colour: boolean;
}

/** What a terminal, or whatever standard output is, may be given. */
export function paperOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Paper {
  const colour = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  return { width: Math.min(120, Math.max(60, stream.columns || 120)), colour };
}

const names = Object.keys(groups) as Group[];

/** How many findings there are of each level. */
export function tally(findings: readonly Judged[]): Record<Level, number> {
  const counts: Record<Level, number> = { ok: 0, note: 0, warning: 0, problem: 0, unknown: 0 };
  for (const { level } of findings) counts[level] += 1;
  return counts;
}

/** The report for people: a line for each finding, and for those that want something done, what. */
export function report(look: Look, findings: readonly Judged[], paper: Paper): string {
  const paint = (style: Style, text: string) =>
    paper.colour ? styleText(style, text, { validateStream: false }) : text;
  const widest = Math.max(...findings.map(({ check }) => check.length));
  const lines = [headline(look), ''];
  for (const group of names) {
    const own = findings.filter((finding) => finding.group === group);
    if (own.length === 0) continue;
    lines.push(paint('bold', groups[group]));
    for (const finding of own) lines.push(...describe(finding, widest, paper, paint));
    lines.push('');
  }
  lines.push(...summary(look, findings, paint));
  return lines.join('\n');
}

function headline({ namespace, release, where }: Look): string {
  const what = release === undefined ? `namespace ${namespace}` : `release ${release} in namespace ${namespace}`;
  return `${what} of ${where}; looking changes nothing`;
}

type Paint = (style: Style, text: string) => string;

/** Between mark, word and name, and before what belongs to a finding. */
const [gap, indent] = ['  ', ' '.repeat(13)];

function describe(
  { check, level, what, why, fixes = [], more }: Judged,
  widest: number,
  paper: Paper,
  paint: Paint,
): string[] {
  const { mark, word, style } = marks[level];
  const head = `  ${mark} ${word.padEnd(7)}${gap}${check.padEnd(widest)}${gap}`;
  const [first = '', ...rest] = wrap(what, paper.width - head.length);
  const lines = [paint(style, head) + first, ...rest.map((line) => ' '.repeat(head.length) + line)];
  const add = (name: string, text: string) => {
    const label = `${indent}${name.padEnd(4)}${gap}`;
    const [first = '', ...rest] = wrap(text, paper.width - label.length);
    lines.push(paint('dim', label) + first, ...rest.map((line) => ' '.repeat(label.length) + line));
  };
  if (why) add('why', why);
  for (const { to, run } of fixes) {
    add('fix', run ? `${to}:` : to);
    if (run) lines.push(`${indent}        ${paint('bold', run)}`);
  }
  if (more) add('more', more);
  return lines;
}

function summary({ release, namespace, commands }: Look, findings: readonly Judged[], paint: Paint): string[] {
  const counts = tally(findings);
  const say = (level: Level, one: string, many: string) =>
    counts[level] > 0 ? [paint(marks[level].style, `${counts[level]} ${counts[level] === 1 ? one : many}`)] : [];
  const parts = [
    ...say('problem', 'problem', 'problems'),
    ...say('warning', 'warning', 'warnings'),
    ...say('unknown', 'not looked at', 'not looked at'),
    `${counts.ok + counts.note} fine`,
  ];
  const lines = [parts.join(', ')];
  if (release === undefined) {
    lines.push(
      `No release of model-management is in the namespace ${namespace}: name another by --namespace, or install one:`,
      `  ${commands.helm('upgrade', '--install', commands.release, './charts', '--create-namespace', '--values', 'my.yaml')}`,
    );
  }
  return lines;
}

/** Text in lines of at most so many columns, broken at blanks; a longer word has a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line];
}

/** The report for programs. */
export function asJson(look: Look, findings: readonly Judged[]): string {
  const { where, namespace, release, version, helm } = look;
  const values = {
    cluster: where,
    namespace,
    release: release ?? null,
    revision: helm?.revision ?? null,
    kubernetes: version,
  };
  return JSON.stringify({ ...values, counts: tally(findings), findings }, null, 2);
}
