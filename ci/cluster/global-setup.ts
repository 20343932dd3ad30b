import type { TestProject } from 'vitest/node';
import { type FamilyName, toolFamily } from '../tools/tools.ts';
import { startCluster, stopCluster } from './cluster.ts';
import { ollamaImage, serviceImage } from './images.ts';
import type { TestCluster } from './testing.ts';

declare module 'vitest' {
  interface ProvidedContext {
    cluster: TestCluster;
  }
}

const families: FamilyName[] = ['monitoring', 'nodes', 'adapter', 'policies'];
/** What takes too long to build for the usual tests. */
const extended: FamilyName[] = ['external-secrets', 'keda', 'traefik'];

/**
 * The one cluster of a test run. It ends with this process in any case; its folder goes here, or where that comes to
 * nothing, with the next cluster that is started.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const name = `test-${process.pid}`;
  try {
    const tools = project.name === 'extended' ? [...families, ...extended] : families;
    const started = Promise.all([startCluster(name), ollamaImage(), serviceImage(), ...tools.map(toolFamily)]);
    const [cluster, ollama, service] = await started;
    await cluster.loadImages(ollama, service);
    project.provide('cluster', { name, ollama, service });
  } catch (error) {
    await stopCluster(name);
    throw error;
  }
  return async () => {
    await stopCluster(name);
  };
}
