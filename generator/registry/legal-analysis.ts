import { bases } from '../bases.ts';
import { defineModel } from '../model.ts';
import { offHours } from '../schedules.ts';

export default defineModel({
  purpose: 'contract analysis',
  facts: bases['llama3.2:3b'],
  modelfile: {
    system:
      'You analyse contracts. Name the parties, their obligations, the terms and dates, and every clause that is unusual ' +
      'or one-sided. Quote the clause that you speak of. Say so when the text does not answer a question.',
    parameters: { temperature: 0.2 },
  },
  serving: {
    context: 16_384,
    parallel: 2,
    replicas: { min: 2, max: 8 },
    schedule: offHours(1),
    cpu: 2,
    memoryGB: 8,
    priority: 'standard',
  },
});
