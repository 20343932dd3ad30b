import { describe, expect, it } from 'vitest';
import { Registry } from '../../charts/tests/registry.ts';
import { Rendered } from '../../charts/tests/render.ts';
import { root } from '../tools/paths.ts';
import { output, run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';

const npm = (...args: string[]) => output('npm', ['run', '--silent', 'publish-chart', '--', ...args], { cwd: root });

describe('npm run publish-chart', () => {
  it('pushes a chart that renders as the folder does, with its README and the image that it was told', async () => {
    await using registry = await Registry.start();
    const repository = 'registry.example.com/model-management';
    const digest = `sha256:${'1'.repeat(64)}`;
    const version = ['--version', '1.2.3-rc.1'];
    const published = await npm(
      `oci://${registry.host}/charts`,
      ...version,
      '--image',
      `${repository}@${digest}`,
      '--plain-http',
    );
    expect(published.stderr).toContain('packaging the chart as 1.2.3-rc.1');
    const [, reference, chartDigest] = /^reference=oci:\/\/(\S+)\ndigest=(sha256:\S+)\n$/.exec(published.stdout)!;
    expect(reference).toBe(`${registry.host}/charts/model-management:1.2.3-rc.1`);

    const helm = await tool('helm');
    const chart = [`oci://${registry.host}/charts/model-management@${chartDigest}`, '--plain-http'];
    const pulled = new Rendered(await run(helm, ['template', 'rel', ...chart]));
    const image = ['--set', `image.repository=${repository},image.digest=${digest}`];
    const folder = new Rendered(await run(helm, ['template', 'rel', `${root}/charts`, ...image]));
    // Labels and checksums alone tell the version.
    const versionless = ({ objects }: Rendered) =>
      JSON.parse(
        JSON.stringify(objects)
          .replaceAll('1.2.3-rc.1', '0.1.0')
          .replaceAll(/"checksum\/\w+":"[0-9a-f]+"/g, '"checksum":""'),
      );
    expect(versionless(pulled)).toEqual(versionless(folder));
    expect(await run(helm, ['show', 'readme', ...chart])).toContain('`gateway.replicas.min`');
    expect(await run(helm, ['show', 'chart', ...chart])).toContain('appVersion: 1.2.3-rc.1');
  });

  it.each([
    [['charts', '--version', '1.0.0'], 'charts: is no registry: write oci://HOST/PATH'],
    [['oci://localhost/charts'], '--version : is no semantic version: write one such as 1.2.3 or 1.2.3-rc.1'],
    [
      ['oci://localhost/charts', '--version', '1.0.0', '--image', 'a:1'],
      '--image a:1: has no digest: write REPOSITORY@sha256:…',
    ],
    [['oci://localhost:1/charts', '--version', '1.0.0'], 'oci://localhost:1/charts: does not take the chart: '],
  ])('says in a line why it does not take %j', async (args, line) => {
    const { status, stdout, stderr } = await npm(...args);
    expect(stderr).toContain(`publish-chart: ${line}`);
    expect([status, stdout]).toEqual([1, '']);
  });
});
