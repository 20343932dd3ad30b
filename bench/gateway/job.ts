import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnMortal } from '../../ci/testing/mortal.ts';
import { lastLines } from '../../ci/tools/logged.ts';
import { cpuSeconds, killer, memoryMB, openSockets } from './usage.ts';

/** What one run of the benchmark shares. */
export interface Run {
  /** Aborted when the run is to end. */
  signal: AbortSignal;
  /** Its files; gone with it. */
  folder: string;
}

/** Begins a run, which ends when this process is told to stop; its folder is gone when it is disposed of. */
export async function beginRun(): Promise<Run & AsyncDisposable> {
  const stop = new AbortController();
  // What was started has to end too, so this process doesn't do so at once; a second signal ends it anyhow.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  }
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-bench-'));
  return { signal: stop.signal, folder: folder.path, [Symbol.asyncDispose]: () => folder.remove() };
}

/** Ends a wait when the run ends, with the reason why. */
export async function pause(run: Run, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal: run.signal }).catch(() => run.signal.throwIfAborted());
}

/** How long a process may take to end by itself, in ms. */
const patienceMs = 5000;

let started = 0;

/** A process in the background, with whatever it starts, until it is disposed of. */
export class Job implements AsyncDisposable {
  readonly name: string;
  /** All that it says. */
  readonly log: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** The environment is this one's, and what is given. */
  constructor(run: Run, name: string, command: string, args: string[], env: NodeJS.ProcessEnv) {
    this.name = name;
    this.log = path.join(run.folder, `${name.replaceAll(' ', '-')}-${started++}.log`);
    // A file takes what is written as fast as the container runtime would, and needs nobody to read it.
    const file = openSync(this.log, 'a');
    this.#process = spawnMortal(command, args, { stdio: ['ignore', file, file], cwd: run.folder, env });
    closeSync(file);
    this.#ended = once(this.#process, 'exit').catch(() => {});
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get cpuSeconds(): number {
    return cpuSeconds(this.pid);
  }

  get memoryMB(): number {
    return memoryMB(this.pid);
  }

  get openSockets(): number {
    return openSockets(this.pid);
  }

  /** Waits until something is there; throws what the process said last when it ends, or it takes too long. */
  async until<T>(run: Run, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
    for (const deadline = Date.now() + 120_000; ; await pause(run, 50)) {
      const found = await look();
      if (found !== undefined) return found;
      if (this.#hasEnded) throw new Error(`${this.name}: ended at its start: ${lastLines(this.log)}`);
      if (Date.now() > deadline) throw new Error(`${this.name}: not ready within 2 minutes: ${lastLines(this.log)}`);
    }
  }

  /** Waits until a URL answers with 200. */
  async answers(run: Run, url: string): Promise<void> {
    await this.until(run, async () => {
      const signal = AbortSignal.timeout(5000);
      const status = await fetch(url, { signal }).then(
        async (answer) => {
          await answer.arrayBuffer();
          return answer.status;
        },
        () => undefined,
      );
      return status === 200 ? true : undefined;
    });
  }

  /** The first line that it says. */
  firstLine(run: Run): Promise<string> {
    return this.until(run, () => /^(.*)\n/.exec(readFileSync(this.log, 'utf8'))?.[1]);
  }

  get #hasEnded(): boolean {
    return this.#process.pid === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    const killRest = killer(this.pid);
    this.#process.kill('SIGTERM');
    await Promise.race([this.#ended, sleep(patienceMs, undefined, { ref: false })]);
    // Its workers too, should it have left any.
    killRest();
    await this.#ended;
  }
}

/** Runs a command to its end and gives back what it printed; it ends with the run. */
export async function runMortal(run: Run, command: string, args: string[]): Promise<string> {
  run.signal.throwIfAborted();
  const child = spawnMortal(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: run.folder });
  const end = () => child.kill('SIGKILL');
  run.signal.addEventListener('abort', end, { once: true });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]!.setEncoding('utf8').on('data', (text) => {
      said[stream] += text;
    });
  }
  try {
    const [code] = await once(child, 'close');
    run.signal.throwIfAborted();
    if (code === 0) return said.stdout;
    throw new Error(
      `${path.basename(command)}: exit status ${code}: ${said.stderr.trim().split('\n').slice(-5).join(' ')}`,
    );
  } finally {
    run.signal.removeEventListener('abort', end);
  }
}
