import { ConfigFile } from '../shared/config.ts';
import { Drain } from '../shared/drain.ts';
import { createLogger } from '../shared/logging.ts';
import { parseOptions } from '../shared/options.ts';
import { runService } from '../shared/process.ts';
import { tracing } from '../shared/tracing.ts';
import { Gateway } from './app.ts';
import { showBackups } from './backup-status.ts';
import { KeyRing } from './keys.ts';
import { GatewayMetrics } from './metrics.ts';
import { checkGatewayConfig } from './routing.ts';

await runService('gateway', async () => {
  const options = parseOptions(process.argv.slice(2), { drainDelaySeconds: 5 });
  const file = new ConfigFile(options.config, 'GatewayConfig', checkGatewayConfig);
  const log = createLogger('gateway', file.current.logLevel);
  const trace = () => tracing.configure({ component: 'gateway' }, log, file.current.tracing);
  await trace();
  const metrics = new GatewayMetrics();
  const drain = new Drain(options.drainDelaySeconds * 1000, () => file.current.generationTimeoutSeconds * 1000);
  const gateway = new Gateway(
    file.current,
    new KeyRing(file.current.apiKeysFile, log),
    log,
    drain,
    metrics,
    options.metricsPort,
  );
  showBackups(metrics.registry, () => file.current.backupStatusFile);
  file.watch(log, (config) => {
    log.level = config.logLevel;
    gateway.configure(config);
    void trace();
  });
  const end = async () => {
    await drain.begin();
    await tracing.close();
  };
  const stop = () => {
    file.close();
    gateway.destroy();
  };
  const status = () => gateway.status();
  return { options, service: { app: gateway.app, metrics, status, log, drain: end, stop } };
});
