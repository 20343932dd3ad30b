import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { DownloadStatus } from '../shared/status.ts';

/** How often the progress is looked at while a download is waited for, in ms. */
const intervalMs = 2000;

/** What a download can fail of, in the words of the model-downloader. */
const isReason = (word: string) => /^[a-z_]{1,32}$/.test(word);

/** What the model-downloader told last. */
type Told = Omit<DownloadStatus, 'state' | 'bytes' | 'totalBytes'> & {
  state: DownloadStatus['state'] | 'done';
  /** When the pull of the model in hand began, in seconds since 1970. */
  since: number;
};

export interface DownloadsOptions {
  /** The folder of Ollama's models, which the model-downloader fills. */
  folder: string;
  /** Whether something is still to come. */
  isWanted(): boolean;
  /** Told of each download that failed. */
  onFailure(model: string, reason: string): void;
}

/**
 * Knows what the model-downloader does, which runs before Ollama and can be asked nothing: from the file in which it tells,
 * and from what there is on the disk. A volume that servers share is filled by a Job in another pod: its progress is that of
 * everyone who waits for it.
 */
export class Downloads {
  readonly #options: DownloadsOptions;
  #told: Told | undefined;
  /** Failures of which has been told; those from before this process are its predecessor's. */
  #failures: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: DownloadsOptions) {
    this.#options = options;
    void this.#follow();
  }

  /** What is under way; undefined where nothing is, or nothing is known of it. */
  async status(): Promise<DownloadStatus | undefined> {
    if (!this.#options.isWanted()) return undefined;
    await this.#look();
    if (!this.#told || this.#told.state === 'done') return undefined;
    const { state, since, ...told } = this.#told;
    const hasBytes = state === 'pulling' || state === 'building' || state === 'failed';
    return { state, ...told, ...(hasBytes ? await this.#bytes(since) : { bytes: 0, totalBytes: 0 }) };
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #follow(): Promise<void> {
    if (this.#options.isWanted()) await this.#look();
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#follow(), intervalMs).unref();
  }

  async #look(): Promise<void> {
    const file = path.join(this.#options.folder, '.model-management', '.progress');
    const text = await readFile(file, 'utf8').catch(() => undefined);
    const told = text === undefined ? undefined : parse(text);
    // Half a file, as one that is being written over, says nothing new.
    if (text !== undefined && !told) return;
    this.#told = told;
    const failures = told?.failures ?? 0;
    this.#failures ??= failures;
    for (; this.#failures < failures; this.#failures++) {
      this.#options.onFailure(told!.model, isReason(told!.reason) ? told!.reason : 'unexpected');
    }
  }

  /**
   * What has arrived since a time in seconds. Ollama makes a file of a layer's whole size before it fills it, so that its size
   * is what there will be, and the blocks that it takes are what there is. The weights come first and are all but a little.
   */
  async #bytes(since: number): Promise<{ bytes: number; totalBytes: number }> {
    const folder = path.join(this.#options.folder, 'blobs');
    const names = (await readdir(folder).catch(() => [])).filter((name) =>
      /^sha256-[0-9a-f]{64}(-partial)?$/.test(name),
    );
    let [bytes, totalBytes] = [0, 0];
    for (const name of names) {
      const file = await stat(path.join(folder, name)).catch(() => undefined);
      if (!file || file.mtimeMs / 1000 < since) continue;
      totalBytes += file.size;
      bytes += name.endsWith('-partial') ? Math.min(file.size, file.blocks * 512) : file.size;
    }
    return { bytes, totalBytes };
  }
}

const states = ['starting', 'pulling', 'building', 'failed', 'done'];

/** Reads the lines up to `end`; undefined where that is not there, or a state that is known. */
function parse(text: string): Told | undefined {
  const lines = text.split('\n');
  const end = lines.indexOf('end');
  if (end < 0) return undefined;
  const words = new Map(lines.slice(0, end).map((line) => [line.split(' ', 1)[0]!, line.slice(line.indexOf(' ') + 1)]));
  const word = (name: string) => (words.get(name) ?? '').trim();
  const number = (name: string) => Math.max(0, Math.trunc(Number(word(name)))) || 0;
  const state = word('state');
  if (!states.includes(state)) return undefined;
  return {
    state: state as Told['state'],
    model: word('model'),
    attempt: number('attempt'),
    attempts: number('attempts'),
    since: number('since'),
    failures: number('failures'),
    reason: word('reason'),
    error: word('error'),
  };
}
