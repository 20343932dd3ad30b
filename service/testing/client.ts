import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** An answer, read to its end. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

type Body = object | string | Buffer;

const bytes = (body: Body) => (typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));

/** POSTs as plainly as HTTP allows: no header that the test does not name, no retry, an answer whose body nobody has decoded. */
export async function open(url: string, body: Body, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const asked = request(url, { method: 'POST', headers, agent: false });
  asked.end(bytes(body));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer;
}

/** POSTs and reads the whole answer; rejects when it is cut short. */
export async function post(url: string, body: Body, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await open(url, body, headers);
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return { status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) };
}

/** An answer's body as JSON. */
export const jsonOf = ({ body }: Answer) => JSON.parse(body.toString());

/** The text of a URL, with its status. */
export async function get(url: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(url);
  return { status: answer.status, text: await answer.text() };
}

/** Waits until something holds; throws after `timeoutMs`. */
export async function until(holds: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; !(await holds()); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`did not come to hold within ${timeoutMs} ms: ${holds}`);
  }
}
