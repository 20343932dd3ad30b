import { type Backoff, waitMs } from '../shared/backoff.ts';
import type { Logger } from '../shared/logging.ts';
import type { Reservation } from '../shared/reservation.ts';
import { hash32, mix } from './affinity.ts';

/** How many failures in a row it takes until a replica is asked no more. */
const failuresToEject = 3;

/** When an ejected replica is asked whether it is ready. */
const probing: Backoff = { firstMs: 1000, longestMs: 30_000 };

/** How much more than its share of the requests a replica may have for the sake of its cache. */
const loadFactor = 1.25;

/** How long a full replica that does not say when it has room is left alone, in ms. */
const silentMs = 1000;

/** How long one that says so is left alone while others have room: when they fill it no more, it is to get its share again. */
const restMs = 5000;

/**
 * How a lease ended: with an answer to its end; with a connection refused or lost; with the agent's word that it is full;
 * or without anything having been sent.
 */
export type Result = 'answered' | 'failed' | 'full' | 'unused';

/** The right to send one request to a replica. */
export interface Lease {
  readonly url: string;
  /** To be called once when the request has ended; further calls do nothing. */
  release(result: Result): void;
}

export interface ReplicaSetOptions {
  log: Logger;
  /** Whether a replica says that it is ready. */
  isReady(url: string): Promise<boolean>;
  /** Waits at a full replica until it keeps a slot for the model free for us, or for as long as it lets us; may reject. */
  reserve(url: string, model: string): Promise<Reservation>;
  /**
   * Called soon after a later acquire might succeed where an earlier one did not: for one model, or without it for any.
   */
  onRoom?(model?: string): void;
  random?: () => number;
}

/** A replica as a status page shows it. */
export interface ReplicaStatus {
  url: string;
  /** `gone`: not to be asked any more, but still answering. */
  state: 'in use' | 'ejected' | 'gone';
  inFlight: number;
  /** Requests in flight by model. */
  models: Record<string, number>;
  /** Models for which it takes no more at the moment. */
  full: string[];
}

/** What a replica has of one model's requests. */
interface Load {
  inFlight: number;
  /**
   * Requests that it keeps room for, where other gateways fill it too: without its word there is none. Undefined where it is
   * ours alone, and takes as many as it has slots.
   */
  granted: number | undefined;
  /**
   * Of ours, how many it had when it was found full though no other gateway fills it, and one more for each that it has answered
   * since: it has fewer slots than we think, as while another version of it comes. Undefined where nothing says so.
   */
  most: number | undefined;
  /** Whether it has been asked for its word and not given it yet. */
  asking: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** Whether nothing is known of a model but that requests for it have come and gone. */
const isIdle = ({ inFlight, granted }: Load) => inFlight === 0 && granted === undefined;

class Replica {
  readonly url: string;
  readonly seed: number;
  /** By model. None is taken out: maps that are filled and emptied all the time have to be laid out anew all the time. */
  readonly loads = new Map<string, Load>();
  inFlight = 0;
  gone = false;
  ejected = false;
  /** Failures in a row. */
  failures = 0;
  /** Probes since it last answered a request. */
  probes = 0;
  probeTimer: NodeJS.Timeout | undefined;

  constructor(url: string) {
    this.url = url;
    this.seed = hash32(url);
  }

  mayTake(model: string, slots: number): boolean {
    if (this.ejected || this.gone) return false;
    const load = this.loads.get(model);
    if (!load) return true;
    const most = load.granted === undefined ? Math.min(slots, load.most ?? slots) : slots;
    return load.inFlight < most && load.granted !== 0;
  }

  loadOf(model: string): Load {
    const known = this.loads.get(model);
    if (known) return known;
    const load: Load = { inFlight: 0, granted: undefined, most: undefined, asking: false, timer: undefined };
    this.loads.set(model, load);
    return load;
  }

  /** As if nothing had ever been heard of it. */
  forget(): void {
    clearTimeout(this.probeTimer);
    Object.assign(this, { ejected: false, failures: 0, probes: 0 });
    for (const load of this.loads.values()) {
      this.lift(load);
      load.most = undefined;
    }
  }

  lift(load: Load): void {
    load.granted = undefined;
    clearTimeout(load.timer);
  }
}

/**
 * The replicas of one server, and which of them gets the next request.
 *
 * Requests of one conversation go to one replica, whose cache has their prefix, as long as that has no more than 1.25 times
 * its share: consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam: "Consistent Hashing with Bounded
 * Loads", SODA 2018), over the order of rendezvous hashing (Thaler, Ravishankar 1998), in which a replica that comes
 * takes its own share of the conversations and moves no other. The rest goes to the less loaded of two at random
 * (Mitzenmacher 2001): gateways that know nothing of each other don't run all to the same one.
 *
 * A choice looks at every replica: 0.4 µs with ten of them, 30 µs with a thousand, which is 3 % of a core at 1,000 requests/s.
 */
export class ReplicaSet {
  #slots: number;
  readonly #options: ReplicaSetOptions;
  readonly #random: () => number;
  /** All by URL, those too that are gone but have leases. */
  readonly #replicas = new Map<string, Replica>();
  /** Those that are not gone. */
  #live: Replica[] = [];
  readonly #inFlight = new Map<string, number>();
  readonly #seeds = new Map<string, number>();
  #total = 0;
  #rooms: Set<string | undefined> | undefined;
  #closed = false;

  /** `slots`: requests for one model that a replica gets at a time. */
  constructor(slots: number, options: ReplicaSetOptions) {
    this.#slots = slots;
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  get slots(): number {
    return this.#slots;
  }

  set slots(slots: number) {
    const more = slots > this.#slots;
    this.#slots = slots;
    if (more) this.#tellRoom();
  }

  /** How many replicas there are. */
  get known(): number {
    return this.#live.length;
  }

  /** How many of them are asked no more, since they failed. */
  get ejected(): number {
    return this.#live.reduce((count, { ejected }) => count + (ejected ? 1 : 0), 0);
  }

  /** Whether there are replicas, but none that may be asked. */
  get allEjected(): boolean {
    return this.#live.length > 0 && this.#live.every(({ ejected }) => ejected);
  }

  /** Requests in flight, on replicas that are gone too: of one model, or of all. */
  inFlight(model?: string): number {
    return model === undefined ? this.#total : (this.#inFlight.get(model) ?? 0);
  }

  list(): ReplicaStatus[] {
    return [...this.#replicas.values()].map(({ url, gone, ejected, inFlight, loads }) => ({
      url,
      state: gone ? 'gone' : ejected ? 'ejected' : 'in use',
      inFlight,
      models: Object.fromEntries([...loads].flatMap(([model, load]) => (isIdle(load) ? [] : [[model, load.inFlight]]))),
      full: [...loads].flatMap(([model, { granted }]) => (granted === 0 ? [model] : [])),
    }));
  }

  /** Takes another list of replicas: those that stay keep their state, those that go finish what they have. */
  update(urls: Iterable<string>): void {
    const wanted = new Set(urls);
    for (const replica of this.#live) if (!wanted.has(replica.url)) this.#retire(replica);
    let added = false;
    for (const url of wanted) {
      const known = this.#replicas.get(url);
      if (known && !known.gone) continue;
      // The address may be another pod's by now: of the one before only the open requests count.
      if (known) known.gone = false;
      else this.#replicas.set(url, new Replica(url));
      added = true;
    }
    this.#live = [...this.#replicas.values()].filter(({ gone }) => !gone);
    if (added) this.#tellRoom();
  }

  /**
   * A lease on a replica that can take one more request for the model now; undefined when none can. Requests with the same
   * affinity get the same replica while it has room.
   */
  acquire(model: string, affinity?: number, except?: ReadonlySet<string>): Lease | undefined {
    const able = this.#live.filter((replica) => replica.mayTake(model, this.#slots) && !except?.has(replica.url));
    const replica = affinity === undefined ? this.#lighterOfTwo(able) : preferred(able, affinity ^ this.#seedOf(model));
    if (replica) return this.#lease(replica, model);
    for (const replica of this.#live) this.#ask(replica, model);
    return undefined;
  }

  /** Ends everything in the background. Leases can still be released. */
  close(): void {
    this.#closed = true;
    for (const { probeTimer, loads } of this.#replicas.values()) {
      clearTimeout(probeTimer);
      for (const { timer } of loads.values()) clearTimeout(timer);
    }
  }

  /** So that the models of a server don't all have the same favourite for a conversation. */
  #seedOf(model: string): number {
    const known = this.#seeds.get(model);
    if (known !== undefined) return known;
    const seed = hash32(model);
    this.#seeds.set(model, seed);
    return seed;
  }

  #lighterOfTwo(able: Replica[]): Replica | undefined {
    if (able.length < 2) return able[0];
    const first = Math.floor(this.#random() * able.length);
    // Another one than the first.
    const second = (first + 1 + Math.floor(this.#random() * (able.length - 1))) % able.length;
    const [one, other] = [able[first]!, able[second]!];
    return other.inFlight < one.inFlight ? other : one;
  }

  #lease(replica: Replica, model: string): Lease {
    const load = replica.loadOf(model);
    load.inFlight++;
    if (load.granted) load.granted--;
    replica.inFlight++;
    this.#count(model, 1);
    let open = true;
    return {
      url: replica.url,
      release: (result) => {
        if (!open) return;
        open = false;
        load.inFlight--;
        replica.inFlight--;
        this.#count(model, -1);
        this.#judge(replica, model, load, result);
        if (replica.gone && replica.inFlight === 0) this.#replicas.delete(replica.url);
        if (result !== 'full' && replica.mayTake(model, this.#slots)) this.#tellRoom(model);
      },
    };
  }

  #count(model: string, change: 1 | -1): void {
    this.#total += change;
    this.#inFlight.set(model, (this.#inFlight.get(model) ?? 0) + change);
  }

  #judge(replica: Replica, model: string, load: Load, result: Result): void {
    if (replica.gone) return;
    if (result === 'answered') {
      replica.failures = 0;
      replica.probes = 0;
      if (load.most !== undefined && ++load.most >= this.#slots) load.most = undefined;
    } else if (result === 'failed') {
      replica.failures++;
      if (replica.failures >= failuresToEject && !replica.ejected) this.#eject(replica);
    } else if (result === 'full') {
      load.granted = 0;
      if (load.inFlight > 0) load.most = load.inFlight;
      this.#askLater(replica, model, load);
    }
  }

  #retire(replica: Replica): void {
    replica.gone = true;
    replica.forget();
    if (replica.inFlight === 0) this.#replicas.delete(replica.url);
  }

  #eject(replica: Replica): void {
    replica.ejected = true;
    this.#options.log.warn({ replica: replica.url, failures: replica.failures }, 'replica ejected');
    this.#probeLater(replica);
  }

  #probeLater(replica: Replica): void {
    if (this.#closed) return;
    clearTimeout(replica.probeTimer);
    const wait = waitMs(probing, replica.probes, this.#random);
    replica.probeTimer = setTimeout(() => void this.#probe(replica), wait).unref();
  }

  async #probe(replica: Replica): Promise<void> {
    replica.probes++;
    const ready = await this.#options.isReady(replica.url).catch(() => false);
    if (!replica.ejected || this.#closed) return;
    if (!ready) return this.#probeLater(replica);
    replica.ejected = false;
    // On trial: to be ready is not yet to answer, and one more failure ejects it for longer.
    replica.failures = failuresToEject - 1;
    this.#options.log.info({ replica: replica.url }, 'replica put back');
    this.#tellRoom();
  }

  /**
   * Asks a full replica, once at a time, for its word that it has room. Asked for the next one as soon as that is used, by
   * each gateway that has requests waiting, it lets them take turns: no gateway takes all, and none sends in vain.
   */
  async #ask(replica: Replica, model: string): Promise<void> {
    const load = replica.loads.get(model);
    if (load?.granted !== 0 || load.asking || replica.ejected || this.#closed) return;
    load.asking = true;
    const answer = await this.#options.reserve(replica.url, model).catch(() => undefined);
    if (this.#closed || replica.gone || load.granted !== 0) {
      load.asking = false;
      return;
    }
    clearTimeout(load.timer);
    // Where it does not say, a request will tell.
    if (!answer) load.timer = setTimeout(() => this.#trust(replica, model, load), silentMs).unref();
    else if (!answer.shared) this.#trust(replica, model, load);
    else {
      load.asking = false;
      load.most = undefined;
      if (answer.reserved) load.granted = 1;
      this.#askLater(replica, model, load);
      // Without its word too: whoever still waits has it asked again.
      this.#tellRoom(model);
    }
  }

  #askLater(replica: Replica, model: string, load: Load): void {
    clearTimeout(load.timer);
    if (this.#closed) return;
    load.timer = setTimeout(() => {
      // A slot that was kept for nobody is not kept any more.
      load.granted = 0;
      void this.#ask(replica, model);
    }, restMs).unref();
  }

  /** Takes a replica for one that has room, until it says otherwise. */
  #trust(replica: Replica, model: string, load: Load): void {
    load.asking = false;
    replica.lift(load);
    this.#tellRoom(model);
  }

  /** Once for all that happens at a time. */
  #tellRoom(model?: string): void {
    if (this.#closed || !this.#options.onRoom) return;
    if (!this.#rooms) {
      this.#rooms = new Set();
      queueMicrotask(() => {
        const rooms = this.#rooms!;
        this.#rooms = undefined;
        if (rooms.has(undefined)) this.#options.onRoom!();
        else for (const room of rooms) this.#options.onRoom!(room);
      });
    }
    this.#rooms.add(model);
  }
}

/** The one that a key ranks highest of those that have no more than their bounded share. */
function preferred(able: Replica[], key: number): Replica | undefined {
  const total = able.reduce((sum, { inFlight }) => sum + inFlight, 0);
  // The least loaded one is always within this.
  const bound = Math.ceil((loadFactor * (total + 1)) / able.length);
  let best: Replica | undefined;
  let bestRank = -1;
  for (const replica of able) {
    if (replica.inFlight >= bound) continue;
    const rank = mix(key ^ replica.seed);
    if (rank > bestRank) [best, bestRank] = [replica, rank];
  }
  return best;
}
