import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { tool } from '../../ci/tools/tools.ts';
import type { Candidate } from './candidates.ts';
import { type Run, runMortal } from './job.ts';

export interface Load {
  /** Requests in a second, sent whether or not those before were answered. */
  rate: number;
  seconds: number;
  /** When a request counts as failed. */
  timeoutSeconds: number;
  headers?: Record<string, string>;
}

/** What clients saw, with times in ms. */
export interface Seen {
  requests: number;
  answered: number;
  errors: number;
  p50: number;
  p99: number;
  max: number;
  /** Requests in a second that were really sent. */
  rate: number;
  /** From the first request to the last answer. */
  seconds: number;
  /** Answers by their status; 0 for those that never came. */
  statuses: Record<string, number>;
  /** What went wrong, each once. */
  problems: string[];
}

/** Different conversations, so that none of them decides where requests go. */
const conversations = 64;
/** Requests open at a time: when as many are, the load is more than is held. */
const mostOpen = 2000;

const system =
  'You analyse contracts for a company of medium size. Say what a clause means in plain words, which risks it holds for ' +
  'the supplier, and what to ask for instead. Name the clause you speak of. When the text does not say, say that it does ' +
  'not say. Answer in at most 120 words.';

let attacks = 0;

/** Sends chats to a candidate at a rate. */
export async function attack(run: Run, candidate: Candidate, load: Load): Promise<Seen> {
  const vegeta = await tool('vegeta');
  const file = path.join(run.folder, `attack-${attacks++}`);
  writeFileSync(`${file}.json`, targets(candidate, load.headers));
  const args = ['-targets', `${file}.json`, '-format', 'json', '-output', `${file}.bin`, '-http2=false'];
  const limits = ['-timeout', `${load.timeoutSeconds}s`, '-max-workers', `${mostOpen}`, '-max-body', '0'];
  const pace = ['-rate', `${load.rate}/1s`, '-duration', `${load.seconds}s`];
  await runMortal(run, vegeta, ['attack', ...args, ...limits, ...pace]);
  const report = await runMortal(run, vegeta, ['report', '-type', 'json', `${file}.bin`]);
  await rm(`${file}.bin`);
  return seen(JSON.parse(report));
}

function targets({ url, path, models, headers }: Candidate, more: Record<string, string> = {}): string {
  const all = { 'content-type': 'application/json', ...headers, ...more };
  const header = Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]]));
  const lines = Array.from({ length: conversations }, (_, index) => {
    const content = `Question ${index}: what does the clause on force majeure mean for the supplier?`;
    const messages = [
      { role: 'system', content: system },
      { role: 'user', content },
    ];
    const body = JSON.stringify({ model: models[index % models.length], messages, stream: false });
    return JSON.stringify({ method: 'POST', url: url + path, header, body: Buffer.from(body).toString('base64') });
  });
  return `${lines.join('\n')}\n`;
}

interface VegetaReport {
  latencies: Record<'50th' | '99th' | 'max', number>;
  requests: number;
  rate: number;
  /** From the first request to the last, and from there to the last answer. */
  duration: number;
  wait: number;
  success: number;
  status_codes: Record<string, number>;
  errors: string[];
}

/** Its times are nanoseconds. */
export function seen(report: VegetaReport): Seen {
  const { latencies, requests, rate, duration, wait, success, status_codes, errors } = report;
  const ms = (nanoseconds: number) => nanoseconds / 1e6;
  const answered = Math.round(success * requests);
  return {
    requests,
    answered,
    errors: requests - answered,
    p50: ms(latencies['50th']),
    p99: ms(latencies['99th']),
    max: ms(latencies.max),
    rate,
    seconds: (duration + wait) / 1e9,
    statuses: status_codes,
    problems: errors,
  };
}
