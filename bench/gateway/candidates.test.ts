import { expect, it } from 'vitest';
import { checkGatewayConfig } from '../../service/gateway/routing.ts';
import { parseConfig } from '../../service/shared/config.ts';
import { agentConfig, gatewayConfig, nginxConfig, readImage, roomy } from './candidates.ts';

const fleet = { ollamaUrl: 'http://127.0.0.1:11434', models: ['bench-0', 'bench-1'], ...roomy };

it.each([
  ['as much as there may be', fleet],
  ['little', { ...fleet, slots: 4, queue: { depth: 64, waitSeconds: 30, holdSeconds: 0 } }],
])('has configurations for %s that gateway and agent take', (_, fleet) => {
  const gateway = JSON.stringify(gatewayConfig(fleet, 'http://127.0.0.1:8080'));
  const agent = agentConfig(fleet);
  expect(parseConfig('gateway.json', gateway, 'GatewayConfig', checkGatewayConfig).servers).toEqual({
    'ollama-bench': { url: 'http://127.0.0.1:8080', slots: fleet.slots },
  });
  expect(parseConfig('agent.json', JSON.stringify(agent), 'AgentConfig', () => [])).toEqual(agent);
  expect(agent.parallel + agent.allowance).toBe(fleet.slots);
});

it('has nginx pass on to Ollama over connections that it keeps, without holding anything back', () => {
  const config = nginxConfig(8081, fleet.ollamaUrl, '/tmp/bench');
  for (const line of ['listen 127.0.0.1:8081;', 'server 127.0.0.1:11434;', 'keepalive 512;', 'proxy_buffering off;']) {
    expect(config).toContain(line);
  }
});

it('starts Node as the image does', () => {
  const { flags, environment } = readImage();
  expect(flags).toEqual([
    expect.stringMatching(/^--max-semi-space-size=\d+$/),
    '--disable-warning=ExperimentalWarning',
  ]);
  expect(environment).toEqual({ NODE_ENV: 'production', MALLOC_ARENA_MAX: expect.stringMatching(/^\d+$/) });
});
