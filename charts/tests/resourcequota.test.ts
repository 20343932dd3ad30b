import { expect, test } from 'vitest';
import { fleet, forecasting, render } from './render.ts';

const hard = async (values: object) => (await render(values)).only('ResourceQuota').spec.hard;

/** Round figures beside the servers. */
const rest = {
  gateway: { replicas: { min: 1, max: 2 }, resources: { cpu: '250m', memory: '1G' } },
  agent: { resources: { cpu: '100m', memory: '300M' } },
};

test('renders the sum of the maximum of all servers and the gateway, with a pod more of each, and twice that of CPU and memory', async () => {
  const servers = {
    a: { replicas: { min: 1, max: 3 }, resources: { cpu: '500m', memory: '512Mi' } },
    b: { replicas: { min: 1, max: 1 }, resources: { cpu: '2', memory: '2Gi', gpu: 2 } },
    off: { enabled: false, resources: { cpu: '64', memory: '1T', gpu: 8 } },
  };
  // a: 4 pods of 500m + 100m and 536870912 + 300000000; b: 2 of 2 + 100m and 2147483648 + 300000000; gateway: 3.
  const memory = `${2 * (4 * 836_870_912 + 2 * 2_447_483_648 + 3 * 1_000_000_000)}`;
  expect(await hard(fleet(servers, {}, rest))).toEqual({
    pods: '9',
    'requests.cpu': '14700m',
    'requests.memory': memory,
    'limits.memory': memory,
    'requests.nvidia.com/gpu': '4',
  });
});

test('renders every unit of memory for what it is', async () => {
  const units = { M: 1e6, G: 1e9, T: 1e12, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
  for (const [unit, bytes] of Object.entries(units)) {
    const server = { replicas: { min: 1, max: 1 }, resources: { memory: `3${unit}` } };
    const { 'requests.memory': memory } = await hard(fleet({ a: server }, {}, rest));
    expect(memory, unit).toBe(`${2 * (2 * (3 * bytes + 3e8) + 3 * 1e9)}`);
  }
});

test('renders as many digits as a thousand pods of a terabyte need', async () => {
  const server = { replicas: { min: 1, max: 1000 }, resources: { cpu: '128', memory: '1T' } };
  expect(await hard(fleet({ a: server }, {}, rest))).toMatchObject({
    'requests.cpu': `${2 * (1001 * 128_100 + 750)}m`,
    'requests.memory': `${2 * (1001 * 1_000_300_000_000 + 3_000_000_000)}`,
  });
});

test('renders the GPUs of each resource by themselves', async () => {
  const gpu = (count: number, gpuResource: string) => ({
    replicas: { max: 1 },
    resources: { gpu: count, gpuResource },
  });
  const servers = { a: gpu(1, 'nvidia.com/gpu'), b: gpu(2, 'nvidia.com/gpu'), c: gpu(4, 'nvidia.com/mig-1g.10gb') };
  expect(await hard(fleet(servers))).toMatchObject({
    'requests.nvidia.com/gpu': '6',
    'requests.nvidia.com/mig-1g.10gb': '8',
  });
});

test('omits GPUs when no server has any', async () => {
  expect(Object.keys(await hard(fleet({ a: {} }))).filter((key) => key.includes('gpu'))).toEqual([]);
});

test('renders room for the Job when servers share their cache', async () => {
  const server = (mode: string) => ({ replicas: { min: 1, max: 1 }, cache: { mode } });
  const serverDefaults = { resources: { cpu: '3', memory: '5G' } };
  const [own, shared] = await Promise.all(
    ['ephemeral', 'shared'].map((mode) => hard(fleet({ a: server(mode) }, {}, { serverDefaults }))),
  );
  const difference = (key: string) => Number.parseInt(shared![key]!, 10) - Number.parseInt(own![key]!, 10);
  expect(difference('pods')).toBe(2);
  expect(difference('requests.cpu')).toBe(12_000);
  expect(difference('requests.memory')).toBe(20e9);
});

test('renders room for the forecaster, and for another while a rollout replaces it, when there is one', async () => {
  const forecaster = { ...forecasting.forecaster, resources: { cpu: '2', memory: '3G' } };
  const [without, withIt] = await Promise.all(
    [false, true].map((enabled) =>
      hard(fleet({ a: {} }, {}, { ...forecasting, forecaster: { ...forecaster, enabled } })),
    ),
  );
  const difference = (key: string) => Number.parseInt(withIt![key]!, 10) - Number.parseInt(without![key]!, 10);
  expect(difference('pods')).toBe(2);
  expect(difference('requests.cpu')).toBe(8000);
  expect(difference('limits.memory')).toBe(12e9);
});

test('omits the quota when it is switched off', async () => {
  expect((await render({ resourceQuota: { enabled: false } })).all('ResourceQuota')).toEqual([]);
});
