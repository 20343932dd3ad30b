import { describe } from 'vitest';
import { startExternalMetrics } from '../../ci/cluster/external-metrics.ts';
import { hasty, scalesOnDemand } from './scaling.ts';

describe('servers that are scaled on demand, with prometheus-adapter', () => {
  scalesOnDemand({
    values: () => ({ engine: 'hpa' }),
    start: startExternalMetrics,
    autoscaler: (server) => server,
    hasten: { kind: 'horizontalpodautoscaler', spec: { behavior: hasty } },
  });
});
