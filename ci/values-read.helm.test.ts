import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { unreadValues } from './lint/values-read.ts';
import { chartFolder } from './testing/chart.ts';
import { temporaryFolder } from './testing/project.ts';

// That the chart itself reads every value is one of the checks in lint.helm.test.ts.
it('finds a value that templates mention in comments and checksums alone', async () => {
  await using folder = await temporaryFolder();
  await cp(chartFolder, folder.path, { recursive: true });
  const change = async (file: string, from: RegExp, to: string) => {
    const at = path.join(folder.path, 'templates', file);
    const text = await readFile(at, 'utf8');
    expect(text).toMatch(from);
    await writeFile(at, text.replaceAll(from, to));
  };
  await change('_config.tpl', /\(int \.(root\.)?Values\.gateway\.maxBodyMiB\)/g, '32');
  await change('_edge.tpl', /\(int \.Values\.gateway\.maxBodyMiB\)/g, '32');
  await change('serviceaccount.yaml', /^kind: /gm, '# {{ .Values.gateway.maxBodyMiB }}\n$&');
  await change(
    '_gateway-pod.tpl',
    /^ *kubectl\.kubernetes\.io\/default-container: gateway$/gm,
    '$&\n      checksum/config: {{ .root.Values | toJson | sha256sum }}',
  );
  const only = (name: string) => name === 'gateway.maxBodyMiB' || name === 'gateway.logLevel';
  expect(await unreadValues({ chart: folder.path, only })).toEqual([
    'gateway.maxBodyMiB: no template reads it: read it, or remove it from schema/values.ts',
  ]);
});
