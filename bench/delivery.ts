import { startCluster, stopCluster } from '../ci/cluster/cluster.ts';
import { ollamaImage, resticImage, serviceImage } from '../ci/cluster/images.ts';
import { deployments } from './delivery/deployments.ts';
import { restoration } from './delivery/restoration.ts';
import { figuresOf } from './delivery/under-load.ts';
import type { Benchmark, Figure } from './measure.ts';

/** What clients notice of changes to a fleet, on a cluster of its own. */
export const delivery: Benchmark = {
  purpose: 'blue-green, rolling update, node drain, restore: seconds and failed requests (10 minutes)',
  async run(): Promise<Figure[]> {
    const name = `bench-${process.pid}`;
    try {
      const images = Promise.all([ollamaImage(), serviceImage(), resticImage()]);
      const [started, [ollama, service, restic]] = await Promise.all([startCluster(name), images]);
      await started.loadImages(ollama, service, restic);
      const cluster = { ...started, ollama, service };
      return [...figuresOf(await deployments(cluster)), ...(await restoration(cluster, restic))];
    } finally {
      await stopCluster(name);
    }
  },
};
