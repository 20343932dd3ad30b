import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type {
  AgentConfig,
  ApiKeys,
  BackupConfig,
  BackupStatus,
  ForecasterConfig,
  GatewayConfig,
} from '../../schema/config.ts';
import type { Logger } from './logging.ts';

interface Kinds {
  GatewayConfig: GatewayConfig;
  AgentConfig: AgentConfig;
  ForecasterConfig: ForecasterConfig;
  ApiKeys: ApiKeys;
  BackupConfig: BackupConfig;
  BackupStatus: BackupStatus;
}
type Kind = keyof Kinds;

/** A configuration that cannot be used. The message is one line: file, path, problem and fix. */
export class ConfigError extends Error {}

/** What no schema can say about a configuration, as `path: problem: fix` lines; empty when it is sound. */
export type CrossCheck<T> = (config: T) => string[];

let ajv: Ajv | undefined;

function validator(kind: Kind): ValidateFunction {
  if (!ajv) {
    const schema = JSON.parse(readFileSync(new URL('../config.schema.json', import.meta.url), 'utf8'));
    ajv = new Ajv({ allErrors: true, verbose: true, strict: false });
    ajv.addSchema(schema, 'config');
  }
  return ajv.getSchema(`config#/definitions/${kind}`)!;
}

/** Parses and checks the text of a configuration file; throws ConfigError with every problem in it. */
export function parseConfig<K extends Kind>(
  file: string,
  text: string,
  kind: K,
  check: CrossCheck<Kinds[K]>,
): Kinds[K] {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    // Without what Node cites of the text: that may be a key, or have several lines.
    const problem = (error as Error).message.replace(/, (\.\.\.)?".*$/s, '');
    throw new ConfigError(`${file}: not JSON: ${problem}: correct it`);
  }
  const validate = validator(kind);
  const problems = validate(config) ? check(config as Kinds[K]) : validate.errors!.filter(isCause).map(describe);
  if (problems.length > 0) throw new ConfigError(`${file}: ${[...new Set(problems)].join('; ')}`);
  return config as Kinds[K];
}

/** ajv reports a bad key twice: once for what is wrong with it, once for being a bad key. */
const isCause = (error: ErrorObject) => error.keyword !== 'propertyNames';

function describe(error: ErrorObject): string {
  const at = (key?: string) => {
    const steps = error.instancePath.split('/').slice(1);
    return [...steps, ...(key === undefined ? [] : [key])].join('.') || 'the file';
  };
  const meaning = (schema: { description?: string } | undefined) =>
    (schema?.description ?? 'what the schema asks for').replace(/\.$/, '');
  const known = error.parentSchema?.properties as Record<string, { description?: string }> | undefined;
  switch (error.keyword) {
    case 'additionalProperties':
      return `${at(error.params.additionalProperty)}: unknown key: remove it, or use one of ${Object.keys(known ?? {}).join(', ')}`;
    case 'required':
      return `${at(error.params.missingProperty)}: missing: add it: ${meaning(known?.[error.params.missingProperty])}`;
    case 'enum':
      return `${at()}: ${error.message}: use one of ${error.params.allowedValues.join(', ')}`;
    default:
      return `${at(error.propertyName)}: ${error.message}: set it to: ${meaning(error.parentSchema as { description?: string })}`;
  }
}

/** A configuration file that is read again when its content changes. */
export class ConfigFile<K extends Kind> {
  /** The last sound configuration. */
  current: Kinds[K];
  readonly #file: string;
  readonly #kind: K;
  readonly #check: CrossCheck<Kinds[K]>;
  #text: string;
  #timer: NodeJS.Timeout | undefined;

  /** Throws ConfigError when the file can't be used. */
  constructor(file: string, kind: K, check: CrossCheck<Kinds[K]>) {
    this.#file = file;
    this.#kind = kind;
    this.#check = check;
    try {
      this.#text = readFileSync(file, 'utf8');
    } catch (error) {
      throw new ConfigError(
        `${file}: cannot be read (${(error as NodeJS.ErrnoException).code}): name another ${kind === 'ApiKeys' ? 'in apiKeysFile' : 'with --config'}`,
      );
    }
    this.current = parseConfig(file, this.#text, kind, check);
  }

  /**
   * Looks at the file every `intervalMs`. The content is compared, and no file system event waited for: a ConfigMap's
   * volume changes by the swap of a symbolic link above the file, which watchers of the file don't see.
   */
  watch(log: Logger, changed: (config: Kinds[K]) => void, intervalMs = 1000): void {
    let complaint = '';
    const look = () => {
      try {
        const text = readFileSync(this.#file, 'utf8');
        if (text === this.#text) return;
        this.#text = text;
        this.current = parseConfig(this.#file, text, this.#kind, this.#check);
        complaint = '';
        log.info({ file: this.#file }, 'configuration changed');
        changed(this.current);
      } catch (error) {
        const problem = (error as Error).message;
        if (problem !== complaint) log.error({ problem }, 'new configuration refused, the old one stays');
        complaint = problem;
      }
    };
    this.#timer = setInterval(look, intervalMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
