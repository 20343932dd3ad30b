import { drain } from '../../charts/tests/drain.ts';
import { type Fleet, newFleet, tinyServer } from '../../charts/tests/fleet.ts';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import type { TestCluster } from '../../ci/cluster/testing.ts';
import { type DeployOptions, deployTo, refusing } from '../../ci/delivery/testing.ts';
import { say } from '../../ci/tools/progress.ts';
import { mergedValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Disturbance, underLoad } from './under-load.ts';

/** Seconds for which `npm run deploy` watches a new version here. */
const watched = 12;

const valuesWith = (...more: ValuesOverrides[]): ValuesOverrides =>
  mergedValues(
    tinyServer('one', { replicas: { min: 2, max: 3 }, ollama: { parallel: 2 } }),
    // Of one machine's clients, each pod of the gateway gets some.
    { gateway: { replicas: { min: 2, max: 3 }, service: { sessionAffinitySeconds: 0 } } },
    ...more,
  );

/** A next version of the gateway: what is in the pod has pods replaced, while other configuration reaches them where they are. */
const version = (milli: number): ValuesOverrides => ({ gateway: { resources: { cpu: `${milli}m` } } });

/** `npm run deploy`, which has to end with this status. */
async function deploy(
  fleet: Fleet,
  strategy: 'rolling' | 'blueGreen',
  values: ValuesOverrides,
  status: number,
  options: DeployOptions = {},
): Promise<void> {
  const args = ['--strategy', strategy, '--watch', `${watched}`];
  const deployed = await deployTo(fleet, values, { onLine: say, ...options, args });
  if (deployed.status !== status) throw new Error(`${strategy}: ended with ${deployed.status}:\n${deployed.said}`);
}

const gateway = 'deployment/model-management-gateway';

const rolledOut = ({ namespace }: Fleet, deployment: string) =>
  namespace.kubectl(['rollout', 'status', deployment, '--timeout=120s'], { timeout: 130_000 });

/** Has all pods of a Deployment end before the first new one starts, as where nobody took care. */
async function recreate(fleet: Fleet, deployment: string): Promise<void> {
  const patch = JSON.stringify({ spec: { strategy: { type: 'Recreate', rollingUpdate: null } } });
  await fleet.namespace.kubectl(['patch', deployment, '--patch', patch]);
  await fleet.namespace.kubectl(['rollout', 'restart', deployment]);
  await rolledOut(fleet, deployment);
}

/** Ways to bring a fleet to a next version, and a drain of its node, one after the other under the same load. */
export async function deployments(cluster: Cluster & TestCluster): Promise<Disturbance[]> {
  await using fleet = await newFleet(cluster);
  const bad = await refusing(fleet);
  const ready = async () => {
    await Promise.all([fleet.untilReady('ollama-one', 2, 180), fleet.untilGateway()]);
  };
  await fleet.deploy(valuesWith());
  await ready();
  const address = await fleet.address();
  const done: Disturbance[] = [];
  const measured = async (what: Pick<Disturbance, 'what' | 'aim'>, work: () => Promise<unknown>) => {
    say(`bench: ${what.what}`);
    const disturbance = await underLoad(address, 'one', what, work);
    say(
      `bench: ${disturbance.failed.length} failed, ${disturbance.pause.toFixed(2)} s without an answer${disturbance.failed
        .slice(0, 3)
        .map((why) => `\n  ${why}`)
        .join('')}`,
    );
    done.push(disturbance);
  };
  await measured({ what: 'helm upgrade of the gateway, a good version' }, async () => {
    await fleet.deploy(valuesWith(version(51)));
    await rolledOut(fleet, gateway);
  });
  const watching = `of it ${watched} s watching`;
  await measured({ what: `rolling update by npm run deploy, a good version, ${watching}`, aim: 0 }, () =>
    deploy(fleet, 'rolling', valuesWith(version(52)), 0),
  );
  const drained = 'kubectl drain of the only node, which is uncordoned once the first pod is evicted';
  await measured({ what: drained, aim: 0 }, async () => {
    await drain(fleet);
    await ready();
  });
  await measured({ what: `from rolling to blue, a good version, ${watching}`, aim: 0 }, () =>
    deploy(fleet, 'blueGreen', valuesWith(version(53)), 0),
  );
  await measured({ what: `from blue to green, a good version, ${watching}`, aim: 0 }, () =>
    deploy(fleet, 'blueGreen', valuesWith(version(54)), 0),
  );
  await measured({ what: 'from green to a blue that refuses every client, and back by itself', aim: 1 }, () =>
    deploy(fleet, 'blueGreen', valuesWith(version(55), bad.values), 1, { env: bad.env }),
  );
  // Last, since Helm is not told of it.
  await measured({ what: 'the gateway with the strategy Recreate, by kubectl rollout restart' }, () =>
    recreate(fleet, `${gateway}-green`),
  );
  return done;
}
