import { defineEnvironment } from '../../generator/environment.ts';

/** The Ingress lets everybody in. `npm run api-key -- NAME` says how the Secret is made. */
const apiKeys = { enabled: true, existingSecret: 'model-management-api-keys' };

export default defineEnvironment({
  purpose: 'Everything on.',
  values: {
    serverDefaults: { cache: { storageClass: 'fast-ssd' } },
    sharedCache: { storageClass: 'fast-ssd' },
    gateway: { replicas: { min: 3, max: 12 }, apiKeys },
    ingress: { enabled: true },
    monitoring: {
      scrape: { method: 'podMonitor' },
      rules: { delivery: 'prometheusRule' },
      dashboards: { delivery: 'configMap' },
    },
  },
});
