import { defineEnvironment } from '../../generator/environment.ts';

/** The Ingress lets everybody in. `npm run api-key -- NAME` says how the Secret is made. */
const apiKeys = { enabled: true, existingSecret: 'model-management-api-keys' };

/** Servers on CPUs, with two pods at the least: the first stays, whatever becomes of spot nodes. */
const business = ['legal-analysis', 'risk-assessment', 'summary', 'recommendations'];

export default defineEnvironment({
  purpose: 'Everything on, on spot nodes where that does no harm.',
  values: {
    // They are in images.yaml beside this, or in values of whoever deploys: `npm run pin-images`.
    images: { requireDigest: true },
    serverDefaults: {
      cache: { storageClass: 'fast-ssd' },
      // Nodes with GPUs of several sizes: the smaller ones hold the largest model in part alone, and some cost less.
      gpu: { matchMemory: true },
      scheduling: { capacity: 'preferSpot', pack: true },
    },
    servers: {
      // What most requests are for, with one pod at the least and a load of minutes: it is not to be taken away.
      'ollama-llama': { scheduling: { capacity: 'onDemand' } },
      ...Object.fromEntries(business.map((model) => [`ollama-${model}`, { replicas: { onDemand: 1 } }])),
    },
    sharedCache: { storageClass: 'fast-ssd' },
    // Without a gateway nothing answers, and it costs little.
    gateway: { replicas: { min: 3, max: 12 }, apiKeys, scheduling: { capacity: 'onDemand' } },
    // The Service that the Prometheus operator makes for its Prometheus, wherever kube-prometheus-stack is installed as documented.
    autoscaling: {
      signals: 'demand',
      timeZone: 'America/New_York',
      prometheusUrl: 'http://prometheus-operated.monitoring:9090',
    },
    forecaster: { enabled: true },
    ingress: { enabled: true },
    networkPolicy: { enabled: true, denyNamespace: true },
    monitoring: {
      scrape: { method: 'podMonitor' },
      rules: { delivery: 'prometheusRule' },
      dashboards: { delivery: 'configMap' },
    },
  },
});
