import { ConfigFile } from '../shared/config.ts';
import { Drain } from '../shared/drain.ts';
import { createLogger } from '../shared/logging.ts';
import { parseOptions } from '../shared/options.ts';
import { runService } from '../shared/process.ts';
import { tracing } from '../shared/tracing.ts';
import { Agent } from './app.ts';
import { AgentMetrics } from './metrics.ts';

await runService('agent', async () => {
  const options = parseOptions(process.argv.slice(2), { drainDelaySeconds: 3 });
  const file = new ConfigFile(options.config, 'AgentConfig', () => []);
  const log = createLogger('agent', file.current.logLevel);
  const { server } = file.current;
  const trace = () => tracing.configure({ component: 'agent', server }, log, file.current.tracing);
  await trace();
  const metrics = new AgentMetrics();
  const drain = new Drain(options.drainDelaySeconds * 1000, () => file.current.generationTimeoutSeconds * 1000);
  const agent = new Agent(file.current, log, drain, metrics, () => process.kill(process.pid, 'SIGTERM'));
  file.watch(log, (config) => {
    log.level = config.logLevel;
    agent.configure(config);
    void trace();
  });
  const end = async () => {
    await agent.drain();
    await tracing.close();
  };
  const stop = () => {
    file.close();
    agent.destroy();
  };
  return { options, service: { app: agent.app, metrics, log, drain: end, stop } };
});
