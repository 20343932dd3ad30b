import { expect, it } from 'vitest';
import { serversOf } from './servers.ts';
import { addServer, emptyLook, pod } from './testing.ts';

it('takes the Deployment of pods that never run on spot nodes for a part of its server', () => {
  const look = emptyLook();
  addServer(look, 'a', { replicas: 2, pods: [pod('a-0', 'ollama-a'), pod('a-1', 'ollama-a')] });
  addServer(look, 'b');
  const [a] = look.list('deployments');
  const labels = { ...a!.metadata.labels, 'model-management.fineprint.ai/capacity': 'on-demand' };
  const onDemand = {
    ...a!,
    metadata: { ...a!.metadata, name: 'ollama-a-on-demand', labels },
    spec: { ...a!.spec, replicas: 1 },
  };
  look.put('deployments', { value: [onDemand, ...look.list('deployments')] });
  const servers = serversOf(look).map(({ name, deployment, wanted }) => ({
    ...{ name, of: deployment.metadata.name, wanted },
  }));
  expect(servers).toEqual([
    { name: 'ollama-a', of: 'ollama-a', wanted: 3 },
    { name: 'ollama-b', of: 'ollama-b', wanted: 1 },
  ]);
});
