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
