import { defineEnvironment } from '../../generator/environment.ts';

export default defineEnvironment({
  purpose: 'Everything on.',
  values: {
    serverDefaults: { cache: { storageClass: 'fast-ssd' } },
    sharedCache: { storageClass: 'fast-ssd' },
    gateway: { replicas: { min: 3, max: 12 } },
    ingress: { enabled: true },
  },
});
