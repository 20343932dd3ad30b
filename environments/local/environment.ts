import { bases } from '../../generator/bases.ts';
import { defineEnvironment } from '../../generator/environment.ts';

const business = ['legal-analysis', 'risk-assessment', 'summary', 'recommendations'];

export default defineEnvironment({
  purpose: 'One packed server with the business models on the smallest base: runs on two cores without a GPU.',
  registry: ({ models }) => ({
    models: Object.fromEntries(
      Object.entries(models).map(([alias, definition]) => [
        alias,
        business.includes(alias)
          ? {
              ...definition,
              facts: bases['qwen2.5:0.5b'],
              serving: {
                ...definition.serving,
                context: 2048,
                parallel: 1,
                cpu: 1,
                memoryGB: 2,
                replicas: { min: 1, max: 2 },
              },
            }
          : definition,
      ]),
    ),
    packs: { 'ollama-business': business },
  }),
  values: {
    servers: {
      'ollama-llama': { enabled: false },
      'ollama-qwen': { enabled: false },
      'ollama-gpt-oss': { enabled: false },
      // A machine that runs everything has no room for a second pod whenever the first is busy.
      'ollama-business': {
        // A rollout has two pods for a while, which two cores have to hold beside everything else.
        resources: { cpuRequest: '250m' },
        autoscaling: { enabled: false },
        podDisruptionBudget: { enabled: false },
        // Nobody lets it by the hour.
        costPerHour: 0,
      },
    },
    gateway: {
      replicas: { min: 1, max: 2 },
      resources: { cpu: '100m', memory: '256Mi' },
      autoscaling: { enabled: false },
      podDisruptionBudget: { enabled: false },
    },
    agent: { resources: { cpu: '50m' } },
  },
});
