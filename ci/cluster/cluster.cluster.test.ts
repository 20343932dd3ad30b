import { expect, it } from 'vitest';
import { registry } from './layout.ts';
import { isReady, type Namespace, restrictedContainer, restrictedPod, testCluster, testNamespace } from './testing.ts';

/** A pod that runs a shell script in Ollama's image, as the pod security standard wants it. */
async function shell(script: string, { container = {}, spec = {}, ...more }: Record<string, object> = {}) {
  const { ollama } = await testCluster();
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    ...more,
    metadata: { name: 'shell', ...more.metadata },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      securityContext: restrictedPod,
      containers: [
        {
          name: 'shell',
          image: ollama.reference,
          // One stream, or its lines and those of the other come in any order.
          command: ['sh', '-c', `exec 2>&1; ${script}`],
          securityContext: restrictedContainer,
          ...container,
        },
      ],
      ...spec,
    },
  };
}

/** The log of a pod that has ended, and how it ended. */
async function ended(namespace: Namespace, name = 'shell'): Promise<{ phase: string; log: string }> {
  const pod = await namespace.until(`the end of pod ${name}`, 90, async () => {
    const pod = await namespace.get('pod', name);
    return ['Succeeded', 'Failed'].includes(pod?.status.phase) && pod;
  });
  return { phase: pod.status.phase, log: await namespace.kubectl(['logs', name, '--all-containers']) };
}

const claim = (name: string, spec: object, size = '16Mi') => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } }, ...spec },
});

const mounted = (claimName: string) => ({
  container: { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
  spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }] },
});

it.concurrent('refuses a pod that the security standard of its namespace forbids', async () => {
  await using namespace = await testNamespace();
  const pod = await shell('true', { spec: { securityContext: {} } });
  await expect(namespace.apply(pod)).rejects.toThrow(/violates PodSecurity "restricted/);
});

it.concurrent('resolves services and the registry in a pod, and says at once that it knows nothing else', async () => {
  await using namespace = await testNamespace();
  const lookups = ['kubernetes.default.svc', 'kube-dns.kube-system.svc.cluster.local', 'registry.internal'];
  const known = lookups.map((name) => `getent hosts ${name}`).join('; ');
  const script = `${known}; start=$(date +%s%N); getent hosts example.com || echo none in $((($(date +%s%N) - start) / 1000000)) ms`;
  await namespace.apply(await shell(script));
  const { log } = await ended(namespace);
  expect(log).toMatch(/^10\.247\.\d+\.1 +kubernetes/m);
  expect(log).toMatch(/^10\.247\.\d+\.10 +kube-dns/m);
  expect(log).toMatch(/^10\.245\.\d+\.2 +registry\.internal/m);
  const [, milliseconds] = /^none in (\d+) ms$/m.exec(log)!;
  expect(Number(milliseconds)).toBeLessThan(1000);
});

it.concurrent('runs init containers, a native sidecar and probes in their order', async () => {
  await using namespace = await testNamespace();
  const { ollama } = await testCluster();
  const container = { image: ollama.reference, securityContext: restrictedContainer };
  const data = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
  const pod = await shell('echo main >> /data/order; sleep 600', {
    container: {
      ...data,
      readinessProbe: { exec: { command: ['grep', '-q', 'ready', '/data/order'] }, periodSeconds: 1 },
    },
    spec: {
      volumes: [{ name: 'data', emptyDir: {} }],
      initContainers: [
        { ...container, ...data, name: 'init', command: ['sh', '-c', 'echo init > /data/order'] },
        {
          ...container,
          ...data,
          name: 'sidecar',
          restartPolicy: 'Always',
          command: ['sh', '-c', 'echo sidecar >> /data/order; sleep 600'],
          startupProbe: { exec: { command: ['grep', '-q', 'sidecar', '/data/order'] }, periodSeconds: 1 },
        },
      ],
    },
  });
  await namespace.apply(pod);
  await namespace.until(
    'the container',
    60,
    async () => (await namespace.get('pod', 'shell')).status.phase === 'Running',
  );
  expect(isReady(await namespace.get('pod', 'shell'))).toBe(false);
  await namespace.kubectl(['exec', 'shell', '--', 'sh', '-c', 'echo ready >> /data/order']);
  await namespace.until('readiness', 30, async () => isReady(await namespace.get('pod', 'shell')));
  expect(await namespace.kubectl(['exec', 'shell', '--', 'cat', '/data/order'])).toBe('init\nsidecar\nmain\nready');
});

it.concurrent.each([
  ['the default class', {}],
  ['fast-ssd', { storageClassName: 'fast-ssd' }],
  ['standard for many writers', { storageClassName: 'standard', accessModes: ['ReadWriteMany'] }],
])(
  'gives a claim of %s a folder that the group of a pod may write to, and removes it with the claim',
  async (_, spec) => {
    await using namespace = await testNamespace();
    await namespace.apply(
      claim('data', spec),
      await shell('echo kept > /data/file && cat /data/file', mounted('data')),
    );
    expect(await ended(namespace)).toEqual({ phase: 'Succeeded', log: 'kept' });
    const { volumeName } = (await namespace.get('pvc', 'data')).spec;
    await namespace.kubectl(['delete', 'pod/shell', 'pvc/data']);
    await namespace.until('the removal of the volume', 30, async () => !(await namespace.get('pv', volumeName)));
  },
);

it.concurrent('gives a claim of class sized exactly its size, which runs full', async () => {
  await using namespace = await testNamespace();
  const script =
    'dd if=/dev/zero of=/data/fits bs=1M count=8 2>/dev/null && echo fits; dd if=/dev/zero of=/data/rest bs=1M count=8';
  await namespace.apply(claim('data', { storageClassName: 'sized' }, '12Mi'), await shell(script, mounted('data')));
  const { phase, log } = await ended(namespace);
  expect(phase).toBe('Failed');
  expect(log).toMatch(/^fits\n.*No space left on device/s);
});

it.concurrent.each(['Never', 'Always'])('mounts an image as a volume, with pull policy %s', async (pullPolicy) => {
  await using namespace = await testNamespace();
  const { ollama, publishImage } = await testCluster();
  const reference = pullPolicy === 'Never' ? ollama.reference : await publishImage(ollama);
  const pod = await shell('ls /image/bin/ollama; touch /image/file', {
    container: { volumeMounts: [{ name: 'image', mountPath: '/image' }] },
    spec: { volumes: [{ name: 'image', image: { reference, pullPolicy } }] },
  });
  await namespace.apply(pod);
  const { log } = await ended(namespace);
  expect(log).toMatch(/^\/image\/bin\/ollama\n.*Read-only file system/s);
});

it.concurrent('pulls a model from the registry and answers a chat with it', async () => {
  await using namespace = await testNamespace();
  const script = `export HOME=/tmp OLLAMA_HOST=127.0.0.1:11434
    ollama serve > /dev/null 2>&1 & sleep 1
    ollama pull --insecure ${registry}/library/tiny:latest 2>&1 | tail -n 1
    ollama run ${registry}/library/tiny:latest hello > /tmp/answer 2>/dev/null && wc -c < /tmp/answer`;
  await namespace.apply(await shell(script));
  const { phase, log } = await ended(namespace);
  expect(phase, log).toBe('Succeeded');
  expect(log).toMatch(/success/);
  expect(Number(log.split('\n').at(-1))).toBeGreaterThan(10);
});

it.concurrent('keeps a client of a service with session affinity on one pod', async () => {
  await using namespace = await testNamespace();
  const labels = { app: 'server' };
  const { spec } = await shell('OLLAMA_HOST=0.0.0.0:11434 HOME=/tmp exec ollama serve', {
    container: { readinessProbe: { httpGet: { path: '/', port: 11434 }, periodSeconds: 1 } },
  });
  await namespace.apply(
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'server' },
      spec: {
        replicas: 3,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { ...spec, restartPolicy: 'Always' } },
      },
    },
    ...[true, false].map((sticky) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: sticky ? 'sticky' : 'fair' },
      spec: {
        selector: labels,
        ports: [{ port: 80, targetPort: 11434 }],
        sessionAffinity: sticky ? 'ClientIP' : 'None',
      },
    })),
  );
  await namespace.kubectl(['rollout', 'status', 'deployment/server', '--timeout=90s']);
  // Each pod tells how it was asked: a request that none of the others has in its log.
  const served = async (service: string) => {
    const { clusterIP } = (await namespace.get('service', service)).spec;
    for (let request = 0; request < 20; request++) {
      const answer = await fetch(`http://${clusterIP}/api/version?${service}`, { headers: { connection: 'close' } });
      expect(answer.status).toBe(200);
    }
    const pods = await namespace.list('pods');
    const logs = await Promise.all(pods.map((pod) => namespace.kubectl(['logs', pod.metadata.name])));
    return logs.map(
      (log) => log.split('\n').filter((line) => line.startsWith('[GIN] ') && line.includes('/api/version')).length,
    );
  };
  const sticky = await served('sticky');
  expect(sticky.toSorted((a, b) => a - b)).toEqual([0, 0, 20]);
  const both = await served('fair');
  expect(both.filter((count, index) => count > sticky[index]!).length).toBeGreaterThan(1);
});

it.concurrent('scales a deployment by what its pods use of their CPU', async () => {
  await using namespace = await testNamespace();
  const labels = { app: 'busy' };
  const { spec } = await shell('while :; do :; done', {
    container: { resources: { requests: { cpu: '50m' }, limits: { cpu: '100m' } } },
  });
  await namespace.apply(
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'busy' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { ...spec, restartPolicy: 'Always' } },
      },
    },
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'busy' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'busy' },
        maxReplicas: 2,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
        ],
      },
    },
  );
  await namespace.until(
    'two replicas',
    120,
    async () => (await namespace.get('deployment', 'busy')).spec.replicas === 2,
  );
  expect(await namespace.kubectl(['top', 'pods', '--no-headers'])).toMatch(/busy-\S+ +\d+m/);
});

it.concurrent('brings a changed ConfigMap into a running pod within seconds', async () => {
  await using namespace = await testNamespace();
  const map = (value: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'map' },
    data: { key: value },
  });
  const pod = await shell('until grep -q new /map/key; do sleep 0.2; done; echo seen', {
    container: { volumeMounts: [{ name: 'map', mountPath: '/map' }] },
    spec: { volumes: [{ name: 'map', configMap: { name: 'map' } }] },
  });
  await namespace.apply(map('old'), pod);
  await namespace.until('the pod', 30, async () => (await namespace.get('pod', 'shell')).status.phase === 'Running');
  const start = performance.now();
  await namespace.apply(map('new'));
  expect(await ended(namespace)).toEqual({ phase: 'Succeeded', log: 'seen' });
  expect(performance.now() - start).toBeLessThan(15_000);
});

it.concurrent('kills a container that takes more memory than its limit', async () => {
  await using namespace = await testNamespace();
  const pod = await shell('head -c 200M /dev/zero | tail', {
    container: { resources: { requests: { memory: '16Mi' }, limits: { memory: '32Mi' } } },
  });
  await namespace.apply(pod);
  await ended(namespace);
  const { state } = (await namespace.get('pod', 'shell')).status.containerStatuses[0];
  expect(state.terminated.reason === 'OOMKilled' || state.terminated.exitCode === 137).toBe(true);
});

it.concurrent('has no way out', async () => {
  await using namespace = await testNamespace();
  await namespace.apply(
    await shell('exec 3<>/dev/tcp/1.1.1.1/53', {
      container: { command: ['bash', '-c', 'exec 3<>/dev/tcp/1.1.1.1/53'] },
    }),
  );
  const { phase, log } = await ended(namespace);
  expect(phase).toBe('Failed');
  expect(log).toMatch(/unreachable|No route/i);
});
