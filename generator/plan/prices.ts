import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv, type ErrorObject } from 'ajv';

/** What one machine that a cloud lets by the hour has and costs. */
export interface Instance {
  /** US dollars an hour, on demand. */
  usdPerHour: number;
  /** Cores (hyperthreads). */
  cpu: number;
  memoryMiB: number;
  /** Pods that its network holds. */
  pods: number;
  /** GPUs; the type by the names of generator/gpus.ts. */
  gpu?: { type: string; count: number };
  /** What spare machines cost less than on demand, and how many are taken back in a month; none where none are let. */
  spot?: { savingsPercent: number; interruptions: string };
}

/** Prices of one region, in US dollars without tax. */
export interface Prices {
  provider: string;
  region: string;
  currency: 'USD';
  /** Day of the prices on demand, as `2026-07-20`. */
  date: string;
  /** Where each figure stands. */
  sources: string[];
  instances: Record<string, Instance>;
  /** What a commitment of a year saves against on demand, from the most flexible to the most binding. */
  commitment: { savingsPercent: { low: number; high: number } };
  /** Volumes of one pod, and of several. */
  storage: { volumeUsdPerGiBMonth: number; sharedUsdPerGiBMonth: number };
  /** A load balancer by the hour, and each unit of its use. */
  loadBalancer: { usdPerHour: number; usdPerUnitHour: number };
  controlPlaneUsdPerHour: number;
  /** A gigabyte from one zone to another, paid at either end. */
  crossZoneUsdPerGB: number;
}

const usd = { type: 'number', minimum: 0, maximum: 100_000 };
const percent = { type: 'number', minimum: 0, maximum: 99 };
const text = { type: 'string', minLength: 1 };
const count = { type: 'integer', minimum: 1, maximum: 100_000_000 };
const closed = (properties: Record<string, object>, optional: string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

const schema = closed({
  provider: text,
  region: text,
  currency: { const: 'USD' },
  date: { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$' },
  sources: { type: 'array', items: text, minItems: 1 },
  instances: {
    type: 'object',
    minProperties: 1,
    additionalProperties: closed(
      {
        usdPerHour: usd,
        cpu: count,
        memoryMiB: count,
        pods: count,
        gpu: closed({ type: text, count }),
        spot: closed({ savingsPercent: percent, interruptions: text }),
      },
      ['gpu', 'spot'],
    ),
  },
  commitment: closed({ savingsPercent: closed({ low: percent, high: percent }) }),
  storage: closed({ volumeUsdPerGiBMonth: usd, sharedUsdPerGiBMonth: usd }),
  loadBalancer: closed({ usdPerHour: usd, usdPerUnitHour: usd }),
  controlPlaneUsdPerHour: usd,
  crossZoneUsdPerGB: usd,
});

const validate = new Ajv({ allErrors: true, strict: true }).compile<Prices>(schema);

/** The prices that come with the project: AWS in us-east-1. */
export const listPricesFile = path.join(import.meta.dirname, 'prices', 'aws-us-east-1.json');

/** Reads a file of prices. Throws where it is none, with every mistake on a line of its own: file, place, problem. */
export function readPrices(file: string): Prices {
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const problem = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : (error as Error).message;
    throw new Error(`${file}: ${problem}: name a JSON file of the shape of generator/plan/prices/aws-us-east-1.json`);
  }
  if (!validate(data))
    throw new Error((validate.errors ?? []).map((error) => `${file}: ${readable(error)}`).join('\n'));
  return data;
}

function readable({ instancePath, keyword, params, message }: ErrorObject): string {
  const at = instancePath.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~') || 'prices';
  if (keyword === 'additionalProperties') return `${at}: has no key '${params.additionalProperty}'`;
  if (keyword === 'const') return `${at}: must be ${params.allowedValue}`;
  return `${at}: ${message}`;
}

let read: Prices | undefined;

/** The prices that come with the project, read once. */
export function listPrices(): Prices {
  read ??= readPrices(listPricesFile);
  return read;
}
