import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { mergeValues } from '../../generator/environment.ts';
import type { Values } from '../../schema/values.ts';
import { stateOf } from '../cluster/release.ts';
import type { HelmRelease } from '../doctor/helm-release.ts';
import { root } from '../tools/paths.ts';
import { duration } from '../tools/progress.ts';
import type { Asked } from './deploy.ts';
import { forward } from './forward.ts';
import { Gauge } from './gauge.ts';
import type { Lease } from './lease.ts';
import type { Place } from './place.ts';
import { ask, trial } from './smoke.ts';
import {
  type BeforeGateway,
  colourLabel,
  keptFor,
  nextSlot,
  noted,
  objectsOf,
  type Slot,
  type Stand,
  type Strategy,
  slotName,
  standOf,
  undone,
} from './stand.ts';
import { answers, type Measured, since, verdict, withoutUnknown } from './verdict.ts';

/** What a deployment is done with. */
export interface Means {
  what: Asked;
  lease: Lease;
  /** An API key, or nothing. */
  key: string;
  step(line: string): void;
  confirm(question: string): Promise<boolean>;
  /** Writes values where Helm finds them, and gives back the file. */
  file(values: object): Promise<string>;
}

type Tree = Record<string, unknown>;

interface Given {
  /** Files of values, in Helm's order. */
  files: string[];
  /** What they say together, and with the chart's own. */
  user: Tree;
  all: Values;
  strategy: Strategy;
}

const chart = path.join(root, 'charts');
const nothing: Measured = new Map();

/** The deployment of a release: each step leaves it so that whoever begins anew finds out where it stands. */
export class Deployment {
  readonly #place: Place;
  readonly #means: Means;
  readonly #began = performance.now();

  constructor(place: Place, means: Means) {
    this.#place = place;
    this.#means = means;
  }

  #step(line: string): void {
    this.#means.lease.check();
    this.#means.step(`${line} (${duration(performance.now() - this.#began)})`);
  }

  /** Brings the release to the values, from wherever it stands. Rejects when it went back, or could not. */
  async run(): Promise<void> {
    const given = await this.#given();
    for (;;) {
      const { release, stand } = await this.#look();
      if (stand.kind === 'nothing') return this.#install(given);
      if (stand.kind === 'returning') return this.#return(stand, 'it was on its way back');
      if (stand.kind === 'led') {
        this.#step(`clients have ${stand.before.next} already: going on from there`);
        await this.#finish(stand.before, nothing, nothing);
        continue;
      }
      const slot = stand.kind === 'alone' ? stand.slot : stand.before.slot;
      const isRolling = slot === 'rolling' && given.strategy === 'rolling';
      const unfinished = isRolling ? await this.#means.lease.unfinished() : undefined;
      if (!(await this.#mayChange(given, stand, slot, unfinished))) return;
      if (isRolling && stand.kind === 'alone') return this.#roll(release!, given, unfinished);
      return this.#bringUp(release!, stand, slot, given);
    }
  }

  /** Leads clients back to the gateway before, while that is there. */
  async goBack(): Promise<void> {
    const { stand } = await this.#look();
    if (stand.kind === 'tried' || stand.kind === 'led' || stand.kind === 'returning') {
      return this.#return(stand, 'it was asked for').catch(unlessWentBack);
    }
    const revision = await this.#means.lease.unfinished();
    if (revision === undefined) {
      throw new Error(
        `${this.#place.release}: no deployment is under way: deploy the version that it is to go back to`,
      );
    }
    await this.#rollBack(revision, 'it was asked for').catch(unlessWentBack);
  }

  async #given(): Promise<Given> {
    const { env, values, strategy } = this.#means.what;
    const own = (file: string) => path.join(root, 'environments', env, file);
    // Where npm run pin-images has written them.
    const digests = existsSync(own('images.yaml')) ? [own('images.yaml')] : [];
    const files = [own('values.yaml'), ...digests, ...values.map((file) => path.resolve(file))];
    const read = async (file: string) => (parse(await readFile(file, 'utf8')) ?? {}) as Tree;
    const user = (await Promise.all(files.map(read))).reduce((all, one) => mergeValues(all, one) as Tree, {});
    const all = mergeValues(await read(path.join(chart, 'values.yaml')), user) as Values;
    return { files, user, all, strategy: strategy ?? all.gateway.strategy };
  }

  async #look(): Promise<{ release: HelmRelease | undefined; stand: Stand }> {
    const { release, forgotten } = await this.#place.read();
    if (forgotten > 0) this.#step('a Helm that was killed left a revision that never ended: forgotten');
    const service = release && (await this.#place.get('service', this.#serviceName(release.values)));
    return { release, stand: standOf(release, service?.spec.selector) };
  }

  #serviceName = ({ namePrefix = '' }: HelmRelease['values']): string => `${namePrefix}model-management`.slice(0, 63);

  /** Values of a release with one gateway. */
  #alone = (slot: Slot, strategy: Strategy) => ({
    gateway: { strategy, blueGreen: { active: slot === 'rolling' ? 'blue' : slot, held: '' } },
  });

  async #mayChange(given: Given, stand: Stand, slot: Slot, unfinished: number | undefined): Promise<boolean> {
    const same = (slot === 'rolling') === (given.strategy === 'rolling');
    const wanted = this.#alone(same ? slot : nextSlot(slot, given.strategy), given.strategy);
    const args = await this.#helmArgs([...given.files, await this.#means.file(wanted)]);
    const difference = await this.#place.difference(args);
    if (difference === '' && stand.kind === 'alone' && unfinished === undefined) {
      this.#step('nothing is different: nothing to deploy');
      return false;
    }
    console.log(difference);
    if (await this.#means.confirm(`deploy this to ${this.#place.namespace}/${this.#place.release}?`)) return true;
    throw new Error('not confirmed: nothing was changed');
  }

  #helmArgs = async (files: string[]) => [this.#place.release, chart, ...files.flatMap((file) => ['--values', file])];

  async #upgrade(files: string[]): Promise<HelmRelease> {
    this.#means.lease.check();
    await this.#place.helm(['upgrade', '--install', ...(await this.#helmArgs(files))]);
    return (await this.#place.read()).release!;
  }

  async #install(given: Given): Promise<void> {
    const slot: Slot = given.strategy === 'rolling' ? 'rolling' : 'blue';
    if (!(await this.#mayChange(given, { kind: 'nothing' }, slot, undefined))) return;
    const release = await this.#upgrade([...given.files, await this.#means.file(this.#alone(slot, given.strategy))]);
    this.#step('installed: waiting for its pods');
    await this.#untilReady(release, slot);
    await this.#try(release, slot, this.#serviceName(release.values));
    this.#step(`deployed: the first gateway is ${slot}`);
  }

  /** The gateway beside the one that runs, up to the end. */
  async #bringUp(release: HelmRelease, stand: Stand, slot: Slot, given: Given): Promise<void> {
    const next = nextSlot(slot, given.strategy);
    await this.#checkLabels(slot);
    const objects = objectsOf(release, slot);
    const models = Object.keys(JSON.parse(objects.config).models);
    const { values, retiring, undo } = keptFor(models, release.values as Values, given.all);
    const before: BeforeGateway = {
      ...{ slot, next, retiring, undo: noted(undo, given.user) },
      revision: stand.kind === 'tried' ? stand.before.revision : release.revision,
      ...objects,
    };
    if (retiring.length > 0) this.#step(`kept until clients have ${next}: ${retiring.join(', ')}`);
    const gateway = { strategy: 'blueGreen', blueGreen: { active: slot, held: JSON.stringify(before) } };
    this.#step(`bringing up ${next} beside ${slot}`);
    const both = await this.#upgrade([...given.files, await this.#means.file({ ...values, gateway })]);
    let baseline: Measured;
    let start: Measured;
    using gauge = new Gauge(this.#place);
    try {
      await this.#untilReady(both, next);
      await this.#try(both, next, `${this.#serviceName(both.values)}-preview`);
      baseline = await gauge.measure(this.#selector(slot));
      start = await gauge.measure(this.#selector(next));
    } catch (error) {
      return this.#return({ kind: 'tried', before }, (error as Error).message);
    }
    // By the Service alone at first: if it is very bad, it is over before Helm would have got to the end.
    await this.#leadTo(both, next);
    const reason = await this.#glance(gauge, baseline, start, retiring.length > 0);
    if (reason) {
      await this.#leadTo(both, slot);
      this.#step(`clients are led back to ${slot}: ${reason}`);
      return this.#return({ kind: 'tried', before }, reason);
    }
    await this.#again(both, (values) => ({ ...values, ...lead(values, next) }));
    this.#step(`clients are led to ${next}`);
    await this.#finish(before, baseline, start);
  }

  /** Watches the gateway that clients have, and ends the one before; or leads them back. */
  async #finish(before: BeforeGateway, baseline: Measured, start: Measured): Promise<void> {
    const reason = await this.#watch(before.next, baseline, start, before);
    if (reason) return this.#return({ kind: 'led', before }, reason);
    const { release } = await this.#place.read();
    await this.#again(release!, (values) =>
      mergeValues(
        undone(values, before),
        this.#alone(before.next, before.next === 'rolling' ? 'rolling' : 'blueGreen'),
      ),
    );
    this.#step(`deployed: ${before.next} is alone, and ${before.slot} ends what it has begun`);
  }

  /** Another upgrade to the values that the release has, with a change. */
  async #again(release: HelmRelease, change: (values: Tree) => unknown): Promise<HelmRelease> {
    const values = change(await this.#place.values(release.revision)) as object;
    return this.#upgrade([await this.#means.file(values)]);
  }

  /** Leads clients back at once, and then the release. Rejects with the reason. */
  async #return(stand: Stand & { before: BeforeGateway }, reason: string): Promise<void> {
    const { slot, next, revision } = stand.before;
    if (stand.kind === 'led') {
      const { release } = await this.#place.read();
      await this.#leadTo(release!, slot);
      this.#step(`clients are led back to ${slot}: ${reason}`);
    }
    await this.#rollBack(revision, `${next} is no good: ${reason}`);
  }

  /** Has the Service lead to a slot, at once. */
  async #leadTo(release: HelmRelease, slot: Slot): Promise<void> {
    const service = release.objects.find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name === this.#serviceName(release.values),
    ) as unknown as { spec: { selector: Record<string, string> } };
    service.spec.selector[colourLabel] = slot;
    // By the name of Helm, to which the field belongs: its next upgrade may change it.
    const apply = ['apply', '--server-side', '--field-manager', 'helm', '--force-conflicts', '--filename', '-'];
    await this.#place.kubectl(apply, JSON.stringify(service));
  }

  /** Looks at the first requests of clients as often as it can, for a few seconds. */
  async #glance(gauge: Gauge, before: Measured, start: Measured, isLess: boolean): Promise<string | undefined> {
    const usual = since(before, nothing);
    for (const end = Date.now() + 2000; Date.now() < end; await sleep(50)) {
      const all = since(await gauge.again(start), start);
      const reason = verdict(isLess ? withoutUnknown(all) : all, usual);
      if (reason) return reason;
    }
    return undefined;
  }

  async #rollBack(revision: number, reason: string): Promise<void> {
    await this.#place.helm(['rollback', this.#place.release, String(revision)]);
    await this.#means.lease.note(undefined);
    this.#step(`the release is back at revision ${revision}`);
    throw new WentBack(`went back: ${reason}`);
  }

  /** The one gateway, pod by pod. */
  async #roll(release: HelmRelease, given: Given, unfinished: number | undefined): Promise<void> {
    const revision = unfinished ?? release.revision;
    using gauge = new Gauge(this.#place);
    const baseline = await gauge.measure(this.#selector());
    await this.#means.lease.note(revision);
    const now = await this.#upgrade([...given.files, await this.#means.file(this.#alone('rolling', 'rolling'))]);
    this.#step('upgraded: waiting for its pods');
    let reason: string | undefined;
    try {
      await this.#untilReady(now, 'rolling');
      await this.#try(now, 'rolling', this.#serviceName(now.values));
      reason = await this.#watch('rolling', baseline, baseline);
    } catch (error) {
      reason = (error as Error).message;
    }
    if (reason) return this.#rollBack(revision, reason);
    await this.#means.lease.note(undefined);
    this.#step('deployed');
  }

  /** Selects the gateways of a slot, or all. */
  #selector(slot?: Slot): string {
    const all = `app.kubernetes.io/instance=${this.#place.release},app.kubernetes.io/component=gateway`;
    return slot === undefined ? all : `${all},${colourLabel}=${slot}`;
  }

  /** Clients can be kept on a gateway without a colour only if its pods say that they have none. */
  async #checkLabels(slot: Slot): Promise<void> {
    if (slot !== 'rolling') return;
    const items = await this.#place.list('pods', `${this.#selector()},!${colourLabel}`);
    if (items.length === 0) return;
    throw new Error(
      `${items[0].metadata.name}: has no label ${colourLabel}, being of an older chart: deploy once with --strategy rolling`,
    );
  }

  /** Waits until the gateway of a slot and all servers have the pods that they are to have. */
  async #untilReady(release: HelmRelease, slot: Slot): Promise<void> {
    const { ready } = this.#means.what;
    const gateway = slotName(release.values.namePrefix ?? '', slot);
    let missing: string[] = [];
    let said = '';
    for (const deadline = Date.now() + ready * 1000; Date.now() < deadline; await sleep(1000)) {
      this.#means.lease.check();
      const all = `app.kubernetes.io/instance=${this.#place.release}`;
      const [deployments, pods] = await Promise.all([
        this.#place.list('deployments', all),
        this.#place.list('pods', this.#selector(slot)),
      ]);
      const wanted = deployments.filter(
        ({ metadata }: Kube) =>
          metadata.name === gateway || metadata.labels['app.kubernetes.io/component'] === 'server',
      );
      missing = wanted.filter((each: Kube) => !isRolledOut(each)).map(({ metadata }: Kube) => metadata.name);
      if (missing.length === 0) return this.#step('all pods are ready');
      const stuck = pods.map(stateOf).find(({ stuck }: { stuck?: string }) => stuck);
      if (stuck) throw new Error(`${gateway}: ${stuck.text}`);
      if (missing.join() !== said) this.#step(`waiting for ${missing.join(', ')}`);
      said = missing.join();
    }
    throw new Error(`${missing.join(', ')}: not ready within ${ready} s: kubectl describe the pods`);
  }

  /** Asks the gateway that a Service leads to as a client would. */
  async #try(release: HelmRelease, slot: Slot, service: string): Promise<void> {
    const { models } = JSON.parse(objectsOf(release, slot).config) as { models: Record<string, { server: string }> };
    const items = await this.#place.list(
      'deployments',
      `app.kubernetes.io/instance=${this.#place.release},app.kubernetes.io/component=server`,
    );
    const keyOf = ({ metadata }: Kube) => metadata.labels['model-management.fineprint.ai/server'];
    const up = new Set(items.filter(({ status }: Kube) => (status.readyReplicas ?? 0) > 0).map(keyOf));
    const served = new Set(
      items.filter((each: Kube) => up.has(keyOf(each))).map(({ metadata }: Kube) => metadata.name),
    );
    const asked = Object.entries(models).flatMap(([model, { server }]) => (served.has(server) ? [model] : []));
    const port = release.values.gateway?.service?.port ?? 80;
    using way = await forward(this.#place.where, this.#place.access.env, `service/${service}`, [port]);
    await trial(way.urls[0]!, asked, this.#means.key);
    using gauge = new Gauge(this.#place);
    const pods = await gauge.measure(this.#selector(slot));
    if (answers(since(pods, nothing)).all < asked.length) throw new Error(`${slot}: its metrics do not count requests`);
    this.#step(`${slot} answers, by way of the Service ${service}: ${asked.join(', ') || 'no model is up'}`);
  }

  /**
   * Compares what the gateway of a slot does with what was done before, and gives a reason to go back as soon as there is one. For
   * want of clients it asks by itself. After a third of the time those clients that keep their connections to the gateway before
   * are moved over as well, for its pods are replaced, one by one.
   */
  async #watch(slot: Slot, before: Measured, start: Measured, held?: BeforeGateway): Promise<string | undefined> {
    const old = held?.slot;
    const { watch } = this.#means.what;
    using gauge = new Gauge(this.#place);
    const baseline = before.size > 0 ? before : old ? await gauge.measure(this.#selector(old)) : nothing;
    const usual = since(baseline, nothing);
    const { release } = await this.#place.read();
    const models = Object.keys(JSON.parse(objectsOf(release!, slot).config).models);
    const service = `service/${this.#serviceName(release!.values)}`;
    using way = await forward(this.#place.where, this.#place.access.env, service, [
      release!.values.gateway?.service?.port ?? 80,
    ]).catch(() => ({ urls: [], [Symbol.dispose]: () => {} }));
    this.#step(`watching ${slot} for ${watch} s`);
    const began = performance.now();
    const elapsed = () => (performance.now() - began) / 1000;
    let moved = old === undefined;
    let turn = 0;
    let done = answers(since(nothing, nothing));
    while (elapsed() < watch) {
      this.#means.lease.check();
      if (turn % 5 === 0 && way.urls[0] && models.length > 0) {
        // What becomes of it is in the metrics.
        void ask(way.urls[0], models[(turn / 5) % models.length]!, this.#means.key).catch(() => {});
      }
      turn++;
      const all = since(await gauge.measure(this.#selector(slot)), start);
      // Clients of a model that was taken away are told so, which is no fault of the gateway.
      const now = held && held.retiring.length > 0 ? withoutUnknown(all) : all;
      done = answers(now);
      const reason = verdict(now, usual) ?? (await this.#illness(slot));
      if (reason) return reason;
      if (!moved && elapsed() > watch / 3) {
        moved = true;
        const name = slotName(release!.values.namePrefix ?? '', old!);
        await this.#place.kubectl(['rollout', 'restart', `deployment/${name}`]);
        this.#step(`clients that keep their connections to ${old} are moved over, too`);
      }
      await sleep(elapsed() < 10 ? 250 : 1000);
    }
    this.#step(`${slot} is good: ${done.failed} of ${done.all} requests failed`);
    return undefined;
  }

  /** Whether pods of a slot are not what they were a moment ago. */
  async #illness(slot: Slot): Promise<string | undefined> {
    const items = await this.#place.list('pods', this.#selector(slot));
    const of = (pod: Kube) => pod.status.containerStatuses ?? [];
    const dead = items.find((pod: Kube) =>
      of(pod).some(({ restartCount }: { restartCount: number }) => restartCount > 0),
    );
    if (dead) return `${dead.metadata.name}: its container was started anew`;
    const isThere = items.some((pod: Kube) => of(pod).some(({ ready }: { ready: boolean }) => ready));
    return isThere ? undefined : 'none of its pods is ready';
  }
}

/** A deployment that was no good, whose release is what it was. */
class WentBack extends Error {}

function unlessWentBack(error: Error): void {
  if (!(error instanceof WentBack)) throw error;
}

/** Leads the Service to a slot. */
const lead = (values: Tree, slot: Slot) => ({
  gateway: mergeValues(values.gateway, { blueGreen: { active: slot } }),
});

// biome-ignore lint/suspicious/noExplicitAny: what the API gives back is as wide as Kubernetes
type Kube = any;

/** Whether a Deployment has no pod of another version and at least one that is ready, or is to have none. */
function isRolledOut({ metadata, spec, status }: Kube): boolean {
  if (status.observedGeneration !== metadata.generation) return false;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  return (
    spec.replicas === 0 ||
    (updatedReplicas === replicas && availableReplicas >= Math.min(1, spec.replicas) && updatedReplicas > 0)
  );
}
