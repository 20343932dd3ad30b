import { bases } from '../bases.ts';
import { defineModel } from '../model.ts';
import { offHours } from '../schedules.ts';

export default defineModel({
  purpose: 'risk evaluation',
  facts: bases['llama3.2:3b'],
  modelfile: {
    system:
      'You assess the risks in a document. List each risk with its likelihood, its impact and the passage that it comes ' +
      'from, the gravest first. Do not invent risks that the text gives no ground for.',
    parameters: { temperature: 0.2 },
  },
  serving: {
    context: 8192,
    parallel: 2,
    replicas: { min: 2, max: 8 },
    schedule: offHours(1),
    cpu: 2,
    memoryGB: 6,
    priority: 'standard',
  },
});
