import { setTimeout as sleep } from 'node:timers/promises';

/** How long an answer may take, in ms; and how long a model may have no room for the request. */
const patienceMs = 300_000;
const busyMs = 60_000;

const headersOf = (key: string) => ({
  'content-type': 'application/json',
  ...(key !== '' && { authorization: `Bearer ${key}` }),
});

async function call(url: string, key: string, body?: object): Promise<Response> {
  const post = body && { method: 'POST', body: JSON.stringify(body) };
  return fetch(url, { ...post, headers: headersOf(key), signal: AbortSignal.timeout(patienceMs) });
}

/** One question to a model; rejects with what was answered instead. */
export async function ask(url: string, model: string, key: string): Promise<void> {
  const messages = [{ role: 'user', content: 'What do you do?' }];
  const answer = await call(`${url}/api/chat`, key, { model, messages, stream: false, options: { num_predict: 8 } });
  const text = await answer.text();
  if (!answer.ok) throw Object.assign(new Error(`${model}: ${answer.status} ${text}`), { status: answer.status });
  const { message, eval_count } = JSON.parse(text);
  if (typeof message?.content !== 'string' || !(eval_count > 0)) throw new Error(`${model}: no answer: ${text}`);
}

/** Asks a gateway how it is, what it has, and each of the models; rejects at the first thing that is wrong. */
export async function trial(url: string, models: readonly string[], key: string): Promise<void> {
  for (const route of ['/health', '/api/tags', '/v1/models']) {
    const answer = await call(url + route, key);
    const text = await answer.text();
    if (answer.status === 401) {
      throw new Error(`${route}: 401: it asks for an API key: put one into MODEL_MANAGEMENT_API_KEY`);
    }
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${text}`);
  }
  for (const model of models) {
    // That others keep it busy is no fault of a gateway.
    for (const end = Date.now() + busyMs; ; await sleep(1000)) {
      const error = await ask(url, model, key).then(
        () => undefined,
        (error) => error,
      );
      if (!error) break;
      if (![429, 503].includes(error.status) || Date.now() > end) throw error;
    }
  }
}
