import type { JsonSchema } from '../../generator/schema.ts';
import { isLeaf, isOpen, type Path, type Place, valuesOfMap } from './schema-places.ts';

/** A value for one place, and the rule of the schema that it breaks, or that it just meets. */
export interface Case {
  path: Path;
  rule: string;
  value: unknown;
  /** How the validators name the mistake, in the words of `mistakes.ts`: that of the place itself first. */
  mistakes: string[];
}

export const pointer = (path: Path) =>
  path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** Characters and words of all kinds: each pattern takes some of these and refuses others. */
const texts = [
  ...[
    '',
    ' ',
    'a',
    'A',
    '1',
    '-',
    '.',
    '_',
    '/',
    ':',
    'a b',
    'a\n',
    '\na',
    'ä',
    '"',
    "'",
    'a/b',
    'a:b',
    'a-',
    '-a',
    '.a',
    'a.',
    'a..b',
  ],
  ...[
    'A1',
    'a_b',
    'A_B',
    '_A',
    '0',
    '-1',
    '01',
    '1m',
    '500m',
    '1.5',
    '1Gi',
    '1G',
    '1gi',
    '1Ki',
    '0Gi',
    '1s',
    '10m',
    '1g.10gb',
    '7g.80gb+me',
    '8g.10gb',
    '1g.10gb.me',
    '1d',
    '1h30m',
    '20:00',
    '24:00',
    '24:01',
    'Europe/Berlin',
    '@daily',
    '17 3 * * 1-5',
    '17 3 * *',
    's3:bucket/path',
  ],
  ...[
    'https://a:1',
    'http://example.com',
    'http://a/b',
    'ftp://a',
    'example.com/a',
    'a/b/c',
    'a:5000/b/c:d',
    'a@b',
    'a:123456',
    '127.0.0.1',
    '10.0.0.0/8',
    '*.a.b',
  ],
  ...[
    `sha256:${'f'.repeat(64)}`,
    `sha256:${'F'.repeat(64)}`,
    `sha256:${'f'.repeat(63)}`,
    'md5:0',
    '{{ a }}',
    '$(A)',
    'a""b',
    '"""',
  ],
];

/** Strings of this length, one of which each bounded pattern takes. */
const ofLength = (length: number) => [
  'a'.repeat(length),
  'A'.repeat(length),
  `${'a'.repeat(length - 1)}-`,
  `https://${'a'.repeat(Math.max(0, length - 8))}`,
  `https://a/${'a'.repeat(Math.max(0, length - 10))}`,
  '9'.repeat(length),
  `${'9'.repeat(Math.max(0, length - 8))} * * * *`,
  `s3:${'a'.repeat(Math.max(0, length - 3))}`,
  '😀'.repeat(length),
];

const takes = (schema: JsonSchema) => {
  const pattern = schema.pattern === undefined ? undefined : new RegExp(schema.pattern, 'u');
  return (text: string) => !pattern || pattern.test(text);
};

/** Values that break one rule of the schema each: every rule of every place has at least one. */
export function wrongCases(places: Place[]): Case[] {
  return places
    .filter((place) => !isOpen(place))
    .flatMap((place) => [...(isLeaf(place) ? leafCases(place) : objectCases(place))]);
}

function* leafCases({ path, schema }: Place): Generator<Case> {
  for (const [rule, values] of Object.entries(brokenRules(schema))) {
    for (const value of values) yield { path, rule, value, mistakes: wrongPlaces(rule, path, value).map(pointer) };
  }
}

/** Of a list where something else would do as well, both the place and its one wrong item are named. */
function wrongPlaces(rule: string, path: Path, value: unknown): Path[] {
  return rule === 'anyOf' && Array.isArray(value) && value.length === 1 ? [path, [...path, 0]] : [path];
}

function* objectCases({ path, schema }: Place): Generator<Case> {
  if (path.length > 0) yield { path, rule: 'type', value: 'flat', mistakes: [pointer(path)] };
  for (const key of valuesOfMap(schema) ? ['not a key', '-'] : ['unknown']) {
    yield { path: [...path, key], rule: 'additionalProperties', value: 1, mistakes: [`${pointer(path)} has ${key}`] };
  }
  for (const key of schema.required ?? []) {
    yield { path: [...path, key], rule: 'required', value: null, mistakes: [`${pointer(path)} lacks ${key}`] };
  }
}

/** Values that break each rule of a leaf, and as far as can be no other. */
function brokenRules(schema: JsonSchema): Record<string, unknown[]> {
  if (schema.anyOf) return { anyOf: [{ a: 1 }, 'two\nlines', ...wrongLists(schema.anyOf)] };
  const { pattern, maxLength, minimum, maximum, maxItems, uniqueItems } = schema as Limits;
  const broken: Record<string, unknown[]> = { type: ofOtherTypes(schema.type!) };
  if (schema.enum) broken.enum = ['', ...(schema.enum as string[]).flatMap((text) => [`${text}x`, ` ${text}`])];
  if (pattern !== undefined) {
    broken.pattern = texts.filter((text) => !takes(schema)(text) && text.length <= (maxLength ?? text.length));
  }
  if (maxLength !== undefined) broken.maxLength = ofLength(maxLength + 1).filter(takes(schema));
  if (minimum !== undefined) broken.minimum = [minimum - 1];
  if (maximum !== undefined) broken.maximum = [maximum + 1, 1e21];
  if (maxItems !== undefined) broken.maxItems = [items(schema, maxItems + 1)];
  if (uniqueItems) broken.uniqueItems = [[...items(schema, 1), ...items(schema, 1)]];
  return broken;
}

/** Lists that a choice refuses: any at all where it takes none, else those of a wrong item and those that are too long. */
function wrongLists(choice: JsonSchema[]): unknown[][] {
  const list = choice.find(({ type }) => type === 'array');
  return list ? [[{ a: 1 }], ['two\nlines'], items(list, (list.maxItems as number) + 1)] : [['list']];
}

interface Limits {
  pattern?: string;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
  uniqueItems?: boolean;
}

function ofOtherTypes(type: string): unknown[] {
  const values: Record<string, unknown> = {
    string: 'text',
    boolean: true,
    integer: 7,
    number: 0.5,
    object: { a: 1 },
    array: ['a'],
  };
  const same = type === 'number' ? ['integer', 'number'] : [type];
  return Object.entries(values)
    .filter(([name]) => !same.includes(name))
    .map(([, value]) => value);
}

/** Of a list of few words, those: more of them than there are come again. */
const items = ({ items: item }: JsonSchema, count: number) =>
  Array.from({ length: count }, (_, index) => {
    const words = item!.enum as string[] | undefined;
    if (words) return words[index % words.length];
    if (item!.type === 'object') return {};
    if (item!.type === 'integer') return index + 1;
    return [`item${index}`, ...texts].find(takes(item!));
  });

/** Values that the schema takes, at the bounds of each rule: one step further and they are wrong. */
export function rightCases(places: Place[]): Case[] {
  return places
    .filter((place) => isLeaf(place) && !isOpen(place))
    .flatMap(({ path, schema }) =>
      rightValues(schema).map(([rule, value]) => ({ path, rule, value, mistakes: [pointer(path)] })),
    );
}

function rightValues(schema: JsonSchema): [rule: string, value: unknown][] {
  if (schema.anyOf) return schema.anyOf.flatMap(rightValues);
  if (schema.enum) return (schema.enum as string[]).map((value) => ['enum', value]);
  switch (schema.type) {
    case 'boolean':
      return [
        ['type', true],
        ['type', false],
      ];
    case 'integer':
    case 'number':
      return [
        ['minimum', schema.minimum],
        ['maximum', schema.maximum],
      ];
    case 'array':
      return [
        ['type', []],
        ['maxItems', items(schema, schema.maxItems as number)],
      ];
    default: {
      const short = texts.filter((text) => takes(schema)(text) && text.length <= ((schema.maxLength as number) ?? 128));
      const long = schema.maxLength === undefined ? [] : ofLength(schema.maxLength as number).filter(takes(schema));
      return [
        ...short.map((text) => ['pattern', text] as [string, unknown]),
        ...long.map((text) => ['maxLength', text] as [string, unknown]),
      ];
    }
  }
}

/** The least values that have this value at this path. */
export function valuesWith(cases: { path: Path; value: unknown }[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const { path, value } of cases) {
    let at: Record<string | number, unknown> = root;
    for (const [index, key] of path.slice(0, -1).entries()) {
      at[key] ??= typeof path[index + 1] === 'number' ? [] : {};
      at = at[key] as Record<string, unknown>;
    }
    at[path.at(-1)!] = value;
  }
  return root;
}

/**
 * Cases in batches, each of which can be tried at once: no case's path is another's, or leads to it. One call of Helm then
 * tries hundreds of them.
 */
export function batchesOf(cases: Case[]): Case[][] {
  const batches: { cases: Case[]; taken: Set<string>; ways: Set<string> }[] = [];
  for (const one of cases) {
    const steps = one.path.map((_, index) => pointer(one.path.slice(0, index + 1)));
    const own = steps.at(-1)!;
    let batch = batches.find(({ taken, ways }) => !ways.has(own) && !steps.some((step) => taken.has(step)));
    if (!batch) {
      batch = { cases: [], taken: new Set(), ways: new Set() };
      batches.push(batch);
    }
    batch.cases.push(one);
    batch.taken.add(own);
    for (const step of steps) batch.ways.add(step);
  }
  return batches.map((batch) => batch.cases);
}

/** Values that may be right or wrong anywhere. */
export const junk: unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    1,
    -1,
    2,
    10,
    256,
    65_536,
    0.5,
    1e21,
    -1e9,
    [],
    {},
    ['a'],
    [1],
    [{}],
    { a: 1 },
    { example: 'x' },
  ],
  ...[
    ['a', 'a'],
    [['a']],
    { min: 1 },
    { min: 1, max: 2 },
    { enabled: true },
    { enabled: 'yes' },
    { cpu: '1', memory: '1Gi' },
  ],
  ...texts,
];
