import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startKeda } from '../../ci/cluster/keda.ts';
import { prometheusUrl } from '../../ci/cluster/monitoring.ts';
import { testCluster } from '../../ci/cluster/testing.ts';
import { defined } from '../../ci/testing/crds.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { testFleet, tinyServer } from './fleet.ts';
import { hasty, scalesOnDemand } from './scaling.ts';

describe('servers that are scaled on demand, with KEDA', () => {
  scalesOnDemand({
    values: (prometheus) => ({ engine: 'keda', prometheusUrl: prometheus }),
    prepare: ({ kubectl }) => defined(kubectl, 'keda-operator'),
    start: startKeda,
    autoscaler: (server) => `keda-hpa-${server}`,
    hasten: {
      kind: 'scaledobject',
      // The last pod is not the autoscaler's but KEDA's to take away.
      spec: { cooldownPeriod: 10, advanced: { horizontalPodAutoscalerConfig: { behavior: hasty } } },
    },
  });
});

it('takes servers over from plain autoscalers, is changed by upgrades, and gives them back', async () => {
  const { kubectl, node } = await testCluster();
  await using _definitions = await defined(kubectl, 'keda-operator');
  await using fleet = await testFleet();
  const { namespace } = fleet;
  await using _keda = await startKeda(namespace.cluster);
  const scaledBy = (engine: 'hpa' | 'keda', max = 3) =>
    mergeValues(tinyServer('one', { replicas: { min: 1, max }, autoscaling: { enabled: true } }), {
      autoscaling: { engine, signals: 'demand', prometheusUrl: prometheusUrl(node.layout) },
      monitoring: { rules: { delivery: 'configMap' } },
    }) as ValuesOverrides;
  const autoscalers = async (): Promise<string[]> =>
    (await namespace.list('horizontalpodautoscalers')).map(({ metadata }) => metadata.name);
  /** Waits for an autoscaler, and for what may still be cleared away. */
  const untilOnly = async (name: string) => {
    await namespace.until(`only ${name}`, 60, async () => `${await autoscalers()}` === name);
    await sleep(10_000);
    expect(await autoscalers()).toEqual([name]);
  };
  await fleet.deploy(scaledBy('hpa'));
  await untilOnly('ollama-one');
  await fleet.deploy(scaledBy('keda'));
  await untilOnly('keda-hpa-ollama-one');
  await fleet.deploy(scaledBy('keda', 4));
  await namespace.until('the new maximum', 30, async () => {
    const autoscaler = await namespace.get('horizontalpodautoscaler', 'keda-hpa-ollama-one');
    return autoscaler?.spec.maxReplicas === 4;
  });
  await fleet.deploy(scaledBy('hpa'));
  await untilOnly('ollama-one');
  expect(await namespace.list('scaledobjects')).toEqual([]);
});
