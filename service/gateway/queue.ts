import type { Priority } from '../../schema/types.ts';

/** What can stand in line. */
export interface Waiting {
  readonly priority: Priority;
  /** Who asks. */
  readonly flow: string;
}

/** The shares of time that priorities get while all of them have requests waiting, the most urgent first. */
const weights: Record<Priority, number> = { interactive: 16, standard: 4, batch: 1 };
const priorities = Object.keys(weights) as Priority[];

/** Flows that nobody waits in are remembered up to this number, with what they were charged. */
const rememberedFlows = 1024;

/** How much a new cost weighs in the expected one. */
const weightOfNew = 0.05;

/** One of those that take turns. */
interface Turn {
  /** Virtual time up to which it has had its share. */
  had: number;
}

/** What was charged for one that was taken. */
interface Charge {
  cost: number;
  flow: Turn;
}

class Flow<T> implements Turn {
  readonly name: string;
  readonly waiting: T[] = [];
  had = 0;

  constructor(name: string) {
    this.name = name;
  }
}

class Class<T> implements Turn {
  readonly weight: number;
  /** All that are known, by name. Those that wait no more are at the beginning, in the order in which they ceased to. */
  readonly flows = new Map<string, Flow<T>>();
  readonly active = new Set<Flow<T>>();
  /** Virtual time among the flows: that of the one whose turn was last. */
  now = 0;
  had = 0;
  size = 0;

  constructor(weight: number) {
    this.weight = weight;
  }

  /** The flow whose turn it is, the one that has been there for longest where several are equal. */
  next(): Flow<T> | undefined {
    return first(this.active);
  }

  /** The flow of which most wait. */
  longest(): Flow<T> | undefined {
    let longest: Flow<T> | undefined;
    for (const flow of this.active) if (!longest || flow.waiting.length > longest.waiting.length) longest = flow;
    return longest;
  }

  /** Takes a flow in as one that has requests waiting. */
  activate(name: string): Flow<T> {
    const flow = this.flows.get(name) ?? new Flow<T>(name);
    this.flows.set(name, flow);
    if (!this.active.has(flow)) {
      this.active.add(flow);
      // Whoever did not ask has no claim to time that has passed.
      flow.had = Math.max(flow.had, this.now);
    }
    return flow;
  }

  /** Forgets a flow that has nothing waiting any more; for a while what it was charged stays known. */
  deactivate(flow: Flow<T>): void {
    this.active.delete(flow);
    this.flows.delete(flow.name);
    if (flow.had <= this.now) return;
    this.flows.set(flow.name, flow);
    if (this.flows.size - this.active.size <= rememberedFlows) return;
    for (const [name, old] of this.flows) {
      if (this.active.has(old)) continue;
      this.flows.delete(name);
      return;
    }
  }
}

/**
 * The line before a model: who goes next, and who has to go when there is no room.
 *
 * Whose turn it is follows start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996) on two
 * levels: priorities share the time of the replicas' slots 16 : 4 : 1 while all of them wait, and the flows inside of a priority
 * share it equally; inside of a flow the first comes first. So nobody starves, an urgent request that comes while less urgent
 * ones flood goes next, and a flow of long requests gets no more time than one of short ones. What a request costs is known
 * when it has ended: until then it is charged what requests cost on average.
 */
export class FairQueue<T extends Waiting> {
  /** Most that may wait. Those that wait already stay when it becomes less. */
  depth: number;
  readonly #classes = new Map(priorities.map((priority) => [priority, new Class<T>(weights[priority])]));
  /** Virtual time among the priorities. */
  #now = 0;
  readonly #charges = new WeakMap<T, Charge>();
  /** Slot-seconds that a request is expected to cost. */
  #expected = 1;
  #knowsCosts = false;
  #size = 0;

  constructor(depth: number) {
    this.depth = depth;
  }

  get size(): number {
    return this.#size;
  }

  sizeOf(priority: Priority): number {
    return this.#classOf(priority).size;
  }

  /** All that wait, in no particular order. */
  *[Symbol.iterator](): Generator<T> {
    for (const { active } of this.#classes.values()) for (const { waiting } of active) yield* waiting;
  }

  /** Puts one in, at the end of its flow; gives back the one that there is no room for, which may be the same. */
  push(item: T): T | undefined {
    const crowded = this.#size >= this.depth;
    if (!crowded) {
      this.#add(item).waiting.push(item);
      return undefined;
    }
    const flow = this.#whoMakesWay(item);
    if (!flow) return item;
    const out = flow.waiting.at(-1)!;
    this.remove(out);
    this.#add(item).waiting.push(item);
    return out;
  }

  /** Whose turn it is. */
  peek(): T | undefined {
    return this.#next()?.next()?.waiting[0];
  }

  /** Takes out whose turn it is, and charges it what it is expected to cost. */
  take(): T | undefined {
    const group = this.#next();
    const flow = group?.next();
    const item = flow?.waiting[0];
    if (!item) return undefined;
    this.#now = group!.had;
    group!.now = flow!.had;
    const charge = { cost: 0, flow: flow! };
    this.#charges.set(item, charge);
    this.#charge(item, charge, this.#expected);
    this.#cut(item, 0);
    return item;
  }

  /** Takes one out that does not wait any longer; false when it was not there. */
  remove(item: T): boolean {
    const at = this.#classOf(item.priority).flows.get(item.flow)?.waiting.indexOf(item) ?? -1;
    if (at < 0) return false;
    this.#cut(item, at);
    return true;
  }

  /** Puts one back that was taken in vain: before the others of its flow, whether or not there is room, and for free. */
  giveBack(item: T): void {
    this.refund(item);
    this.#add(item).waiting.unshift(item);
  }

  /** Says that one that was taken has cost nothing, since it came to nothing. */
  refund(item: T): void {
    this.#correct(item, 0);
  }

  /** Says what one that was taken has cost, in slot-seconds. */
  settle(item: T, cost: number): void {
    this.#correct(item, cost);
    this.#expected = this.#knowsCosts ? this.#expected + weightOfNew * (cost - this.#expected) : cost;
    this.#knowsCosts = true;
  }

  #correct(item: T, cost: number): void {
    const charge = this.#charges.get(item);
    if (!charge) return;
    this.#charge(item, charge, cost);
    this.#charges.delete(item);
  }

  #charge({ priority }: T, charge: Charge, cost: number): void {
    const group = this.#classOf(priority);
    const more = cost - charge.cost;
    charge.cost = cost;
    charge.flow.had += more;
    group.had += more / group.weight;
  }

  /** Who has to go for another to come in: somebody less urgent, or else one of a flow that has more waiting. */
  #whoMakesWay({ priority, flow }: T): Flow<T> | undefined {
    for (const lower of priorities.toReversed()) {
      if (lower === priority) break;
      const longest = this.#classOf(lower).longest();
      if (longest) return longest;
    }
    const group = this.#classOf(priority);
    const longest = group.longest();
    const own = group.flows.get(flow)?.waiting.length ?? 0;
    return longest && longest.name !== flow && longest.waiting.length >= own + 2 ? longest : undefined;
  }

  #add({ priority, flow }: T): Flow<T> {
    const group = this.#classOf(priority);
    if (group.size === 0) group.had = Math.max(group.had, this.#now);
    group.size++;
    this.#size++;
    return group.activate(flow);
  }

  #cut({ priority, flow: name }: T, at: number): void {
    const group = this.#classOf(priority);
    const flow = group.flows.get(name)!;
    flow.waiting.splice(at, 1);
    group.size--;
    this.#size--;
    if (flow.waiting.length === 0) group.deactivate(flow);
  }

  /** The priority whose turn it is, the most urgent where several are equal. */
  #next(): Class<T> | undefined {
    return first([...this.#classes.values()].filter(({ size }) => size > 0));
  }

  #classOf(priority: Priority): Class<T> {
    return this.#classes.get(priority)!;
  }
}

/** The one that has had least of its share, the first of several. */
function first<E extends Turn>(turns: Iterable<E>): E | undefined {
  let least: E | undefined;
  for (const turn of turns) if (!least || turn.had < least.had) least = turn;
  return least;
}
