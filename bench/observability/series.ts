import { setTimeout as sleep } from 'node:timers/promises';
import { render } from '../../charts/tests/render.ts';
import { hurriedFiles } from '../../charts/tests/rules/hurried.ts';
import { say } from '../../ci/tools/progress.ts';
import type { GatewayConfig } from '../../schema/config.ts';
import { agentConfig, roomy, startService } from '../gateway/candidates.ts';
import { FakeOllama } from '../gateway/fake-ollama.ts';
import { pause, type Run } from '../gateway/job.ts';
import { projectOf } from '../large-registry.ts';
import { atMost, type Figure, medianFigure, seconds } from '../measure.ts';
import { samplesOf } from './exposition.ts';
import { FakeFleet, type FakePod, namespace, release } from './fake-fleet.ts';
import { Prometheus } from './prometheus.ts';

/** Seconds between two scrapes that docs/monitoring.md advises. */
const advised = 30;
/** Routes by which each model is asked, for each makes series of its own. */
const routes = ['/api/chat', '/v1/chat/completions'];
const scrapes = 20;
const evaluations = 9;

/** What is measured of one size of a fleet. */
export interface Scale {
  models: number;
  /** Seconds between scrapes here. Times in the rules are shorter by as much, so that each still looks at as many samples. */
  interval: number;
  /** Minutes of the rules' time until it is looked at. */
  minutes: number;
  /** Whether the aims of the issue are about this size. */
  aims: boolean;
}

/** What a release of so many models is to its Prometheus: series, scrapes and the evaluation of its rules. */
export async function seriesOf(run: Run, { models, interval, minutes, aims }: Scale): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  say(`bench: ${models} models`);
  const { config, pods, rules } = await releaseOf(models);
  const names = Object.keys(config.models);
  const fake = { models: names, chunks: 5, intervalMs: 10 };
  const ollama = stack.use(await FakeOllama.start(run, fake));
  const servers = Object.fromEntries(
    Object.entries(config.servers).map(([name, server]) => [name, { ...server, url: ollama.url, slots: roomy.slots }]),
  );
  const gateway = await startService(run, 'gateway', {
    ...config,
    servers,
    ...{ namespace: '', apiKeysFile: '', logLevel: 'warn' },
    statusPage: undefined,
  });
  stack.use(gateway.job);
  const [model] = names as [string];
  const agent = await startService(run, 'agent', agentConfig({ ollamaUrl: ollama.url, models: [model], ...roomy }));
  stack.use(agent.job);
  for (const name of names) for (const route of routes) await ask(gateway.url, route, name);

  const figures = [
    ...(await scrape(`gateway of ${models} models`, gateway.metricsUrl, aims)),
    ...(aims ? await scrape('agent of a server of one model', agent.metricsUrl, false) : []),
  ];

  const fleet = stack.use(await FakeFleet.start(pods, gateway.metricsUrl, { metricsUrl: agent.metricsUrl, model }));
  const faster = () => advised / interval;
  const shorter = hurriedFiles(rules, faster);
  const prometheus = stack.use(await Prometheus.start(run, shorter, fleet.targets, interval));
  const load = atWork(gateway.url, names);
  try {
    say(`bench: ${models} models: ${minutes} minutes of the rules in ${((minutes * interval) / advised).toFixed(1)}`);
    await pause(run, (minutes * 60_000 * interval) / advised);
    const took: number[] = [];
    for (let count = 0; count < evaluations; count++) {
      took.push((await prometheus.evaluationSeconds()) * 1000);
      await pause(run, interval * 1000);
    }
    const evaluation = { ...medianFigure(`evaluation of all rules, ${models} models`, took, 'ms') };
    const count = (what: string, selector: string) =>
      prometheus
        .number(`count({${selector}})`)
        .then((value) => ({ what: `${what}, ${models} models`, value, unit: '' }));
    const up = await prometheus.number('sum(up)');
    if (up !== pods.length + 2) throw new Error(`Prometheus: ${up} of ${pods.length + 2} targets answer`);
    return [
      ...figures,
      await count('series of gateway and agents', '__name__!~".*:.*|ALERTS.*",job="pods"'),
      await count('series recorded by rules', '__name__=~".*:.*"'),
      await count('series in all, with what the rules read of Kubernetes', '__name__!=""'),
      aims ? atMost(200, evaluation) : evaluation,
      { what: `memory of Prometheus, ${models} models`, value: Math.round(prometheus.job.memoryMB), unit: 'MB' },
    ];
  } finally {
    await load.stop();
  }
}

/** A release of so many models as the chart renders it: the gateway's configuration, a pod for each server, and the rules. */
async function releaseOf(
  models: number,
): Promise<{ config: GatewayConfig; pods: FakePod[]; rules: Record<string, string> }> {
  await using project = await projectOf(models);
  const values = { monitoring: { rules: { delivery: 'configMap' } } };
  const rendered = await render(values, { chart: `${project.root}/charts`, namespace, release });
  const config: GatewayConfig = JSON.parse(rendered.get('ConfigMap', 'model-management-gateway').data['config.json']!);
  const pods = Object.entries(config.models).map(([model, { server }]): FakePod => {
    const containers = rendered.get('Deployment', server).spec.template.spec.containers;
    const gpu = containers.some(({ resources }) => resources?.limits?.['nvidia.com/gpu'] !== undefined);
    return { server, model, gpu };
  });
  return { config, pods, rules: rendered.get('ConfigMap', 'model-management-rules').data as Record<string, string> };
}

async function ask(gateway: string, route: string, model: string): Promise<void> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }], stream: true });
  const answer = await fetch(`${gateway}${route}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  });
  await answer.text();
  if (!answer.ok) throw new Error(`gateway: ${route}: ${model}: ${answer.status}`);
}

/** Asks one model after the other, some twenty times a second, until told to stop. */
function atWork(gateway: string, names: string[]): { stop(): Promise<void> } {
  let going = true;
  const asking = (async () => {
    for (let index = 0; going; index = (index + 1) % names.length) {
      await ask(gateway, routes[0]!, names[index]!);
      await sleep(1);
    }
  })();
  // Heard of when it is stopped.
  asking.catch(() => {});
  return {
    stop: async () => {
      going = false;
      await asking;
    },
  };
}

async function scrape(what: string, url: string, aims: boolean): Promise<Figure[]> {
  let text = '';
  const took = await seconds(async () => {
    text = await (await fetch(url)).text();
  }, scrapes);
  const time = medianFigure(
    `scrape of the ${what}`,
    took.map((value) => value * 1000),
    'ms',
  );
  const size = { what: `size of it`, value: Math.round(Buffer.byteLength(text) / 1000), unit: 'KB' };
  return [
    { what: `series of the ${what}`, value: samplesOf(text).length, unit: '' },
    aims ? atMost(50, time) : time,
    aims ? atMost(200, size) : size,
  ];
}
