// Months of spot nodes being taken back, one after the other, from a fleet that answers: what that saves, and what clients see of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { nodeName } from '../../ci/cluster/layout.ts';
import type { Resource } from '../../ci/cluster/testing.ts';
import { numbersFrom } from '../../ci/testing/random.ts';
import { columns } from '../../ci/tools/columns.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { loadEnvironments } from '../../generator/environments.ts';
import { interruptionsAMonth, takenBack } from '../../generator/plan/interruptions.ts';
import { type Plan, planOf, sizes } from '../../generator/plan/plan.ts';
import { listPrices } from '../../generator/plan/prices.ts';
import type { BoughtNode } from '../../generator/plan/purchase.ts';
import { releaseOf } from '../../generator/plan/workload.ts';
import { loadRegistry } from '../../generator/registry.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { load } from './load.ts';

/** Months that are replayed, at the upper end of the bands. */
const months = 6;
/** What the chances are drawn from: by this, each node goes at least once. */
const seed = 7;
/** Seconds are tenths of seconds here: those of the notice, and those until a new node has the model loaded. */
const compression = 10;
const noticeSeconds = 120;
/** A node from its order to a pod that may start; and MiB a second from a disk to a GPU (gp3): both as assumptions of the plan's kind. */
const nodeSeconds = 90;
const diskMiBPerSecond = 125;

const prices = listPrices();

/** Production, with the largest server preferring spot nodes as the others do: it has another model to answer in its place. */
const allOnSpot: ValuesOverrides = { servers: { 'ollama-llama': { scheduling: { capacity: 'preferSpot' } } } };

async function planWith(more: ValuesOverrides): Promise<Plan> {
  const { production } = await loadEnvironments();
  const values = mergeValues(production!.values, more) as ValuesOverrides;
  return planOf(releaseOf(await loadRegistry(), 'production', { ...production!, values }), prices);
}

/** Percent less than on demand, from a tenth of the time on demand to spot alone. */
const saved = ({ bills }: Plan) =>
  sizes.map((size) => {
    const { low, high } = bills.spot[size].nodes;
    const onDemand = bills.onDemand[size].nodes.low;
    return { low: 100 * (1 - high / onDemand), high: 100 * (1 - low / onDemand) };
  });

/** The spot nodes of a plan that are taken back in some months, by chance and in order. */
function takenIn(nodes: BoughtNode[]): BoughtNode[] {
  const random = numbersFrom(seed);
  const spot = nodes.filter(({ purchase }) => purchase === 'spot');
  return Array.from({ length: months }, () =>
    spot.filter(({ offer }) => random() < takenBack(prices.instances[offer.type]!).high),
  ).flat();
}

/** What stands for a server of the plan here: it is not the chart's own of that name, which has GPUs. */
const standIn = (server: string) => server.replace('ollama-', 'tiny-');

/** The servers of a plan's minimum as they are there, with a model so small that it runs here. */
function tinyFleet({ release }: Plan): ValuesOverrides {
  const small = { cpu: '300m', cpuRequest: '50m', memory: '700M' };
  const servers = release.workloads.filter(({ models }) => models.length > 0);
  return mergedValues(
    ...servers.map(({ name, pods, onDemand }) => {
      const kept = onDemand.min < pods.min ? onDemand.min : 0;
      return tinyServer(standIn(name), {
        replicas: { ...pods, onDemand: kept },
        resources: small,
        ollama: { parallel: 2 },
        scheduling: { capacity: kept > 0 ? 'preferSpot' : 'any' },
      });
    }),
    // As in the registry.
    { models: { 'tiny-llama': { fallbacks: ['tiny-qwen'] } } },
    { agent: { resources: { cpu: '20m' } }, gateway: { replicas: { min: 2, max: 2 } } },
  );
}

/** Asks for a pod to go with the notice that is left; what a disruption budget holds up goes when the machine does. */
async function evict({ namespace }: Fleet, { metadata }: Resource, seconds: number): Promise<void> {
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: metadata.name, namespace: namespace.name },
    deleteOptions: { gracePeriodSeconds: seconds },
  };
  const path = `/api/v1/namespaces/${namespace.name}/pods/${metadata.name}/eviction`;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const done = await namespace.cluster
      .kubectl(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) })
      .then(
        () => true,
        () => false,
      );
    if (done) return;
    await sleep(500);
  }
  await namespace.kubectl(['delete', 'pod', metadata.name, '--grace-period=0', '--force', '--wait=false']);
}

const isOnDemand = ({ metadata }: Resource) => 'model-management.fineprint.ai/capacity' in metadata.labels;

/** What the gateways have counted: read at once, or what waits would be counted from two moments. */
async function counted({ namespace }: Fleet) {
  const gateways = await namespace.list('pods', 'app.kubernetes.io/component=gateway');
  const texts = await Promise.all(
    gateways.map(async ({ status }) => (await fetch(`http://${status.podIP}:9090/metrics`)).text()),
  );
  const sum = (series: string) =>
    texts
      .flatMap((text) => [...text.matchAll(new RegExp(`^${series} (\\S+)$`, 'gm'))])
      .reduce((all, [, value]) => all + Number(value), 0);
  return {
    retried: sum('model_request_retries_total\\{.*\\}'),
    fallen: sum('model_request_fallbacks_total\\{.*\\}'),
    waited: sum('model_queue_wait_seconds_count\\{.*\\}') - sum('model_queue_wait_seconds_bucket\\{.*le="1"[,}].*'),
  };
}

it('loses no request while the spot nodes of months are taken back, and saves what the plan says', {
  timeout: 1_500_000,
}, async () => {
  const [asGenerated, plan] = [await planWith({}), await planWith(allOnSpot)];
  const registry = await loadRegistry();
  const minimum = plan.nodes.spot.minimum.nodes;
  const events = takenIn(minimum);
  const servers = plan.release.workloads.filter(({ models }) => models.length > 0);
  await using fleet = await testFleet();
  const { kubectl } = fleet.namespace.cluster;
  await fleet.deploy(tinyFleet(plan));
  const ready = () =>
    Promise.all(servers.map(({ name, pods }) => fleet.untilReady(`ollama-${standIn(name)}`, pods.min, 420)));
  await ready();
  await fleet.untilGateway();
  const { stop, tally } = load(
    await fleet.address(),
    servers.map(({ name }) => standIn(name)),
  );
  const rows = [
    ['taken back', 'pods', 'no pod for', 'answers meanwhile', 'retried', 'by another model', 'waited over 1 s', 'lost'],
  ];
  const before = async () => ({ ...(await counted(fleet)), whole: tally.whole, lost: tally.lost.length });
  try {
    for (const { offer, pods } of events) {
      const then = await before();
      // A node's pods, by the plan: of each server one, and not the one that stays on demand.
      const going = (
        await Promise.all(
          pods.map(async (name) => (await fleet.pods(`ollama-${standIn(name)}`)).find((pod) => !isOnDemand(pod))),
        )
      ).filter((pod) => pod !== undefined);
      expect(going).toHaveLength(pods.length);
      const largest = Math.max(...pods.map((name) => registry.models[name.replace('ollama-', '')]!.facts.sizeGB));
      const seconds = nodeSeconds + (largest * 1e9) / 2 ** 20 / diskMiBPerSecond;
      const start = performance.now();
      // What has to go finds no other node until one is there: this one takes no new pods for so long.
      await kubectl(['cordon', nodeName]);
      try {
        await Promise.all(going.map((pod) => evict(fleet, pod, noticeSeconds / compression)));
        await sleep((seconds * 1000) / compression);
      } finally {
        await kubectl(['uncordon', nodeName]);
      }
      await ready();
      const now = await before();
      rows.push([
        offer.type,
        pods.map((name) => name.replace('ollama-', '')).join(', '),
        `${Math.round((performance.now() - start) / 1000)} s`,
        ...[now.whole - then.whole, now.retried - then.retried, now.fallen - then.fallen, now.waited - then.waited].map(
          String,
        ),
        String(now.lost - then.lost),
      ]);
    }
  } finally {
    await stop();
    const percent = (plan: Plan) => saved(plan).map(({ low, high }) => `${low.toFixed(0)} – ${high.toFixed(0)}%`);
    const aMonth = ({ nodes }: Plan) => {
      const { low, high } = interruptionsAMonth(nodes.spot.minimum.nodes, prices);
      return `${low.toFixed(1)} – ${high.toFixed(1)}`;
    };
    console.log(
      [
        ...columns([
          ['saved against on demand', ...sizes, 'taken back a month, at the minimum'],
          ['production', ...percent(asGenerated), aMonth(asGenerated)],
          ['and ollama-llama prefers spot', ...percent(plan), aMonth(plan)],
        ]),
        '',
        `${months} months, ${events.length} nodes taken back; seconds are tenths here (notice ${noticeSeconds} s, a node ${nodeSeconds} s and the load)`,
        ...columns(rows),
        `in all: ${tally.whole} whole, ${tally.lost.length} lost, longest ${Math.round(tally.longest)} ms`,
        ...tally.lost.slice(0, 10),
      ].join('\n'),
    );
  }
  expect(tally.lost).toEqual([]);
  expect(rows).toHaveLength(events.length + 1);
  expect(tally.whole).toBeGreaterThan(100);
  expect(Math.min(...saved(plan).map(({ low }) => low))).toBeGreaterThanOrEqual(43);
});
