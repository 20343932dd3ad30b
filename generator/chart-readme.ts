import type { Output } from './outputs.ts';
import { type JsonSchema, madeBy } from './schema.ts';

/**
 * What a value is, in the rows of one table: a key of objects is a row for each leaf below it. Keys that the user names are NAME.
 */
interface Row {
  key: string;
  type: string;
  unsaid: string;
  what: string;
}

/** charts/README.md, which goes with the packaged chart: every value with its type, its default and what it is for. */
export function chartReadme(schema: JsonSchema): Output {
  const sections = Object.entries(schema.properties!).map(([key, value]) => section(key, value));
  const text = `<!-- ${madeBy} -->

# model-management

A fleet of Ollama models with one gateway in front of them.

\`\`\`sh
helm upgrade --install model-management CHART --namespace model-management --create-namespace --values my.yaml
\`\`\`

A value that the chart does not know is refused, with its path; so is what contradicts itself, with every mistake at once and how to mend
it. \`NAME\` stands for a key that you choose.

# Values

${sections.join('\n\n')}
`;
  return { file: 'charts/README.md', text };
}

function section(key: string, schema: JsonSchema): string {
  const head = `## ${key}\n\n${schema.description ?? ''}`.trimEnd();
  // What a server says for itself is described where it holds for all.
  if (key === 'servers') return `${head}\n\nEach \`servers.NAME\` takes every key of \`serverDefaults\`.`;
  if (!below(schema)) return `${head} ${sentenceOf(schema)}`;
  const rows = rowsOf(schema, key).map(({ key, type, unsaid, what }) => `| ${key} | ${type} | ${unsaid} | ${what} |`);
  return `${head}\n\n| key | type | default | what it is |\n| --- | --- | --- | --- |\n${rows.join('\n')}`;
}

const sentenceOf = (schema: JsonSchema) => `(${[typeOf(schema), defaultOf(schema)].filter(Boolean).join(', ')})`;

/** The schemas of an object's keys; undefined for what is no object, or one of anything. */
function below(schema: JsonSchema): Record<string, JsonSchema> | undefined {
  const named = Object.values(schema.patternProperties ?? {})[0];
  if (named && below(named)) return { NAME: named };
  return schema.properties && Object.keys(schema.properties).length > 0 ? schema.properties : undefined;
}

function rowsOf(schema: JsonSchema, at: string): Row[] {
  const keys = below(schema);
  if (!keys)
    return [{ key: `\`${at}\``, type: typeOf(schema), unsaid: defaultOf(schema), what: cell(schema.description) }];
  return Object.entries(keys).flatMap(([key, value]) => rowsOf(value, `${at}.${key}`));
}

function typeOf({ type, enum: words, minimum, maximum, anyOf, patternProperties, items }: JsonSchema): string {
  if (Array.isArray(words)) return words.map((word) => `\`${word}\``).join(', ');
  if (anyOf) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (type === 'array') return `list of ${items ? typeOf(items) : 'anything'}`;
  if (type === 'object') {
    const value = Object.values(patternProperties ?? {})[0];
    return value ? `map of ${typeOf(value)}` : 'map';
  }
  if (minimum !== undefined && maximum !== undefined) return `${type}, ${minimum} – ${maximum}`;
  return type ?? 'anything';
}

const defaultOf = ({ default: value }: JsonSchema) => (value === undefined ? '' : `\`${JSON.stringify(value)}\``);

const cell = (text = '') => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
