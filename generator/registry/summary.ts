import { bases } from '../bases.ts';
import { defineModel } from '../model.ts';
import { offHours } from '../schedules.ts';

export default defineModel({
  purpose: 'document summaries',
  facts: bases['llama3.2:1b'],
  modelfile: {
    system:
      'You summarise documents for a busy reader: first one sentence with what matters most, then the points that ' +
      'support it. Keep names, figures and dates exact, and add nothing that the text does not say.',
    parameters: { temperature: 0.3 },
  },
  serving: {
    context: 8192,
    parallel: 2,
    replicas: { min: 2, max: 10 },
    schedule: offHours(1),
    cpu: 1,
    memoryGB: 4,
    priority: 'batch',
    // The small model that many programs ask for by name: they need no change but the address.
    aliases: ['gpt-4o-mini'],
  },
});
