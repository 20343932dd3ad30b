import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What the API server answered: a value, or why there is none. */
export type Answer<T> = { value: T } | NoAnswer;

/** `refused`: whoever asks may not see it; `absent`: there is no such thing; `failed`: anything else. */
export interface NoAnswer {
  problem: 'refused' | 'absent' | 'failed';
  message: string;
}

/** The API server of a cluster, which can be read and nothing else. */
export interface Api extends AsyncDisposable {
  json<T>(path: string): Promise<Answer<T>>;
  text(path: string): Promise<Answer<string>>;
}

/** How long an answer may take, in ms. */
const patienceMs = 15_000;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How long kubectl may take until it serves: some ask a person, or a cloud, for credentials. In ms. */
const loginMs = 60_000;

/**
 * A socket that leads to the API server with the credentials that kubectl has, whatever kind they are of. It is in a folder
 * that nobody else may enter, and kubectl lets nothing through it but reading. Rejects with kubectl's own words.
 */
export async function openSocket(
  kubectl: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<AsyncDisposable & { socket: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'doctor-'));
  const socket = path.join(folder, 'api');
  const args = [...kubectl, 'proxy', '--unix-socket', socket, '--reject-methods', '^(POST|PUT|PATCH|DELETE)$'];
  const child = spawn('kubectl', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  // A kubectl that outlives who started it would keep the way open.
  const abandon = () => {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupted = () => process.exit(130);
  process.once('exit', abandon);
  for (const signal of signals) process.once(signal, interrupted);
  const close = async () => {
    process.off('exit', abandon);
    for (const signal of signals) process.off(signal, interrupted);
    child.kill();
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) await once(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await serving(child);
  } catch (error) {
    await close();
    throw error;
  }
  return { socket, [Symbol.asyncDispose]: close };
}

/** Opens a way to the API server, by which it can be read. Rejects with kubectl's own words. */
export async function openApi(kubectl: readonly string[], env: NodeJS.ProcessEnv): Promise<Api> {
  const way = await openSocket(kubectl, env);
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  const text = (target: string) => ask(agent, way.socket, target);
  return {
    text,
    json: async <T>(target: string) => {
      const answer = await text(target);
      if (!('value' in answer)) return answer;
      try {
        return { value: JSON.parse(answer.value) as T };
      } catch {
        return { problem: 'failed', message: `${target}: not JSON: ${answer.value.slice(0, 100)}` };
      }
    },
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      await way[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when kubectl says that it serves. */
function serving(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let words = '';
    const timer = setTimeout(
      () => reject(new Error(`kubectl: no way to the cluster after ${loginMs / 1000} s`)),
      loginMs,
    );
    const done = (error?: Error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    };
    child.stdout!.once('data', () => done());
    child.stderr!.on('data', (data) => {
      words += data;
    });
    child.once('error', (error) => done(new Error(`kubectl: cannot be started: ${error.message}`)));
    child.once('close', () => done(new Error(`kubectl: ${words.trim().replace(/^error: /i, '') || 'ended at once'}`)));
  });
}

function ask(agent: Agent, socketPath: string, target: string): Promise<Answer<string>> {
  return new Promise((resolve) => {
    const failed = (message: string) => resolve({ problem: 'failed', message });
    const question = request({ agent, socketPath, path: target, timeout: patienceMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (data: Buffer) => chunks.push(data));
      response.once('error', (error) => failed(error.message));
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        const { statusCode = 0 } = response;
        if (statusCode < 300) return resolve({ value: text });
        const problem = statusCode === 403 ? 'refused' : statusCode === 404 ? 'absent' : 'failed';
        resolve({ problem, message: wordsOf(text) || `the API server answered ${statusCode}` });
      });
    });
    question.once('timeout', () => question.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
    question.once('error', (error) => failed(error.message));
    question.end();
  });
}

/** The message of a Status, else the text. */
function wordsOf(text: string): string {
  try {
    const status = JSON.parse(text) as { message?: string; error?: string; reason?: string };
    return status.message ?? status.error ?? status.reason ?? text;
  } catch {
    return text.trim();
  }
}
