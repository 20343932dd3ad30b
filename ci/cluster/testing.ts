import { inject } from 'vitest';
import { type Cluster, openCluster } from './cluster.ts';
import type { Image } from './images.ts';
import { type Namespace, newNamespace } from './namespace.ts';

export { isReady, type Namespace, type Resource } from './namespace.ts';
export { restrictedContainer, restrictedPod } from './restricted.ts';

/** What the global setup tells the tests. */
export interface TestCluster {
  name: string;
  /** Ollama's image, loaded already: it has a shell and the core utilities too. */
  ollama: Image;
  /** The service's image, loaded already. */
  service: Image;
}

/** The cluster that the global setup started. */
export async function testCluster(): Promise<Cluster & TestCluster> {
  const given = inject('cluster');
  const cluster = await openCluster(given.name);
  if (!cluster) throw new Error(`cluster ${given.name}: not up any more: see the output of the global setup`);
  return { ...cluster, ...given };
}

/** `await using namespace = await testNamespace()`: it and all that is in it is gone at the end of the test. */
export async function testNamespace(): Promise<Namespace> {
  return newNamespace(await testCluster());
}
