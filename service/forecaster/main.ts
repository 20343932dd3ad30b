import type { ForecasterConfig } from '../../schema/config.ts';
import { ConfigFile } from '../shared/config.ts';
import { Drain } from '../shared/drain.ts';
import { createLogger } from '../shared/logging.ts';
import { parseOptions } from '../shared/options.ts';
import { runService } from '../shared/process.ts';
import { createForecasterApp } from './app.ts';
import { Forecasts } from './forecasts.ts';
import { ForecasterMetrics } from './metrics.ts';

const secondsOfDay = 86_400;

const checkBins = ({ binSeconds }: ForecasterConfig): string[] =>
  secondsOfDay % binSeconds === 0
    ? []
    : [`binSeconds: ${binSeconds} does not divide a day: set it to 600, or another part of ${secondsOfDay}`];

await runService('forecaster', async () => {
  // Nobody sends it requests that would come late.
  const options = parseOptions(process.argv.slice(2), { drainDelaySeconds: 0 });
  const file = new ConfigFile(options.config, 'ForecasterConfig', checkBins);
  const log = createLogger('forecaster', file.current.logLevel);
  const forecasts = new Forecasts(file.current, log);
  const drain = new Drain(options.drainDelaySeconds * 1000, () => 0);
  file.watch(log, (config) => {
    log.level = config.logLevel;
    forecasts.configure(config);
  });
  const stop = () => {
    file.close();
    forecasts.close();
  };
  const app = createForecasterApp(forecasts, log, drain);
  const metrics = new ForecasterMetrics(forecasts);
  const status = () => forecasts.status();
  return { options, service: { app, metrics, status, log, drain: () => drain.begin(), stop } };
});
