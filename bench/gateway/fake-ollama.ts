import { tool } from '../../ci/tools/tools.ts';
import { Job, type Run } from './job.ts';

export interface FakeSettings {
  /** Names of its models. */
  models: string[];
  /** Chunks of a stream, and the ms between two of them. */
  chunks?: number;
  intervalMs?: number;
  /** Milliseconds that a whole answer takes. */
  serviceMs?: number;
  /** Chats answered at a time; any number without it. */
  parallel?: number;
}

/** What became of the chats that a fake Ollama was asked for. */
export interface Counts {
  open: number;
  answered: number;
  left: number;
}

/** A fake Ollama in a process of its own, without latency (see ci/tools/bench/fake-ollama). */
export class FakeOllama implements AsyncDisposable {
  readonly job: Job;
  readonly url: string;

  private constructor(job: Job, url: string) {
    this.job = job;
    this.url = url;
  }

  static async start(run: Run, settings: FakeSettings): Promise<FakeOllama> {
    const { models, chunks = 20, intervalMs = 50, serviceMs = 0, parallel = 0 } = settings;
    const args = ['-models', models.join(), '-chunks', `${chunks}`, '-interval', `${intervalMs}ms`];
    const job = new Job(
      run,
      'fake Ollama',
      await tool('fake-ollama'),
      [...args, '-service', `${serviceMs}ms`, '-parallel', `${parallel}`],
      { PATH: process.env.PATH },
    );
    const url = await job.firstLine(run).catch(async (error) => {
      await job[Symbol.asyncDispose]();
      throw error;
    });
    return new FakeOllama(job, url);
  }

  async counts(): Promise<Counts> {
    return (await (await fetch(`${this.url}/fake/counts`)).json()) as Counts;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }
}
