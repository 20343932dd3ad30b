import { parseArgs } from 'node:util';

/** What the command line of an entry point says. */
export interface Options {
  /** File with the configuration. */
  config: string;
  host: string;
  /** Port of the API and the health paths. */
  port: number;
  /** Port of /metrics. */
  metricsPort: number;
  /**
   * Seconds for which a process that is going to stop still takes new requests: endpoints and load balancers hear of it
   * late.
   */
  drainDelaySeconds: number;
}

const usage =
  'usage: main.ts --config FILE [--host ADDRESS] [--port N] [--metrics-port N] [--drain-delay SECONDS]; ' +
  'for --port and --metrics-port, 0 takes a free port';

export function parseOptions(args: string[], defaults: { drainDelaySeconds: number }): Options {
  const { values } = (() => {
    try {
      return parseArgs({
        args,
        options: {
          config: { type: 'string' },
          host: { type: 'string', default: '0.0.0.0' },
          port: { type: 'string', default: '8080' },
          'metrics-port': { type: 'string', default: '9090' },
          'drain-delay': { type: 'string', default: String(defaults.drainDelaySeconds) },
        },
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${usage}`);
    }
  })();
  if (!values.config) throw new Error(`--config: missing; ${usage}`);
  return {
    config: values.config,
    host: values.host,
    port: number('--port', values.port, 65535),
    metricsPort: number('--metrics-port', values['metrics-port'], 65535),
    drainDelaySeconds: number('--drain-delay', values['drain-delay'], 3600),
  };
}

function number(flag: string, text: string, max: number): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) > max) {
    throw new Error(`${flag}: ${JSON.stringify(text)} is not a whole number from 0 to ${max}; ${usage}`);
  }
  return Number(text);
}
