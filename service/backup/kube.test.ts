import { mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { FakeApiServer } from '../testing/fake-api-server.ts';
import { Kube } from './kube.ts';

it('finds nothing of a kind that the API server does not know, and throws where it refuses', async () => {
  await using api = await FakeApiServer.start();
  using folder = mkdtempDisposableSync(path.join(tmpdir(), 'kube-'));
  const tokenFile = path.join(folder.path, 'token');
  writeFileSync(tokenFile, 'token\n');
  await using kube = new Kube({ url: api.url, tokenFile });
  expect(await kube.list('/apis/keda.sh/v1alpha1/namespaces/test/scaledobjects', 'a=b')).toEqual([]);
  await expect(kube.patch('/api/v1/namespaces/test/configmaps/status', {})).rejects.toThrow('status: not there');
  api.refuse.list = 403;
  const known = '/apis/discovery.k8s.io/v1/namespaces/test/endpointslices';
  await expect(kube.list(known, 'a=b')).rejects.toThrow(`${known}: the API server says 403`);
});
