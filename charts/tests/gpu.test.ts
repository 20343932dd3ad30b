import { describe, expect, test } from 'vitest';
import type { PodSpec } from './kinds.ts';
import { fleet, mistakes, model, type Rendered, type RenderOptions, render } from './render.ts';

const of = (rendered: Rendered) => {
  const { metadata, spec } = rendered.get('Deployment', 'a').spec.template;
  return { spec, ollama: spec.containers[0]!, annotations: metadata.annotations! };
};

/** A server `a` with a GPU, its pod, and what its quota counts beside CPU, memory and pods. */
async function server(gpu: object, resources: object = {}, rest: object = {}) {
  const settings = { gpu, resources: { gpu: 1, gpuMemoryMiB: 24_000, ...resources }, replicas: { max: 3 }, ...rest };
  const rendered = await render(fleet({ a: settings }, { a: model('a', { memoryMiB: 1000 }) }));
  const { hard } = rendered.only('ResourceQuota').spec;
  const counted = Object.entries(hard).filter(([key]) => !/^(pods|(requests|limits)\.(cpu|memory))$/.test(key));
  const { memoryMiB } = JSON.parse(rendered.get('ConfigMap', 'a').data['config.json']!);
  return { rendered, ...of(rendered), counted: Object.fromEntries(counted), memoryMiB };
}

const devices = ({ ollama }: { ollama: PodSpec['containers'][0] }) => {
  const { cpu: _cpu, memory: _memory, ...limits } = ollama.resources.limits;
  const { cpu: _alsoCpu, memory: _alsoMemory, ...requests } = ollama.resources.requests;
  expect(requests).toEqual(limits);
  return limits;
};

const nodes = ({ spec }: { spec: PodSpec }) =>
  spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms.flatMap((term) =>
    term.matchExpressions.map(({ key, operator, values }) => `${key} ${operator} ${values.join()}`),
  );

describe('the GPUs of a server', () => {
  test('renders whole GPUs on nodes that offer no parts, or say nothing of it, when the mode is exclusive', async () => {
    const exclusive = await server({ mode: 'exclusive' }, { gpu: 2 });
    expect(devices(exclusive)).toEqual({ 'nvidia.com/gpu': 2 });
    expect(nodes(exclusive)).toEqual(['nvidia.com/gpu.sharing-strategy NotIn time-slicing,mps']);
    expect(exclusive.counted).toEqual({ 'requests.nvidia.com/gpu': '8' });
    expect(exclusive.memoryMiB).toBe(48_000);
  });

  test('renders the same for several models when the mode is shared', async () => {
    const shared = { models: ['a', 'b'], gpu: { mode: 'shared' }, resources: { gpu: 1, gpuMemoryMiB: 24_000 } };
    const rendered = await render(fleet({ a: shared }));
    expect(devices(of(rendered))).toEqual({ 'nvidia.com/gpu': 1 });
    expect(nodes(of(rendered))).toEqual(['nvidia.com/gpu.sharing-strategy NotIn time-slicing,mps']);
  });

  test.each([
    ['timeSlicing', 'time-slicing'],
    ['mps', 'mps'],
  ])('renders a part of a GPU, on nodes that make as many of one, when the mode is %s', async (mode, strategy) => {
    const part = await server({ mode, sharedBy: 4 }, { gpuResource: 'nvidia.com/gpu.shared' });
    expect(devices(part)).toEqual({ 'nvidia.com/gpu.shared': 1 });
    expect(nodes(part)).toEqual([`nvidia.com/gpu.sharing-strategy In ${strategy}`, 'nvidia.com/gpu.replicas In 4']);
    expect(part.counted).toEqual({ 'requests.nvidia.com/gpu.shared': '4' });
    expect(part.memoryMiB).toBe(6000);
  });

  test('renders nodes whose GPUs have enough memory alone, and less than twice that, when they are to be looked at for it', async () => {
    const bounds = ['nvidia.com/gpu.memory Gt 23999', 'nvidia.com/gpu.memory Lt 48000'];
    expect(nodes(await server({ matchMemory: true }))).toEqual(expect.arrayContaining(bounds));
    expect(nodes(await server({ mode: 'mps', matchMemory: true }))).toEqual(expect.arrayContaining(bounds));
    expect(nodes(await server({ matchMemory: true }, { gpuMemoryMiB: 0 }))).toHaveLength(1);
    expect(nodes(await server({ mode: 'mig', matchMemory: true }, { gpuMemoryMiB: 9000 }))).toBeUndefined();
  });

  test('renders the slice by its profile, and the memory that is its own, when the mode is mig', async () => {
    const slice = await server({ mode: 'mig', mig: { profile: '1g.10gb+me' } }, { gpuMemoryMiB: 0 });
    expect(devices(slice)).toEqual({ 'nvidia.com/mig-1g.10gb.me': 1 });
    expect(nodes(slice)).toBeUndefined();
    expect(slice.counted).toEqual({ 'requests.nvidia.com/mig-1g.10gb.me': '4' });
    expect(slice.memoryMiB).toBe(9011);
    expect((await server({ mode: 'mig' }, { gpuMemoryMiB: 9728 })).memoryMiB).toBe(9728);
  });

  test('renders a claim of devices with enough memory, and no resource, when the mode is dra', async () => {
    const dra = { deviceClass: 'big.example.com', driver: 'gpu.example.com' };
    const claimed = await server({ mode: 'dra', dra }, { gpu: 2 });
    expect(devices(claimed)).toEqual({});
    const template = claimed.rendered.only('ResourceClaimTemplate');
    expect(template.apiVersion).toBe('resource.k8s.io/v1');
    expect(claimed.spec.resourceClaims).toEqual([{ name: 'gpu', resourceClaimTemplateName: template.metadata.name }]);
    expect(claimed.ollama.resources.claims).toEqual([{ name: 'gpu' }]);
    expect(claimed.spec.initContainers!.filter(({ resources }) => resources.claims)).toEqual([]);
    expect(template.spec.spec.devices.requests).toEqual([
      {
        name: 'gpu',
        exactly: {
          deviceClassName: 'big.example.com',
          allocationMode: 'ExactCount',
          count: 2,
          selectors: [
            {
              cel: { expression: 'device.capacity["gpu.example.com"].memory.compareTo(quantity("24000Mi")) >= 0' },
            },
          ],
        },
      },
    ]);
    expect(claimed.counted).toEqual({ 'big.example.com.deviceclass.resource.k8s.io/devices': '8' });
    expect(claimed.memoryMiB).toBe(48_000);
  });

  test('renders a claim of any device when its memory is not known, and under another name, since none can be changed', async () => {
    const name = ({ rendered }: { rendered: Rendered }) => rendered.only('ResourceClaimTemplate').metadata.name;
    const known = await server({ mode: 'dra' });
    const unknown = await server({ mode: 'dra' }, { gpuMemoryMiB: 0 });
    const [request] = unknown.rendered.only('ResourceClaimTemplate').spec.spec.devices.requests;
    expect(request!.exactly).not.toHaveProperty('selectors');
    expect(name(unknown)).not.toBe(name(known));
    expect(name(await server({ mode: 'dra' }, { cpu: '7' }))).toBe(name(known));
  });

  test('renders what HAMi gives a pod, its scheduler, and parts that fill GPUs up, when the mode is hami', async () => {
    const hami = { memoryMiB: 6000, cores: 30, schedulerName: 'other-scheduler' };
    const part = await server({ mode: 'hami', hami }, { gpu: 2 });
    expect(devices(part)).toEqual({ 'nvidia.com/gpu': 2, 'nvidia.com/gpumem': 6000, 'nvidia.com/gpucores': 30 });
    expect(part.spec.schedulerName).toBe('other-scheduler');
    expect(part.annotations).toMatchObject({
      'hami.io/gpu-scheduler-policy': 'binpack',
      'hami.io/node-scheduler-policy': 'binpack',
    });
    expect(part.counted).toEqual({
      'requests.nvidia.com/gpu': '8',
      'requests.nvidia.com/gpumem': '24000',
      'requests.nvidia.com/gpucores': '120',
    });
    expect(part.memoryMiB).toBe(12_000);
    expect(devices(await server({ mode: 'hami' }))).not.toHaveProperty('nvidia.com/gpucores');
  });

  test.each(['exclusive', 'timeSlicing', 'mps', 'mig', 'dra', 'hami'])(
    'renders pods that tolerate the taint of GPU nodes, once, when the mode is %s',
    async (mode) => {
      const taint = { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' };
      const scheduling = { tolerations: [taint] };
      expect((await server({ mode }, { gpuMemoryMiB: 9000 }, { scheduling })).spec.tolerations).toEqual([taint]);
    },
  );

  test('renders the taint by the name of the GPUs when another device plugin offers them', async () => {
    const { spec } = await server({}, { gpuResource: 'amd.com/gpu' });
    expect(spec.tolerations).toEqual([{ key: 'amd.com/gpu', operator: 'Exists', effect: 'NoSchedule' }]);
    expect(spec.affinity).toBeUndefined();
  });

  test.each(['timeSlicing', 'mps', 'mig', 'dra', 'hami'])(
    'omits all of it for a server without GPUs when the mode is %s',
    async (mode) => {
      const none = await server({ mode }, { gpu: 0 });
      expect(devices(none)).toEqual({});
      expect(none.counted).toEqual({});
      expect(none.rendered.all('ResourceClaimTemplate')).toEqual([]);
      for (const key of ['tolerations', 'affinity', 'schedulerName', 'resourceClaims']) {
        expect(none.spec).not.toHaveProperty(key);
      }
      expect(none.annotations).not.toHaveProperty(['hami.io/gpu-scheduler-policy']);
    },
  );
});

/** A server `a` on GPUs with a model that takes 4000 MiB, changed as a case needs it. */
const gpuServer = (gpu: object, changes: object = {}, models: object = {}) => {
  const { resources, ...rest } = changes as { resources?: object };
  const settings = { gpu, resources: { gpu: 1, gpuMemoryMiB: 16_000, ...resources }, ...rest };
  return fleet({ a: settings }, { a: model('a', { memoryMiB: 4000, ...models }) });
};
const two = { models: ['a', 'b'] };
const selector = (nodeSelector: object) => ({ scheduling: { nodeSelector } });

const cases: {
  what: string;
  values: object;
  line: string;
  near: object;
  options?: RenderOptions;
  nearOptions?: RenderOptions;
}[] = [
  {
    what: 'several models share GPUs that are exclusive',
    values: gpuServer({}, two),
    line: 'servers.a.gpu.mode: exclusive, and 2 models share its GPUs: set mode to shared, or give each a server',
    near: gpuServer({ mode: 'shared' }, two),
  },
  {
    what: 'GPUs are shared by one model',
    values: gpuServer({ mode: 'shared' }),
    line: 'servers.a.gpu.mode: shared, and there is but one model: set mode to exclusive, or name further models',
    near: gpuServer({ mode: 'shared' }, { resources: { gpu: 0, memory: '5G' } }),
  },
  {
    what: 'whole GPUs have the name of parts',
    values: gpuServer({}, { resources: { gpuResource: 'nvidia.com/gpu.shared' } }),
    line: 'servers.a.gpu.mode: exclusive, and resources.gpuResource nvidia.com/gpu.shared is a part of a GPU: set mode to timeSlicing or mps, as the device plugin is configured',
    near: gpuServer({ mode: 'mps' }, { resources: { gpuResource: 'nvidia.com/gpu.shared' } }),
  },
  {
    what: 'a model takes more than its pod may of a GPU that is sliced by time',
    values: gpuServer({ mode: 'timeSlicing', sharedBy: 4 }, {}, { memoryMiB: 4001 }),
    line: 'models.a.memoryMiB: it takes 4001 MiB once loaded, and servers.a.resources.gpuMemoryMiB ÷ gpu.sharedBy 4 is 4000 MiB: raise that, or correct memoryMiB',
    near: gpuServer({ mode: 'timeSlicing', sharedBy: 4 }, {}, { memoryMiB: 4000 }),
  },
  {
    what: 'a model takes more than the part that MPS gives its pod',
    values: gpuServer({ mode: 'mps', sharedBy: 5 }),
    line: 'models.a.memoryMiB: it takes 4000 MiB once loaded, and servers.a.resources.gpuMemoryMiB ÷ gpu.sharedBy 5 is 3200 MiB: raise that, or correct memoryMiB',
    near: gpuServer({ mode: 'mps', sharedBy: 4 }),
  },
  {
    what: 'nobody knows the memory of a GPU that is sliced by time',
    values: gpuServer({ mode: 'timeSlicing' }, { resources: { gpuMemoryMiB: 0 } }),
    line: 'servers.a.gpu.mode: timeSlicing keeps no pod from the memory of the others, and resources.gpuMemoryMiB is 0: set it to what the GPU has, or set mode to mps',
    near: gpuServer({ mode: 'mps' }, { resources: { gpuMemoryMiB: 0 } }),
  },
  {
    what: 'nobody knows what a model takes of a GPU that is sliced by time',
    values: gpuServer({ mode: 'timeSlicing' }, {}, { memoryMiB: 0 }),
    line: 'models.a.memoryMiB: is 0, and servers.a.gpu.mode timeSlicing keeps no pod from the memory of the others: set it to what the model takes once loaded, or set mode to mps',
    near: gpuServer({ mode: 'mps' }, {}, { memoryMiB: 0 }),
  },
  ...['timeSlicing', 'mps', 'mig'].map((mode) => ({
    what: `a pod asks for two parts in the mode ${mode}`,
    values: gpuServer({ mode }, { resources: { gpu: 2, gpuMemoryMiB: 9000 } }),
    line: `servers.a.gpu.mode: ${mode} gives Ollama no more than one part of a GPU, and resources.gpu is 2: set it to 1, or set mode to exclusive`,
    near: gpuServer({ mode }, { resources: { gpu: 1, gpuMemoryMiB: 9000 } }),
  })),
  {
    what: 'a part of a GPU has the name of no part',
    values: gpuServer({ mode: 'mps' }, { resources: { gpuResource: 'nvidia.com/mig-1g.10gb' } }),
    line: 'servers.a.gpu.mode: mps is done by the device plugin of NVIDIA, and resources.gpuResource is nvidia.com/mig-1g.10gb: set it to nvidia.com/gpu, or to nvidia.com/gpu.shared with renameByDefault',
    near: gpuServer({ mode: 'timeSlicing' }, { resources: { gpuResource: 'nvidia.com/mig-1g.10gb' } }),
  },
  {
    what: 'a slice is said to have the memory of the whole GPU',
    values: gpuServer({ mode: 'mig' }, { resources: { gpuMemoryMiB: 10_241 } }),
    line: 'servers.a.resources.gpuMemoryMiB: 10241 is more than the slice 1g.10gb has: set it to what `nvidia-smi` lists for the slice, or to 0',
    near: gpuServer({ mode: 'mig' }, { resources: { gpuMemoryMiB: 10_240 } }),
  },
  {
    what: 'a model takes more than its slice has',
    values: gpuServer({ mode: 'mig' }, { resources: { gpuMemoryMiB: 0 } }, { memoryMiB: 9012 }),
    line: 'models.a.memoryMiB: it takes 9012 MiB once loaded, and the slice servers.a.gpu.mig.profile 1g.10gb is 9011 MiB: raise that, or correct memoryMiB',
    near: gpuServer(
      { mode: 'mig', mig: { profile: '2g.20gb' } },
      { resources: { gpuMemoryMiB: 0 } },
      { memoryMiB: 9012 },
    ),
  },
  {
    what: 'Kubernetes has no stable ResourceClaims',
    values: gpuServer({ mode: 'dra' }),
    options: { kubeVersion: '1.33.9' },
    line: 'servers.a.gpu.mode: dra needs Kubernetes 1.34 or later, and this is v1.33.9: use a device plugin and another mode',
    near: gpuServer({ mode: 'dra' }),
    nearOptions: { kubeVersion: '1.34.0' },
  },
  {
    what: 'HAMi is to give more than the GPU has',
    values: gpuServer({ mode: 'hami', hami: { memoryMiB: 16_001 } }),
    line: 'servers.a.gpu.hami.memoryMiB: 16001 is more than the 16000 of resources.gpuMemoryMiB: lower it, or take a larger GPU',
    near: gpuServer({ mode: 'hami', hami: { memoryMiB: 16_001 } }, { resources: { gpuMemoryMiB: 0 } }),
  },
  {
    what: 'a model takes more than HAMi gives its pod',
    values: gpuServer({ mode: 'hami', hami: { memoryMiB: 3999 } }),
    line: 'models.a.memoryMiB: it takes 4000 MiB once loaded, and 1 × servers.a.gpu.hami.memoryMiB is 3999 MiB: raise that, or correct memoryMiB',
    near: gpuServer({ mode: 'hami', hami: { memoryMiB: 4000 } }),
  },
  {
    what: 'pods for HAMi have another scheduler',
    values: gpuServer({ mode: 'hami' }, { scheduling: { schedulerName: 'other' } }),
    line: 'servers.a.scheduling.schedulerName: HAMi leaves pods of other alone: remove it, or set gpu.hami.schedulerName',
    near: gpuServer({ mode: 'hami' }, { scheduling: { schedulerName: 'hami-scheduler' } }),
  },
  ...['nvidia.com/gpu.sharing-strategy', 'nvidia.com/gpu.replicas'].map((label) => ({
    what: `nodes are chosen by ${label}, which the mode decides on`,
    values: gpuServer({ mode: 'mps' }, selector({ [label]: '2' })),
    line: `servers.a.scheduling.nodeSelector: ${label} follows from gpu.mode mps: remove it`,
    near: gpuServer({ mode: 'hami' }, selector({ [label]: '2' })),
  })),
  {
    what: 'nodes are chosen by a product that those with shared GPUs do not have',
    values: gpuServer({ mode: 'mps' }, selector({ 'nvidia.com/gpu.product': 'NVIDIA-L4' })),
    line: "servers.a.scheduling.nodeSelector: nvidia.com/gpu.product NVIDIA-L4 is no node's whose GPUs are offered in parts: write NVIDIA-L4-SHARED",
    near: gpuServer(
      { mode: 'mps' },
      { ...selector({ 'nvidia.com/gpu.product': 'NVIDIA-L4' }), resources: { gpuResource: 'nvidia.com/gpu.shared' } },
    ),
  },
];

describe('the modes of GPUs', () => {
  test.each(cases)('refuses values when $what', async ({ values, line, options = {} }) => {
    expect(await mistakes(values, options)).toEqual([line]);
  });

  test.each(cases)('renders what is nearly the same as when $what', async ({ near, nearOptions = {} }) => {
    expect((await render(near, nearOptions)).find('Deployment', 'a')).toBeDefined();
  });
});
