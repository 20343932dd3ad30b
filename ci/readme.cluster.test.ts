import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { mergeValues } from '../generator/environment.ts';
import { loadRegistry } from '../generator/registry.ts';
import { requirementsTable } from '../generator/requirements.ts';
import { overlay } from './cluster/release.ts';
import { testCluster } from './cluster/testing.ts';
import { defined } from './testing/crds.ts';
import { testDigests } from './testing/digests.ts';
import { copyProject, type ProjectCopy } from './testing/project.ts';
import { requireSystem } from './tools/packages.ts';
import { root } from './tools/paths.ts';
import { type Output, output } from './tools/run.ts';
import { tool, toolEnvironment } from './tools/tools.ts';

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');

/** The code blocks of the README in a language, in order. */
const blocks = (language: string) =>
  [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, name]) => name === language).map(([, , text]) => text!);

const [firstCommands, everyDay, clients] = blocks('sh').map((text) => text.trim().split('\n'));
const namespace = 'model-management';

async function project(): Promise<ProjectCopy> {
  return copyProject('README.md', 'biome.json', 'charts', 'ci', 'environments', 'generator', 'schema', 'service');
}

async function shell(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Output> {
  return output('bash', ['-c', command], { cwd, env, timeout: 280_000 });
}

describe('the README', () => {
  const running: ChildProcess[] = [];
  afterAll(async () => {
    for (const child of running) child.kill();
    const cluster = await testCluster();
    const { kubectl } = cluster;
    await output(await tool('helm'), ['uninstall', namespace, '--namespace', namespace, '--ignore-not-found'], cluster);
    // A namespace with pods in it is looked at again after half of their grace period, which here is minutes.
    await kubectl(['delete', 'pods', '--all', '--namespace', namespace, '--timeout=120s']);
    await kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--timeout=120s']);
  });

  it('names commands that are there', () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
    // Each is run by a test of its own: ci/cluster/lifecycle.cluster.test.ts, and what you are reading is `npm test`.
    expect(firstCommands).toEqual(['npm run up', 'npm run status', 'npm run doctor', 'npm run down', 'npm test']);
    for (const [, script] of readme.matchAll(/`?npm run ([\w:-]+)/g)) expect(Object.keys(scripts)).toContain(script);
    expect(blocks('sh')).toHaveLength(3);
  });

  it('lists what the registry needs', async () => {
    expect(readme).toContain(requirementsTable(await loadRegistry()));
  });

  it('has an example of a model that the generator takes', async () => {
    await using copy = await project();
    const [example] = blocks('ts');
    const [, file] = /^\/\/ (\S+)\n/.exec(example!)!;
    await copy.write(file!, example!);
    const made = await copy.npm('gen-values');
    expect(made.stderr).toBe('');
    expect(await copy.read('charts/values.yaml')).toMatch(/ollama-translation:\n {4}models:\n {6}- translation/);
  });

  it('has examples of values that the chart takes', async () => {
    await using copy = await project();
    const helm = await tool('helm');
    for (const [index, text] of blocks('yaml').entries()) {
      const file = path.join(copy.root, `values-${index}.yaml`);
      writeFileSync(file, text);
      const { status, stderr } = await output(helm, ['template', path.join(copy.root, 'charts'), '--values', file]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    }
  });

  it('has commands of every day that work', async () => {
    await using copy = await project();
    const cluster = await testCluster();
    // Production has its metrics and rules by way of the operator, as the README says.
    await using _definitions = await defined(cluster.kubectl, 'prometheus');
    const env = { ...cluster.env, CI: 'true' };
    // With what npm run pin-images writes into it, which asks a registry that is nowhere.
    const mine = mergeValues(parse(blocks('yaml')[0]!), testDigests);
    writeFileSync(path.join(copy.root, 'my.yaml'), stringify(mine));
    expect(everyDay).toHaveLength(4);
    for (const command of everyDay!) {
      const { status, stdout, stderr } = await shell(command, copy.root, env);
      expect(status, `${command}\n${stdout}\n${stderr}`).toBe(0);
    }
    const deployed = JSON.parse(await cluster.kubectl(['get', 'deployments', '--namespace', namespace, '-o', 'json']));
    // The gateway, the forecaster, seven servers, and the pods of four of them that stay on demand.
    expect(deployed.items).toHaveLength(13);
  });

  it('has commands for clients that work', async () => {
    const cluster = await testCluster();
    await using copy = await project();
    const file = path.join(copy.root, 'overlay.json');
    writeFileSync(file, JSON.stringify(overlay(cluster)));
    const values = ['--values', 'environments/local/values.yaml', '--values', file];
    const install = ['upgrade', '--install', namespace, './charts', '--namespace', namespace, '--create-namespace'];
    // The one before was production, whose pods would never be scheduled here.
    await output(await tool('helm'), ['uninstall', namespace, '--namespace', namespace, '--wait'], cluster);
    const installed = await output(await tool('helm'), [...install, ...values, '--wait', '--timeout', '4m'], {
      ...cluster,
      cwd: root,
    });
    expect(installed.stderr).toBe('');

    await requireSystem(['curl']);
    const [forward, ...rest] = clients!;
    const env = { ...cluster.env, PATH: `${(await toolEnvironment('ollama', 'cluster')).PATH}` };
    const child = spawn('bash', ['-c', `exec ${forward!.replace(/ &$/, '')}`], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.push(child);
    await once(child.stdout!, 'data');
    const { status, stdout, stderr } = await shell(rest.join('\n'), root, env);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^legal-analysis:latest/m);
    expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toMatchObject({ object: 'chat.completion' });
  });
});
