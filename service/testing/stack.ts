import { get, until } from './client.ts';
import { Entry } from './entry.ts';
import { agentConfig, gatewayConfig } from './hops.ts';
import { RealOllama } from './ollama.ts';
import { Tap } from './tap.ts';

/** Gateway, agent and a real Ollama in a row, as in a cluster. */
export interface Stack extends AsyncDisposable {
  ollama: RealOllama;
  agent: Entry;
  gateway: Entry;
}

/** The one model: its key is `small`, its name `team/small:latest`. */
export const startStack = () => start(async ({ url }) => ({ url, async [Symbol.asyncDispose]() {} }));

/** The same with a tap between agent and Ollama. */
export const startTappedStack = () => start(({ url }) => Tap.before(url));

async function start<Between extends AsyncDisposable & { url: string }>(
  between: (ollama: RealOllama) => Promise<Between>,
): Promise<Stack & { tap: Between }> {
  await using disposables = new AsyncDisposableStack();
  const ollama = disposables.use(await RealOllama.start(['team/small:latest']));
  const tap = disposables.use(await between(ollama));
  const models = { small: { name: 'team/small:latest', priority: 'standard' as const } };
  const agent = disposables.use(await Entry.start('agent', agentConfig(tap.url, models), '--drain-delay', '0'));
  const gateway = disposables.use(
    await Entry.start('gateway', gatewayConfig({ small: agent.url }), '--drain-delay', '0'),
  );
  await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
  const whole = disposables.move();
  return { ollama, tap, agent, gateway, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}
