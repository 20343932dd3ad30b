import { defineEnvironment } from '../../generator/environment.ts';

/** The Ingress lets everybody in. `npm run api-key -- NAME` says how the Secret is made. */
const apiKeys = { enabled: true, existingSecret: 'model-management-api-keys' };

export default defineEnvironment({
  purpose: 'Every model as in production, with as few pods as can be, to try a change on.',
  values: {
    serverDefaults: { cache: { storageClass: 'fast-ssd' } },
    sharedCache: { storageClass: 'fast-ssd' },
    servers: {
      'ollama-llama': { replicas: { min: 1, max: 1 } },
      'ollama-qwen': { replicas: { min: 1, max: 1 } },
      'ollama-gpt-oss': { replicas: { min: 1, max: 1 } },
      'ollama-legal-analysis': { replicas: { min: 1, max: 2 } },
      'ollama-risk-assessment': { replicas: { min: 1, max: 2 } },
      'ollama-summary': { replicas: { min: 1, max: 2 } },
      'ollama-recommendations': { replicas: { min: 1, max: 2 } },
    },
    gateway: { replicas: { min: 2, max: 2 }, apiKeys },
    ingress: {
      enabled: true,
      host: 'staging.models.fineprint.ai',
      tls: { clusterIssuer: 'letsencrypt-staging' },
    },
    networkPolicy: { enabled: true, denyNamespace: true },
    monitoring: {
      scrape: { method: 'podMonitor' },
      rules: { delivery: 'prometheusRule' },
      dashboards: { delivery: 'configMap' },
    },
  },
});
