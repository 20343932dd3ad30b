import { Client } from '../shared/undici.ts';

/** How long Prometheus may take for an answer, in ms. */
const usualPatienceMs = 30_000;

/** What one series had, as Prometheus' API writes it: Unix time in seconds, and the value as a text. */
export type Point = [seconds: number, value: string];

export interface Series {
  metric: Record<string, string>;
  values: Point[];
}

interface Answer {
  status?: string;
  error?: string;
  data?: { result?: { metric: Record<string, string>; values?: Point[]; value?: Point }[] };
}

/** Times in Unix seconds. */
export interface Range {
  from: number;
  to: number;
  step: number;
}

/** Asks the API of a Prometheus. What fails says in one line what does not answer, and why. */
export class Prometheus {
  readonly #url: string;
  readonly #path: string;
  readonly #client: Client;
  readonly #patienceMs: number;

  /** `url` may have a path, under which the API is. */
  constructor(url: string, patienceMs = usualPatienceMs) {
    const { origin, pathname } = new URL(url);
    this.#url = url;
    this.#path = pathname.replace(/\/$/, '');
    this.#patienceMs = patienceMs;
    this.#client = new Client(origin, {
      connectTimeout: patienceMs,
      headersTimeout: patienceMs,
      bodyTimeout: patienceMs,
      allowH2: false,
    });
  }

  /** What an expression gives at each step from `from` to `to`; at most 11,000 points of a series at a time. */
  async range(query: string, { from, to, step }: Range): Promise<Series[]> {
    const result = await this.#ask('query_range', { query, start: `${from}`, end: `${to}`, step: `${step}` });
    return result.map(({ metric, values = [] }) => ({ metric, values }));
  }

  /** What an expression gives at a time. */
  async at(query: string, seconds: number): Promise<Series[]> {
    const result = await this.#ask('query', { query, time: `${seconds}` });
    return result.map(({ metric, value }) => ({ metric, values: value ? [value] : [] }));
  }

  /** Gives up what is being asked, too. */
  close(): void {
    void this.#client.destroy();
  }

  async #ask(page: string, form: Record<string, string>): Promise<NonNullable<NonNullable<Answer['data']>['result']>> {
    const failed = (why: string) => new Error(`${this.#url}: ${why}`);
    let status: number;
    let text: string;
    try {
      const { statusCode, body } = await this.#client.request({
        method: 'POST',
        path: `${this.#path}/api/v1/${page}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        body: new URLSearchParams({ ...form, timeout: `${Math.ceil(this.#patienceMs / 1000)}s` }).toString(),
        signal: AbortSignal.timeout(this.#patienceMs),
      });
      status = statusCode;
      text = await body.text();
    } catch (error) {
      const { message, code, name } = error as NodeJS.ErrnoException;
      throw failed(message || code || name);
    }
    let answer: Answer;
    try {
      answer = JSON.parse(text);
    } catch {
      throw failed(`status ${status}, and no JSON: is it the address of a Prometheus?`);
    }
    if (answer.status !== 'success' || !Array.isArray(answer.data?.result)) {
      throw failed(`status ${status}: ${answer.error ?? 'an answer without a result'}`);
    }
    return answer.data.result;
  }
}
