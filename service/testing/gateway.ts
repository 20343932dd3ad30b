import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { GatewayConfig } from '../../schema/config.ts';
import { type Answer, post } from './client.ts';
import { FakeOllama } from './fake-ollama.ts';
import { gatewayConfig, startGateway } from './hops.ts';

/** Nothing listens there. */
export const nowhere = 'http://127.0.0.1:1';

/**
 * A gateway for the tests of a file, before a fake agent that has the model `small`; the server of `gone` is away, and its
 * requests don't wait for it.
 */
export class GatewayBeforeAgent {
  agent!: FakeOllama;
  gateway!: Awaited<ReturnType<typeof startGateway>>;

  constructor() {
    beforeAll(async () => {
      this.agent = await FakeOllama.start(['team/small:latest']);
      this.gateway = await startGateway(this.config());
    });
    beforeEach(() => {
      this.agent.reset();
      this.gateway.hop.configure(this.config());
    });
    afterAll(async () => {
      await this.gateway[Symbol.asyncDispose]();
      await this.agent[Symbol.asyncDispose]();
    });
  }

  /** Goes on with a gateway that knows nothing of what went wrong before. */
  async renew(): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    this.gateway = await startGateway(this.config());
  }

  get url(): string {
    return this.gateway.url;
  }

  config(more: Partial<GatewayConfig> = {}): GatewayConfig {
    const config = gatewayConfig({ small: this.agent.url, gone: nowhere }, more);
    config.models.gone!.queue.holdSeconds = 0;
    return config;
  }

  ask(path: string, body: object | string | Buffer, headers?: Record<string, string>): Promise<Answer> {
    return post(this.url + path, body, headers);
  }

  /** How many requests for the model `small` ended on a route with a class of status. */
  async counted(route: string, status: string): Promise<number> {
    const text = await this.gateway.metrics.registry.getSingleMetricAsString('model_request_total');
    const line = text.split('\n').find((line) => line.includes(`{model="small",route="${route}",status="${status}"}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }
}
