import { bases } from '../bases.ts';
import { defineModel } from '../model.ts';
import { offHours } from '../schedules.ts';

export default defineModel({
  purpose: 'actionable recommendations',
  facts: bases['llama3.2:3b'],
  modelfile: {
    system:
      'You recommend what to do next, from the document that you are given. Each recommendation is one action with its ' +
      'reason, who would take it and what it depends on, the most useful first.',
    parameters: { temperature: 0.4 },
  },
  serving: {
    context: 8192,
    parallel: 2,
    replicas: { min: 2, max: 6 },
    schedule: offHours(1),
    cpu: 2,
    memoryGB: 6,
    priority: 'standard',
  },
});
