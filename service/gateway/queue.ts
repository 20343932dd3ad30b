import type { Priority } from '../../schema/types.ts';

/** What can wait in a queue. */
export interface Waiting {
  readonly priority: Priority;
  /** Whose it is: the name of an API key, or `anonymous`. */
  readonly flow: string;
}

/** Shares of the slot-time while all priorities have requests waiting, the highest first. */
const weights: Record<Priority, number> = { interactive: 16, standard: 4, batch: 1 };
const priorities = Object.keys(weights) as Priority[];

/** Costs are counted in whole microseconds, whose sums are exact: what is given back leaves no trace. */
const inMicroseconds = (seconds: number) => Math.max(1, Math.round(seconds * 1e6));

/** The expected cost is the mean of about so many of the latest. */
const costsInMean = 64;

/** How many more flows than those that wait are remembered for what they had beyond their share. */
const remembered = 1000;

/**
 * The requests that wait for one model: whose turn is next, and who has to go when there is no room.
 *
 * The order is that of hierarchical start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing", SIGCOMM
 * 1996). Priorities share the slot-time 16 : 4 : 1 while all of them wait; inside of a priority, flows share it
 * equally; inside of a flow, the first comes first. So batch never starves, an interactive request that comes while
 * batch floods goes next, and a flow of long requests gets no more time than one of short ones.
 *
 * What a request costs, its seconds in a slot, is known only at its end: until then it is charged what requests cost on
 * average, and the tags are then those that they would be had its cost been known from the first. Whatever was taken
 * has to be settled, refunded or given back in the end.
 */
export class FairQueue<T extends Waiting> {
  /** Most that may wait. Those that wait already stay when it is lowered. */
  depth: number;
  readonly #entries = new Map<T, Entry<T>>();
  readonly #taken = new WeakMap<T, Taken<T>>();
  readonly #classes: Record<Priority, Class<T>>;
  readonly #root = new Level<Class<T>>();
  #pushed = 0;
  #meanSeconds = 1;
  #costs = 0;

  constructor(depth: number) {
    this.depth = depth;
    const classes = priorities.map((priority, rank) => [priority, new Class<T>(weights[priority], rank)] as const);
    this.#classes = Object.fromEntries(classes) as Record<Priority, Class<T>>;
  }

  get size(): number {
    return this.#entries.size;
  }

  sizeOf(priority: Priority): number {
    return this.#classes[priority].size;
  }

  /** All that wait, in no order that means anything. */
  [Symbol.iterator](): Iterator<T> {
    return this.#entries.keys();
  }

  /** Puts an item in. Returns the one for which there is no room then, which may be this item. */
  push(item: T): T | undefined {
    const out = this.size < this.depth ? undefined : this.#whoGives(item);
    if (out === item) return item;
    if (out) this.remove(out);
    this.#add(item, this.#pushed++);
    return out;
  }

  /** Whose turn it is. */
  peek(): T | undefined {
    return this.#next?.item;
  }

  /** Takes out whose turn it is, and charges it the expected cost. */
  take(): T | undefined {
    const entry = this.#next;
    if (!entry) return undefined;
    this.#leave(entry);
    const { item, flow } = entry;
    const cost = inMicroseconds(this.#meanSeconds);
    const ofFlow = flow.group.flows.charge(flow, cost);
    this.#taken.set(item, { entry, ofFlow, ofClass: this.#root.charge(flow.group, cost) });
    return item;
  }

  /** Takes out one that waits no longer; false where it does not wait. */
  remove(item: T): boolean {
    const entry = this.#entries.get(item);
    if (!entry) return false;
    this.#leave(entry);
    const { flow } = entry;
    flow.group.flows.place(flow);
    this.#root.place(flow.group);
    return true;
  }

  /**
   * Puts one that was not served back where it was, at no charge. One that was never taken from here goes before all of
   * its flow. There is always room for it.
   */
  giveBack(item: T): void {
    const taken = this.#taken.get(item);
    if (!taken) {
      this.#add(item, -++this.#pushed);
      return;
    }
    this.#enter(taken.entry);
    this.#charge(item, 0);
  }

  /** Says for how many seconds one that was taken had a slot. Nothing happens for one that never waited here. */
  settle(item: T, seconds: number): void {
    if (!this.#charge(item, inMicroseconds(seconds))) return;
    this.#costs = Math.min(this.#costs + 1, costsInMean);
    this.#meanSeconds += (seconds - this.#meanSeconds) / this.#costs;
  }

  /** Charges nothing for one that was taken and came to nothing. */
  refund(item: T): void {
    this.#charge(item, 0);
  }

  /** Puts a cost in place of the expected one; false where none was charged. */
  #charge(item: T, cost: number): boolean {
    const taken = this.#taken.get(item);
    if (!taken) return false;
    this.#taken.delete(item);
    const { flow } = taken.entry;
    flow.group.flows.settle(flow, taken.ofFlow, cost);
    this.#root.settle(flow.group, taken.ofClass, cost);
    return true;
  }

  get #next(): Entry<T> | undefined {
    return this.#root.next?.flows.next?.first;
  }

  #add(item: T, order: number): void {
    const group = this.#classes[item.priority];
    const flow = group.flowOf(item.flow);
    this.#enter({ item, flow, order, ahead: undefined, behind: undefined });
    if (flow.size === 1) group.flows.arrive(flow);
    else group.flows.place(flow);
    if (group.size === 1) this.#root.arrive(group);
  }

  #enter(entry: Entry<T>): void {
    this.#entries.set(entry.item, entry);
    entry.flow.add(entry);
  }

  #leave(entry: Entry<T>): void {
    this.#entries.delete(entry.item);
    entry.flow.delete(entry);
  }

  /**
   * Who has to go for an item: the newest of the longest flow in the lowest priority below its own; without any, the
   * newest of the longest flow in its own priority, if that is longer than the item's would become; else the item. (The
   * second is longest queue drop; Suter et al.: "Design Considerations for Supporting TCP with Per-flow Queueing",
   * INFOCOM 1998.)
   */
  #whoGives(item: T): T {
    if (this.depth === 0) return item;
    for (const priority of priorities.toReversed()) {
      const longest = this.#classes[priority].longest();
      if (priority !== item.priority) {
        if (longest) return longest.last!.item;
        continue;
      }
      const own = this.#classes[priority].sizeOf(item.flow);
      return longest && longest.size >= own + 2 ? longest.last!.item : item;
    }
    return item;
  }
}

/** A place in the line of a flow. */
interface Entry<T> {
  readonly item: T;
  readonly flow: Flow<T>;
  /** Says which of two was there before the other, by being less. */
  readonly order: number;
  ahead: Entry<T> | undefined;
  behind: Entry<T> | undefined;
}

/** What has to be known of an item that was taken. */
interface Taken<T> {
  readonly entry: Entry<T>;
  readonly ofFlow: Charge;
  readonly ofClass: Charge;
}

/** What a member was charged for one item. */
interface Charge {
  readonly stretch: Stretch;
  /** In virtual time. */
  cost: number;
  isOpen: boolean;
}

/** The time of a member from one arrival, before which nothing of it waited, to the next such: all in virtual time. */
interface Stretch {
  /** Its beginning, below which no tag of it lies. */
  begin: number;
  /** What was charged in it, and is settled. */
  settled: number;
  /** What was charged in it, and may turn out otherwise. */
  open: number;
  /** How many charges are open. */
  opens: number;
}

/** One of those that share a level: a flow of a priority, or a priority. */
abstract class Member {
  /** Who goes first of those with the same tag: the least. */
  abstract readonly tie: number;
  /** How many of its items wait. */
  abstract readonly size: number;
  /** Virtual time at which its next item starts. */
  tag = 0;
  /** The same if all that is open cost nothing: the tag will not be less. */
  leastTag = 0;
  /** Where it stands in a heap. */
  position = 0;
  readonly #weight: number;
  readonly #stretches: Stretch[] = [];
  #latest: Charge | undefined;
  #opens = 0;

  constructor(weight: number) {
    this.#weight = weight;
  }

  /** Whether an item of it was taken and is not settled. */
  get isServed(): boolean {
    return this.#opens > 0;
  }

  /** Virtual time at which its latest item started, at least. */
  get started(): number {
    return this.leastTag - (this.#latest && !this.#latest.isOpen ? this.#latest.cost : 0);
  }

  /** Begins a stretch. */
  arrive(begin: number): void {
    this.#stretches.push({ begin, settled: 0, open: 0, opens: 0 });
    this.#retag();
  }

  charge(units: number): Charge {
    const cost = units / this.#weight;
    const stretch = this.#stretches.at(-1)!;
    stretch.open += cost;
    stretch.opens++;
    this.#opens++;
    this.#latest = { stretch, cost, isOpen: true };
    this.#retag();
    return this.#latest;
  }

  settle(charge: Charge, units: number): void {
    const { stretch } = charge;
    stretch.open -= charge.cost;
    stretch.opens--;
    this.#opens--;
    charge.cost = units / this.#weight;
    charge.isOpen = false;
    stretch.settled += charge.cost;
    this.#retag();
  }

  forget(): void {
    this.#stretches.length = 0;
    this.#latest = undefined;
    this.#retag();
  }

  /**
   * Each stretch starts where the one before it ended or at its own beginning, whichever is later. One that is settled
   * is put together with the next, which changes nothing, so that there is but one more of them than of open charges.
   */
  #retag(): void {
    const stretches = this.#stretches;
    for (let at = stretches.length - 2; at >= 0; at--) {
      const { begin, settled, opens } = stretches[at]!;
      if (opens > 0) continue;
      const next = stretches[at + 1]!;
      next.begin = Math.max(begin, next.begin - settled);
      next.settled += settled;
      stretches.splice(at, 1);
    }
    this.tag = 0;
    this.leastTag = 0;
    for (const { begin, settled, open } of stretches) {
      this.tag = Math.max(this.tag, begin) + settled + open;
      this.leastTag = Math.max(this.leastTag, begin) + settled;
    }
  }
}

/** A flow, and those of its items that wait, in the order in which they came. */
class Flow<T> extends Member {
  readonly name: string;
  readonly group: Class<T>;
  first: Entry<T> | undefined;
  last: Entry<T> | undefined;
  size = 0;

  constructor(name: string, group: Class<T>) {
    super(1);
    this.name = name;
    this.group = group;
  }

  get tie(): number {
    return this.first?.order ?? 0;
  }

  /** New ones come last; one that is given back goes before those that came after it. */
  add(entry: Entry<T>): void {
    let behind: Entry<T> | undefined;
    if (this.last && this.last.order > entry.order) {
      behind = this.first;
      while (behind!.order < entry.order) behind = behind!.behind;
    }
    this.#link(behind ? behind.ahead : this.last, entry);
    this.#link(entry, behind);
    this.size++;
    this.group.size++;
  }

  delete(entry: Entry<T>): void {
    this.#link(entry.ahead, entry.behind);
    entry.ahead = entry.behind = undefined;
    this.size--;
    this.group.size--;
  }

  #link(ahead: Entry<T> | undefined, behind: Entry<T> | undefined): void {
    if (ahead) ahead.behind = behind;
    else this.first = behind;
    if (behind) behind.ahead = ahead;
    else this.last = ahead;
  }
}

/** A priority, and its flows. */
class Class<T> extends Member {
  readonly tie: number;
  readonly flows: Level<Flow<T>>;
  size = 0;
  readonly #byName = new Map<string, Flow<T>>();

  constructor(weight: number, rank: number) {
    super(weight);
    this.tie = rank;
    this.flows = new Level(({ name }) => this.#byName.delete(name));
  }

  flowOf(name: string): Flow<T> {
    const known = this.#byName.get(name);
    if (known) return known;
    const flow = new Flow<T>(name, this);
    this.#byName.set(name, flow);
    return flow;
  }

  /** How many items of a flow wait. */
  sizeOf(name: string): number {
    return this.#byName.get(name)?.size ?? 0;
  }

  /** The flow of which most items wait; of several, the one with the newest. */
  longest(): Flow<T> | undefined {
    let longest: Flow<T> | undefined;
    for (const flow of this.flows.waiting) {
      const more = flow.size - (longest?.size ?? 0);
      if (more > 0 || (more === 0 && flow.last!.order > longest!.last!.order)) longest = flow;
    }
    return longest;
  }
}

/**
 * Members that share time by their weights. A member's tag is the virtual time at which its next item starts; the one
 * with the least is next, and its tag then grows by cost ÷ weight. Virtual time is the start of the latest that was
 * taken. A member that comes when nothing of it waited begins at the virtual time at the earliest, so that nobody saves
 * up time by not asking.
 */
class Level<M extends Member> {
  #now = 0;
  /** Virtual time before which nobody begins any more, for the sake of those that were forgotten. */
  #floor = 0;
  readonly #waiting = new Heap<M>();
  /** Those with open charges. */
  readonly #served = new Set<M>();
  /** Those that have nothing here, but had more than others: forgotten when virtual time has come as far. */
  readonly #resting = new Heap<M>();
  readonly #onForgotten: (member: M) => void;

  constructor(onForgotten: (member: M) => void = () => {}) {
    this.#onForgotten = onForgotten;
  }

  /** Whose turn it is. */
  get next(): M | undefined {
    return this.#waiting.first;
  }

  /** Members with items that wait. */
  get waiting(): Iterable<M> {
    return this.#waiting;
  }

  /** To be called when the first item of a member has come. */
  arrive(member: M): void {
    member.arrive(this.#beginningOf(member));
    this.place(member);
  }

  /** To be called for the one whose turn it was, when its item is gone. */
  charge(member: M, units: number): Charge {
    this.#now = Math.max(this.#now, member.leastTag);
    const charge = member.charge(units);
    this.place(member);
    return charge;
  }

  settle(member: M, charge: Charge, units: number): void {
    member.settle(charge, units);
    this.place(member);
  }

  /** Puts a member where it belongs, after anything about it has changed. */
  place(member: M): void {
    const waits = member.size > 0;
    if (member.isServed) this.#served.add(member);
    else this.#served.delete(member);
    // It stands in one heap at a time.
    if (waits || member.isServed) this.#resting.delete(member);
    if (waits) this.#waiting.put(member);
    else this.#waiting.delete(member);
    if (!waits && !member.isServed) this.#resting.put(member);
    this.#forgetSome();
  }

  /**
   * Where a member begins that comes now: at the virtual time. Costs that turned out higher than expected have moved
   * that on; or else a member that had everything for itself would owe it to those that come later. And since costs may
   * turn out lower, it is no later than the tags of the others that wait may become; or else whoever comes would get
   * behind them for what they were charged too much. (Virtual time is taken from the items in service in MinSFQ(D) too;
   * Jin, Chase, Kaur: "Interposed Proportional Sharing for a Storage Service Utility", SIGMETRICS 2004.)
   */
  #beginningOf(member: M): number {
    const first = this.#waiting.first;
    const reached = first ? [first] : [...this.#served, ...this.#resting];
    for (const { started } of reached) this.#now = Math.max(this.#now, started);
    let begin = this.#now;
    if (first) {
      begin = Math.min(begin, first.tag);
      for (const other of this.#served) {
        if (other !== member && other.size > 0) begin = Math.min(begin, other.leastTag);
      }
    }
    return Math.max(begin, this.#floor);
  }

  #forgetSome(): void {
    const resting = this.#resting;
    if (this.#waiting.size === 0 && this.#served.size === 0) {
      // The end of a busy period: nothing in it counts any more.
      this.#now = 0;
      this.#floor = 0;
      while (resting.first) this.#forget(resting.first);
    }
    // So many have come and gone that it is the turn of those that wait, before any others that come.
    if (resting.size > this.#waiting.size + remembered) this.#floor = Math.max(this.#floor, resting.first!.tag);
    const passed = Math.max(this.#now, this.#floor);
    while (resting.first && resting.first.tag <= passed) this.#forget(resting.first);
  }

  #forget(member: M): void {
    this.#resting.delete(member);
    member.forget();
    this.#onForgotten(member);
  }
}

/** A binary heap, the least tag first, which members can be moved in and taken out of. */
class Heap<M extends Member> {
  readonly #members: M[] = [];

  get size(): number {
    return this.#members.length;
  }

  get first(): M | undefined {
    return this.#members[0];
  }

  [Symbol.iterator](): Iterator<M> {
    return this.#members.values();
  }

  /** Adds a member, or moves it to where its tag has it now. */
  put(member: M): void {
    if (!this.#has(member)) this.#set(this.size, member);
    this.#sift(member);
  }

  delete(member: M): void {
    if (!this.#has(member)) return;
    const last = this.#members.pop()!;
    if (last === member) return;
    this.#set(member.position, last);
    this.#sift(last);
  }

  #has(member: M): boolean {
    return this.#members[member.position] === member;
  }

  #sift(member: M): void {
    for (let above = this.#above(member); above && isBefore(member, above); above = this.#above(member)) {
      this.#swap(member, above);
    }
    for (let below = this.#below(member); below && isBefore(below, member); below = this.#below(member)) {
      this.#swap(member, below);
    }
  }

  #above({ position }: M): M | undefined {
    return position === 0 ? undefined : this.#members[(position - 1) >> 1];
  }

  /** The lesser of the two below. */
  #below({ position }: M): M | undefined {
    const left = this.#members[2 * position + 1];
    const right = this.#members[2 * position + 2];
    return left && right && isBefore(right, left) ? right : left;
  }

  #swap(one: M, other: M): void {
    const { position } = one;
    this.#set(other.position, one);
    this.#set(position, other);
  }

  #set(position: number, member: M): void {
    this.#members[position] = member;
    member.position = position;
  }
}

const isBefore = (one: Member, other: Member) => one.tag < other.tag || (one.tag === other.tag && one.tie < other.tie);
