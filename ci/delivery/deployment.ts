import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { mergeValues } from '../../generator/environment.ts';
import type { Values } from '../../schema/values.ts';
import { stateOf } from '../cluster/release.ts';
import type { HelmRelease } from '../doctor/helm-release.ts';
import type { Metrics } from '../doctor/metrics.ts';
import { root } from '../tools/paths.ts';
import { duration } from '../tools/progress.ts';
import type { Asked } from './deploy.ts';
import { forward } from './forward.ts';
import { Gauge } from './gauge.ts';
import type { Lease } from './lease.ts';
import type { Place } from './place.ts';
import { isRolledOut, type Kube, Pods } from './pods.ts';
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
import { answers, type Measured, packed, since, unpacked, verdict, withoutUnknown } from './verdict.ts';

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

/** What is watched, and what it is compared with. */
interface Watched {
  slot: Slot;
  /** What was done before the deployment. */
  usual: Metrics;
  /** What the pods of the slot had done when they were given to clients. */
  start: Measured;
  /** How often containers of its pods had been started anew before. */
  restarts?: ReadonlyMap<string, number>;
  /** The gateway before, where it is still there. */
  held?: BeforeGateway;
}

const chart = path.join(root, 'charts');
const nothing: Measured = new Map();

/** The deployment of a release: each step leaves it so that whoever begins anew finds out where it stands. */
export class Deployment {
  readonly #place: Place;
  readonly #pods: Pods;
  readonly #means: Means;
  readonly #began = performance.now();

  constructor(place: Place, means: Means) {
    this.#place = place;
    this.#pods = new Pods(place);
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
        await this.#goOn(release!, stand.before);
        continue;
      }
      const slot = stand.kind === 'alone' ? stand.slot : stand.before.slot;
      const isRolling = slot === 'rolling' && given.strategy === 'rolling';
      if (isRolling && stand.kind === 'tried') {
        this.#step(`${stand.before.next} goes again: the strategy is to be rolling`);
        await this.#return(stand, 'it was asked for').catch(unlessWentBack);
        continue;
      }
      const unfinished = isRolling ? (await this.#means.lease.noted()).revision : undefined;
      if (!(await this.#mayChange(given, stand, slot, unfinished))) return;
      if (isRolling && stand.kind === 'alone') return this.#roll(release!, given, unfinished);
      return this.#bringUp(release!, stand, slot, given);
    }
  }

  /** Leads clients back to the gateway before, while that is there. */
  async goBack(): Promise<void> {
    const { release, stand } = await this.#look();
    if (stand.kind === 'led' && !(await this.#pods.hasReady(stand.before.slot, release!.values.namePrefix))) {
      const { slot, next } = stand.before;
      throw new Error(
        `${slot}: has no ready pod any more, and clients stay with ${next}: deploy to the end, and then the version before`,
      );
    }
    if (stand.kind === 'tried' || stand.kind === 'led' || stand.kind === 'returning') {
      return this.#return(stand, 'it was asked for').catch(unlessWentBack);
    }
    const { revision } = await this.#means.lease.noted();
    if (revision === undefined) {
      throw new Error(
        `${this.#place.release}: no deployment is under way: deploy the version that it is to go back to`,
      );
    }
    await this.#rollBackPods(revision, 'it was asked for').catch(unlessWentBack);
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
    using gauge = new Gauge(this.#place);
    const usual = await this.#usual(gauge, slot, stand.kind === 'tried');
    await this.#means.lease.note({ usual: packed(usual) });
    const gateway = { strategy: 'blueGreen', blueGreen: { active: slot, held: JSON.stringify(before) } };
    this.#step(`bringing up ${next} beside ${slot}`);
    let both: HelmRelease;
    let start: Measured;
    try {
      both = await this.#upgrade([...given.files, await this.#means.file({ ...values, gateway })]);
    } catch (error) {
      if (!(await this.#place.isHalfChanged())) throw error;
      return this.#return({ kind: 'tried', before }, (error as Error).message);
    }
    try {
      await this.#untilReady(both, next);
      await this.#try(both, next, `${this.#serviceName(both.values)}-preview`);
      start = await gauge.measure(this.#pods.selector(next));
    } catch (error) {
      return this.#return({ kind: 'tried', before }, (error as Error).message);
    }
    // By the Service alone at first: if it is very bad, it is over before Helm would have got to the end.
    await this.#leadTo(both, next);
    const reason = await this.#glance(gauge, usual, start, retiring.length > 0);
    if (reason) {
      await this.#leadTo(both, slot);
      this.#step(`clients are led back to ${slot}: ${reason}`);
      return this.#return({ kind: 'tried', before }, reason);
    }
    await this.#again(both, (values) => ({ ...values, ...lead(values, next) }));
    this.#step(`clients are led to ${next}`);
    await this.#finish(before, usual, start);
  }

  /**
   * What the gateways of a slot did before anything was changed: a new version that makes servers slower does so for them as well.
   * Of a deployment that was interrupted that is what it has noted.
   */
  async #usual(gauge: Gauge, slot: Slot, wasInterrupted: boolean): Promise<Metrics> {
    const text = wasInterrupted ? (await this.#means.lease.noted()).usual : undefined;
    return text ? unpacked(text) : since(await gauge.measure(this.#pods.selector(slot)), nothing);
  }

  /** Goes on with a deployment that was interrupted when clients had the new gateway. */
  async #goOn(release: HelmRelease, before: BeforeGateway): Promise<void> {
    const { slot, next } = before;
    this.#step(`clients have ${next} already: going on from there`);
    if (await this.#place.get('deployment', slotName(release.values.namePrefix ?? '', slot))) {
      using gauge = new Gauge(this.#place);
      return this.#finish(before, await this.#usual(gauge, slot, true), nothing);
    }
    // It has been found to be good.
    return this.#retire(before);
  }

  /** Watches the gateway that clients have, and ends the one before; or leads them back. */
  async #finish(before: BeforeGateway, usual: Metrics, start: Measured): Promise<void> {
    const reason = await this.#watch({ slot: before.next, usual, start, held: before });
    if (reason) return this.#return({ kind: 'led', before }, reason);
    return this.#retire(before);
  }

  async #retire(before: BeforeGateway): Promise<void> {
    const { release } = await this.#place.read();
    await this.#again(release!, (values) =>
      mergeValues(
        undone(values, before),
        this.#alone(before.next, before.next === 'rolling' ? 'rolling' : 'blueGreen'),
      ),
    );
    await this.#means.lease.note({});
    this.#step(`deployed: ${before.next} is alone, and ${before.slot} ends what it has begun`);
  }

  /** Another upgrade to the values that the release has, with a change. */
  async #again(release: HelmRelease, change: (values: Tree) => unknown): Promise<HelmRelease> {
    const values = change(await this.#place.values(release.revision)) as object;
    return this.#upgrade([await this.#means.file(values)]);
  }

  /** Leads clients back at once, and then the release. Rejects with the reason. */
  async #return(stand: Stand & { before: BeforeGateway }, reason: string): Promise<void> {
    this.#means.lease.check();
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
  async #glance(gauge: Gauge, usual: Metrics, start: Measured, isLess: boolean): Promise<string | undefined> {
    for (const end = Date.now() + 2000; Date.now() < end; await sleep(50)) {
      const all = since(await gauge.again(start), start);
      const reason = verdict(isLess ? withoutUnknown(all) : all, usual);
      if (reason) return reason;
    }
    return undefined;
  }

  async #rollBack(revision: number, reason: string): Promise<void> {
    await this.#rollBackRelease(revision);
    throw new WentBack(`went back: ${reason}`);
  }

  async #rollBackRelease(revision: number): Promise<void> {
    this.#means.lease.check();
    await this.#place.helm(['rollback', this.#place.release, String(revision)]);
    await this.#means.lease.note({});
    this.#step(`the release is back at revision ${revision}`);
  }

  /** The same where clients have to wait for the pods that are made anew. */
  async #rollBackPods(revision: number, reason: string): Promise<void> {
    await this.#rollBackRelease(revision);
    const { release } = await this.#place.read();
    const problem = await this.#untilReady(release!, 'rolling').then(
      () => '',
      (error: Error) => `; and of revision ${revision}, ${error.message}`,
    );
    throw new WentBack(`went back: ${reason}${problem}`);
  }

  /** The one gateway, pod by pod. */
  async #roll(release: HelmRelease, given: Given, unfinished: number | undefined): Promise<void> {
    const revision = unfinished ?? release.revision;
    using gauge = new Gauge(this.#place);
    const start = await gauge.measure(this.#pods.selector());
    const usual = await this.#usual(gauge, 'rolling', unfinished !== undefined);
    const restarts = await this.#pods.restarts('rolling');
    await this.#means.lease.note({ revision, usual: packed(usual) });
    let now: HelmRelease;
    try {
      now = await this.#upgrade([...given.files, await this.#means.file(this.#alone('rolling', 'rolling'))]);
    } catch (error) {
      if (!(await this.#place.isHalfChanged())) throw error;
      return this.#rollBackPods(revision, (error as Error).message);
    }
    this.#step('upgraded: waiting for its pods');
    let reason: string | undefined;
    try {
      await this.#untilReady(now, 'rolling');
      await this.#try(now, 'rolling', this.#serviceName(now.values));
      reason = await this.#watch({ slot: 'rolling', usual, start, restarts });
    } catch (error) {
      reason = (error as Error).message;
    }
    if (reason) return this.#rollBackPods(revision, reason);
    await this.#means.lease.note({});
    this.#step('deployed');
  }

  /** Clients can be kept on a gateway without a colour only if its pods say that they have none. */
  async #checkLabels(slot: Slot): Promise<void> {
    if (slot !== 'rolling') return;
    const items = await this.#place.list('pods', `${this.#pods.selector()},!${colourLabel}`);
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
      const [deployments, pods] = await Promise.all([this.#place.list('deployments', all), this.#pods.newest(slot)]);
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
    const pods = await gauge.measure(this.#pods.selector(slot));
    if (answers(since(pods, nothing)).all < asked.length) throw new Error(`${slot}: its metrics do not count requests`);
    this.#step(`${slot} answers, by way of the Service ${service}: ${asked.join(', ') || 'no model is up'}`);
  }

  /**
   * Compares what the gateway of a slot does with what was done before, and gives a reason to go back as soon as there is one. For
   * want of clients it asks by itself. After a third of the time those clients that keep their connections to the gateway before
   * are moved over as well, for its pods are replaced, one by one.
   */
  async #watch({ slot, usual, start, restarts = new Map(), held }: Watched): Promise<string | undefined> {
    const old = held?.slot;
    const { watch } = this.#means.what;
    using gauge = new Gauge(this.#place);
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
      const all = since(await gauge.measure(this.#pods.selector(slot)), start);
      // Clients of a model that was taken away are told so, which is no fault of the gateway.
      const now = held && held.retiring.length > 0 ? withoutUnknown(all) : all;
      done = answers(now);
      const reason = verdict(now, usual) ?? (await this.#pods.illness(slot, restarts));
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
