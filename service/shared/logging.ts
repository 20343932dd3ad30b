import { type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../../schema/types.ts';

export type { Logger } from 'pino';

/** JSON lines on standard output. Nothing that a client wrote is ever logged but its request id, once that is sane. */
export function createLogger(component: string, level: LogLevel): Logger {
  return pino({
    level,
    base: { component },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}
