import { Ajv, type ErrorObject } from 'ajv';
import { renamed } from '../schema/renamed.ts';
import type { Values } from '../schema/values.ts';
import { chartReadme } from './chart-readme.ts';
import { registryMistakes } from './checks.ts';
import { dashboardOutputs } from './dashboards/outputs.ts';
import { type Environment, environmentOverrides, mergeValues } from './environment.ts';
import { fleetOf } from './fleet.ts';
import { monitoringOutputs } from './monitoring/outputs.ts';
import type { Registry } from './registry.ts';
import { withRenamed } from './renamed.ts';
import { isTimeZone } from './schedules.ts';
import { type JsonSchema, madeBy, serviceConfigSchema, valuesSchema } from './schema.ts';
import { valuesOf } from './values.ts';
import { descriptionsOf, toYaml } from './yaml.ts';

/** A generated file: its path from the project's root, and what is in it. */
export interface Output {
  file: string;
  text: string;
}

/** Mistakes in what people wrote, all of them, a line each. */
export class Mistakes extends Error {
  readonly lines: string[];
  constructor(lines: string[]) {
    super(lines.join('\n'));
    this.lines = lines;
  }
}

/**
 * Every generated file of the project for a registry and its environments.
 * Throws Mistakes when the registry contradicts itself or values would not pass the schema; then there is nothing to write.
 */
export async function outputsOf(registry: Registry, environments: Record<string, Environment>): Promise<Output[]> {
  refuse(registryMistakes(registry));
  const values = valuesOf(registry);
  const schema = await valuesSchema(values);
  const check = checker(schema);
  const mistakes = [...check(values), ...zoneMistakes(values)].map((mistake) => `charts/values.yaml: ${mistake}`);
  const outputs: Output[] = [
    { file: 'charts/values.yaml', text: chartYaml(values, schema, registry) },
    { file: 'charts/values.schema.json', text: json(withRenamed(schema, renamed)) },
    chartReadme(schema),
    { file: 'service/config.schema.json', text: json(await serviceConfigSchema()) },
    ...monitoringOutputs(),
    ...dashboardOutputs(),
  ];
  for (const [name, environment] of Object.entries(environments)) {
    const own = environment.registry?.(registry);
    if (own) mistakes.push(...registryMistakes(own).map((line) => `environments/${name}/environment.ts: ${line}`));
    const overrides = environmentOverrides(registry, values, environment);
    const file = `environments/${name}/values.yaml`;
    const merged = mergeValues(values, overrides) as Values;
    mistakes.push(...[...check(merged), ...zoneMistakes(merged)].map((mistake) => `${file}: ${mistake}`));
    outputs.push({ file, text: environmentYaml(name, environment, overrides) });
  }
  refuse(mistakes);
  return outputs;
}

/** No schema knows the time zones; of values that are no zone by its pattern, that is said already. */
function zoneMistakes({ autoscaling }: Values): string[] {
  const zone = autoscaling?.timeZone;
  if (typeof zone !== 'string' || isTimeZone(zone)) return [];
  return [`autoscaling.timeZone: there is no time zone '${zone}': name one as 'Europe/Berlin'`];
}

function refuse(mistakes: string[]): void {
  if (mistakes.length > 0) throw new Mistakes(mistakes);
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function chartYaml(values: unknown, schema: JsonSchema, registry: Registry): string {
  const described = descriptionsOf(schema);
  const servers = Object.fromEntries(fleetOf(registry).map(({ name, purpose }) => [name, purpose]));
  return toYaml(values, ['yaml-language-server: $schema=values.schema.json', madeBy], (at) => {
    if (at.length !== 2) return described(at);
    if (at[0] === 'models') return sentence(registry.models[at[1]!]?.purpose);
    return at[0] === 'servers' ? sentence(servers[at[1]!]) : described(at);
  });
}

/** No modeline here: what an environment overrides need not be complete, and editors would call all the rest missing. */
function environmentYaml(name: string, environment: Environment, overrides: unknown): string {
  return toYaml(overrides, [madeBy, `${name}: ${environment.purpose}`], () => undefined);
}

const sentence = (text?: string) => text && `${text[0]!.toUpperCase()}${text.slice(1)}.`;

/** Checks values by the schema; each mistake says the path and what is wrong with it. */
export function checker(schema: JsonSchema): (values: unknown) => string[] {
  const validate = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true, verbose: true }).compile(schema);
  return (values) => (validate(values) ? [] : (validate.errors ?? []).flatMap(readable));
}

function readable({ instancePath, keyword, params, message, propertyName, parentSchema }: ErrorObject): string[] {
  const at = instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~') || 'values';
  // What the keys of a map look like is said by the rule for its keys, below.
  if (keyword === 'propertyNames' || (keyword === 'additionalProperties' && parentSchema?.patternProperties)) return [];
  if (propertyName !== undefined) return [`${at}: the key '${propertyName}' ${message}`];
  if (keyword === 'additionalProperties') return [`${at}: has no key '${params.additionalProperty}'`];
  if (keyword === 'enum') return [`${at}: must be one of ${(params.allowedValues as unknown[]).join(', ')}`];
  return [`${at}: ${message}`];
}
