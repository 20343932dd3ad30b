import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get, jsonOf, post, until } from './testing/client.ts';
import { Entry } from './testing/entry.ts';
import { nowhere } from './testing/gateway.ts';
import { agentConfig, gatewayConfig } from './testing/hops.ts';
import { RealOllama } from './testing/ollama.ts';

const model = 'team/small:latest';

const disposables = new AsyncDisposableStack();
const ollamas: RealOllama[] = [];
let gateway: Entry;

/** One server with two replicas. */
beforeAll(async () => {
  const agents: Entry[] = [];
  for (let n = 0; n < 2; n++) {
    const ollama = disposables.use(await RealOllama.start([model]));
    const agent = await Entry.start('agent', agentConfig(ollama.url, { small: { name: model } }), '--drain-delay', '0');
    ollamas.push(ollama);
    agents.push(disposables.use(agent));
  }
  for (const { url } of agents) await until(async () => (await get(`${url}/health/ready`)).status === 200);
  const config = gatewayConfig({ small: nowhere });
  config.servers['server-small'] = { url: nowhere, replicas: agents.map(({ url }) => url), slots: 3 };
  gateway = disposables.use(await Entry.start('gateway', config, '--drain-delay', '0'));
});
afterAll(() => disposables.disposeAsync());

interface Message {
  role: 'user' | 'assistant';
  content: string;
}

/** Asks for the next turn of a conversation, at the gateway or at one Ollama; gives the ms that its prompt took. */
async function turn(url: string, messages: Message[]): Promise<number> {
  const body = { model, messages, stream: false, options: { num_predict: 4, temperature: 0 } };
  const answer = await post(`${url}/api/chat`, body);
  const { message, prompt_eval_duration } = jsonOf(answer);
  messages.push(message);
  return prompt_eval_duration / 1e6;
}

/** Half of the context, unlike any other: with what follows it has to fit, or Ollama leaves out the first turn. */
const question = (topic: number): Message => ({ role: 'user', content: `${topic} ${'what is it? '.repeat(14)}` });

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

describe('the turns of a conversation', () => {
  it("find its beginning in their replica's cache, which they would not elsewhere", async () => {
    const [first, second, elsewhere]: number[][] = [[], [], []];
    for (let topic = 0; topic < 12; topic++) {
      const messages = [question(topic)];
      first!.push(await turn(gateway.url, messages));
      messages.push({ role: 'user', content: 'why?' });
      const other = [...messages];
      second!.push(await turn(gateway.url, messages));
      // The one of both that has not seen it takes as long as for the first turn; the other one as for the second.
      const times = [await turn(ollamas[0]!.url, [...other]), await turn(ollamas[1]!.url, [...other])];
      elsewhere!.push(Math.max(...times));
    }
    const times = { first: median(first!), second: median(second!), elsewhere: median(elsewhere!) };
    console.log('prompt evaluation, ms, medians:', times);
    expect(times.second).toBeLessThan(times.first / 2);
    expect(times.second).toBeLessThan(times.elsewhere / 2);
  });
});
