import type { ModelDefinition } from '../model.ts';

/** The text of a registry file, as the project's formatter leaves it. */
export function registryFile({ purpose, facts, serving }: ModelDefinition): string {
  return [
    "import { defineModel } from '../model.ts';",
    '',
    'export default defineModel({',
    `  purpose: ${literal(purpose)},`,
    '  facts: {',
    ...Object.entries(facts).map(line),
    '  },',
    '  serving: {',
    ...Object.entries(serving).map(line),
    '  },',
    '});',
    '',
  ].join('\n');
}

/** Columns of a line, as biome.json has it. */
const lineWidth = 120;

/** A key and its value; a text that is too long for the line has the next to itself. */
function line([key, value]: [string, unknown]): string {
  const text = `    ${key}: ${literal(value)},`;
  return typeof value === 'string' && text.length > lineWidth ? `    ${key}:\n      ${literal(value)},` : text;
}

function literal(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return grouped(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  return `{ ${Object.entries(value as object)
    .map(([key, inner]) => `${key}: ${literal(inner)}`)
    .join(', ')} }`;
}

/** Quotes of the kind that the text has none of; what a header says may hold anything. */
function quoted(text: string): string {
  const json = JSON.stringify(text);
  return text.includes("'") ? json : `'${json.slice(1, -1).replaceAll('\\"', '"')}'`;
}

/** Digits in groups of three from five on. */
function grouped(value: number): string {
  return Number.isInteger(value) && value >= 10_000 ? String(value).replace(/\B(?=(\d{3})+$)/g, '_') : String(value);
}
