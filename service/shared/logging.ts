import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from '../../schema/types.ts';

export type { Logger } from 'pino';

/**
 * Lines are written together, so many bytes or ms at a time: a write of its own for each would cost a busy hop a fifth of its
 * time. pino writes what is left when the process ends.
 */
const buffered = { minLength: 4096, periodicFlush: 100 };

/** JSON lines on standard output. Nothing that a client wrote is ever logged but its request id, once that is sane. */
export function createLogger(component: string, level: LogLevel): Logger {
  const options = {
    level,
    base: { component },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const output = destination({ fd: process.stdout.fd, sync: false, ...buffered });
  return pino(options, output);
}
