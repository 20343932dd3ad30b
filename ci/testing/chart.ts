import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { JsonSchema } from '../../generator/schema.ts';
import type { Values } from '../../schema/values.ts';
import { root } from '../tools/paths.ts';

/** Where the chart is. */
export const chartFolder = path.join(root, 'charts');

const read = (file: string) => readFileSync(path.join(chartFolder, file), 'utf8');

/** The chart's own values and their schema, as they are generated and committed. */
export const chartValues: Values = parse(read('values.yaml'));
export const chartSchemaText = read('values.schema.json');
export const chartSchema: JsonSchema = JSON.parse(chartSchemaText);

const { autoscaling, serverDefaults } = chartValues;
const schedule = { example: { days: [], from: '00:00', to: '01:00', min: 1 } };
const placeholders = { example: { server: 'ollama-qwen', pods: 1, priorityClassName: 'low' } };

/** The same with an entry in each map that has none and whose entries need keys: what changes one of these changes no more. */
export const filledValues: Values = {
  ...chartValues,
  autoscaling: { ...autoscaling, placeholders },
  serverDefaults: { ...serverDefaults, autoscaling: { ...serverDefaults.autoscaling, schedule } },
};
