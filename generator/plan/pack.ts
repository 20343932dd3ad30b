import loadHighs from 'highs';
import { fitsInto, kinds, type Resources, shareOf } from './capacity.ts';

/** Pods of one kind that nodes are wanted for. */
export interface Item {
  name: string;
  /** What one of them asks for. */
  need: Resources;
  /** Type of its GPUs; none for pods that go to nodes without any. */
  gpuType?: string;
  count: number;
  /** How many of them may be on one node; as many as fit unless said. */
  together?: number;
}

/** A type of node that can be had, as often as it takes. */
export interface Offer {
  type: string;
  usdPerHour: number;
  /** What it has for these pods. */
  room: Resources;
  gpuType?: string;
}

export interface PackedNode {
  offer: Offer;
  /** Names of the items whose pods are on it, one for each pod. */
  pods: string[];
}

export interface Packing {
  nodes: PackedNode[];
  usdPerHour: number;
  /** What no packing can cost less than, in US dollars an hour. */
  lowerBound: number;
}

/** Pods of the same need, whatever they are called: to the search they are one. */
interface Shape {
  need: Resources;
  demand: number;
  /** How many of them may be on one node. */
  together: number;
  /** Names of the pods. */
  names: string[];
}

/** Pods of each shape that are together on one node. */
interface Pattern {
  offer: Offer;
  counts: number[];
}

/**
 * The cheapest nodes that hold all pods, as near as the search comes, with a bound that tells how near that is.
 *
 * This is cutting stock with several resources and several lengths of stock. Nodes with GPUs are for pods that ask for GPUs of their
 * type (they are tainted), so each type is a problem of its own. Few pods: all ways to fill a node, and the best mix of them is
 * exact. Many: a linear program over the ways found so far, whose prices for the shapes tell which further way would pay
 * (column generation, Gilmore and Gomory 1961), until none does; that optimum bounds every packing from below, and rounding it makes one.
 *
 * Throws where a pod fits no node.
 */
export async function pack(items: Item[], offers: Offer[]): Promise<Packing> {
  const wanted = items.filter(({ count }) => count > 0);
  const types = [...new Set(wanted.map(({ gpuType }) => gpuType))];
  const packings: Packing[] = [];
  for (const type of types) {
    const ofType = wanted.filter(({ gpuType }) => gpuType === type);
    const fitting = offers.filter(({ gpuType }) => gpuType === type);
    for (const item of ofType) refuseHomeless(item, fitting);
    packings.push(await packOneKind(shapesOf(ofType), undominated(fitting)));
  }
  return {
    nodes: packings.flatMap(({ nodes }) => nodes),
    usdPerHour: sum(packings, ({ usdPerHour }) => usdPerHour),
    lowerBound: sum(packings, ({ lowerBound }) => lowerBound),
  };
}

const sum = <T>(list: readonly T[], of: (item: T) => number) => list.reduce((total, item) => total + of(item), 0);

function refuseHomeless({ name, need, gpuType }: Item, offers: Offer[]): void {
  if (offers.some(({ room }) => fitsInto(need, room))) return;
  const wants = `${need.cpu / 1000} cores, ${need.memory} MiB${gpuType ? `, ${need.gpus} × ${gpuType}` : ''}`;
  const largest = offers.toSorted((a, b) => shareOf(need, a.room) - shareOf(need, b.room))[0];
  throw new Error(
    largest
      ? `${name}: a pod asks for ${wants}, and the nearest node, ${largest.type}, has ${largest.room.cpu / 1000} cores and ` +
          `${largest.room.memory} MiB for pods: lower what it asks for, or add a larger node to the prices`
      : `${name}: a pod asks for ${wants}, and the prices have no node with such GPUs: add one, or take another gpu.type`,
  );
}

function shapesOf(items: Item[]): Shape[] {
  // Those of which a node holds so many are no others'.
  const key = ({ name, need, together }: Item) =>
    `${kinds.map((kind) => need[kind]).join(' ')}${together === undefined ? '' : ` ${name}`}`;
  return [...Map.groupBy(items, key).values()].map((same) => ({
    need: same[0]!.need,
    together: same[0]!.together ?? Number.POSITIVE_INFINITY,
    demand: sum(same, ({ count }) => count),
    names: same.flatMap(({ name, count }) => Array<string>(count).fill(name)),
  }));
}

/** Without offers that another one beats: no dearer, and no less of anything. */
function undominated(offers: Offer[]): Offer[] {
  return offers.filter(
    (offer, index) =>
      !offers.some(
        (other, place) =>
          other !== offer &&
          other.usdPerHour <= offer.usdPerHour &&
          fitsInto(offer.room, other.room) &&
          (other.usdPerHour < offer.usdPerHour || !fitsInto(other.room, offer.room) || place < index),
      ),
  );
}

async function packOneKind(shapes: Shape[], offers: Offer[]): Promise<Packing> {
  // The largest first: the search decides on them while there is most to gain.
  const room = offers[0]!.room;
  const sorted = shapes.toSorted((a, b) => shareOf(b.need, room) - shareOf(a.need, room));
  const exact = cheapestExactly(sorted, offers);
  if (exact) return packingOf(place(sorted, offers, exact), costOf(exact));
  const { patterns, taken, bound } = await payingPatterns(sorted, offers);
  let best: Packing | undefined;
  // What the fractional optimum takes most of is a good beginning; where that ends badly, the next one.
  for (const first of mostTaken(taken).slice(0, beginnings)) {
    const packing = packingOf(place(sorted, offers, await dive(sorted, offers, patterns, taken, first)), bound);
    if (!best || packing.usdPerHour < best.usdPerHour) best = packing;
    if (best.usdPerHour <= bound * nearEnough) break;
  }
  return best!;
}

/** So many beginnings are tried, until a packing costs no more than this times its bound. */
const beginnings = 4;
const nearEnough = 1.01;

/** Numbers of the patterns that a mix has, most of it first. */
const mostTaken = (taken: number[]) =>
  [...taken.keys()].filter((at) => taken[at]! > 1e-6).sort((a, b) => taken[b]! - taken[a]!);

/**
 * A packing from a fractional one: takes what that takes whole, and of one pattern one more; then what is best for the rest, until
 * that is few enough pods to be packed exactly.
 */
async function dive(
  shapes: Shape[],
  offers: Offer[],
  patterns: Pattern[],
  mix: number[],
  first: number,
): Promise<Pattern[]> {
  const chosen: Pattern[] = [];
  const rest = shapes.map((shape) => ({ ...shape }));
  let taken = mix;
  let more: number | undefined = first;
  for (;;) {
    for (const [at, pattern] of patterns.entries()) {
      const times = Math.floor(taken[at]! + 1e-6) + (at === more ? 1 : 0);
      for (let time = 0; time < times; time++) chosen.push(pattern);
      for (const [index, shape] of rest.entries()) {
        shape.demand = Math.max(0, shape.demand - times * pattern.counts[index]!);
      }
    }
    const exact = cheapestExactly(rest, offers);
    if (exact) return [...chosen, ...exact];
    ({ taken } = await relaxed(rest, patterns));
    more = taken.some((times) => times >= 1) ? undefined : mostTaken(taken)[0];
  }
}

const costOf = (patterns: Pattern[]) => sum(patterns, ({ offer }) => offer.usdPerHour);

function packingOf(nodes: PackedNode[], lowerBound: number): Packing {
  return { nodes, usdPerHour: sum(nodes, ({ offer }) => offer.usdPerHour), lowerBound };
}

/** So many steps are looked through one by one: a few hundredths of a second. */
const mostSteps = 3_000_000;

/**
 * The cheapest patterns for a few pods, by dynamic programming over what is still to be placed: the largest pods left are on some
 * node, and each way to fill that leaves less. Undefined where that would take too many steps.
 */
function cheapestExactly(shapes: Shape[], offers: Offer[]): Pattern[] | undefined {
  const radix = [1];
  for (const { demand } of shapes) radix.push(radix.at(-1)! * (demand + 1));
  const states = radix.pop()!;
  if (states > mostSteps / 10) return undefined;
  const patterns = allPatterns(shapes, offers, Math.floor(mostSteps / states));
  if (!patterns) return undefined;
  // Flat, for this is where the time goes: pods of each shape in each pattern, and what each pattern costs.
  const width = shapes.length;
  const counts = Int32Array.from(patterns.flatMap((pattern) => pattern.counts));
  const prices = Float64Array.from(patterns, ({ offer }) => offer.usdPerHour);
  const cost = new Float64Array(states).fill(Number.POSITIVE_INFINITY);
  const choice = new Int32Array(states);
  const before = new Int32Array(states);
  cost[0] = 0;
  const state = new Int32Array(width);
  for (let at = 1; at < states; at++) {
    for (let digit = 0; ++state[digit]! > shapes[digit]!.demand; digit++) state[digit] = 0;
    let largest = 0;
    while (state[largest] === 0) largest++;
    for (let index = 0; index < prices.length; index++) {
      const row = index * width;
      if (counts[row + largest] === 0) continue;
      let next = at;
      for (let digit = largest; digit < width; digit++) {
        next -= Math.min(state[digit]!, counts[row + digit]!) * radix[digit]!;
      }
      const total = cost[next]! + prices[index]!;
      if (total < cost[at]! - 1e-9) {
        cost[at] = total;
        choice[at] = index;
        before[at] = next;
      }
    }
  }
  const chosen: Pattern[] = [];
  for (let at = states - 1; at > 0; at = before[at]!) chosen.push(patterns[choice[at]!]!);
  return chosen;
}

/** The most pods of a shape that a node may have more, of which so much is left. */
const mostOf = ({ need, demand, together }: Shape, left: Resources) =>
  Math.min(
    demand,
    together,
    ...kinds.map((kind) => (need[kind] === 0 ? Number.POSITIVE_INFINITY : Math.floor(left[kind] / need[kind] + 1e-9))),
  );

const without = (left: Resources, need: Resources, count: number): Resources => ({
  cpu: left.cpu - count * need.cpu,
  memory: left.memory - count * need.memory,
  gpus: left.gpus - count * need.gpus,
  pods: left.pods - count * need.pods,
});

/** Every way to fill a node so that no further pod fits, up to the pods there are; undefined where there are more than so many. */
function allPatterns(shapes: Shape[], offers: Offer[], mostPatterns: number): Pattern[] | undefined {
  const patterns: Pattern[] = [];
  for (const offer of offers) {
    const counts = shapes.map(() => 0);
    const fill = (index: number, left: Resources): boolean => {
      const shape = shapes[index];
      if (!shape) {
        const full = shapes.every(
          ({ need, demand, together }, at) => counts[at]! >= Math.min(demand, together) || !fitsInto(need, left),
        );
        if (full && counts.some((count) => count > 0)) patterns.push({ offer, counts: [...counts] });
        return patterns.length <= mostPatterns;
      }
      const most = mostOf(shape, left);
      // What is left after the last shape would hold more of it: only the most can be full.
      for (let count = most; count >= (index === shapes.length - 1 ? most : 0); count--) {
        counts[index] = count;
        if (!fill(index + 1, without(left, shape.need, count))) return false;
      }
      counts[index] = 0;
      return true;
    };
    if (!fill(0, offer.room)) return undefined;
  }
  return patterns;
}

/** Patterns for the best fractional mix, how often that takes each, and what no packing costs less than. */
async function payingPatterns(
  shapes: Shape[],
  offers: Offer[],
): Promise<{ patterns: Pattern[]; taken: number[]; bound: number }> {
  const patterns: Pattern[] = [];
  for (const offer of offers) {
    for (const [index, shape] of shapes.entries()) {
      const count = mostOf(shape, offer.room);
      if (count > 0) patterns.push({ offer, counts: shapes.map((_, at) => (at === index ? count : 0)) });
    }
  }
  let bound = 0;
  let taken: number[] = [];
  for (let round = 0; round < 200; round++) {
    const { duals, cost, ...mix } = await relaxed(shapes, patterns);
    taken = mix.taken;
    const found: Pattern[] = [];
    let excess = 1;
    for (const offer of offers) {
      const { counts, atMost } = worthiest(shapes, duals, offer.room);
      excess = Math.max(excess, atMost / offer.usdPerHour);
      const worth = counts.reduce((total, count, at) => total + count * duals[at]!, 0);
      if (worth > offer.usdPerHour * (1 + 1e-7)) found.push({ offer, counts });
    }
    // Duals scaled down until no pattern is worth more than it costs are feasible, and what they add up to is a bound (Farley 1990).
    bound = Math.max(bound, cost / excess);
    if (found.length === 0) break;
    patterns.push(...found);
  }
  return { patterns, taken, bound };
}

/**
 * The pods that are worth most together on one node, by a price for each shape, and what no choice is worth more than. Exact
 * as long as the search ends within its steps.
 */
function worthiest(shapes: Shape[], worth: number[], room: Resources): { counts: number[]; atMost: number } {
  const order = shapes.map((_, index) => index).filter((index) => worth[index]! > 1e-12);
  const density = (index: number) => worth[index]! / shareOf(shapes[index]!.need, room);
  order.sort((a, b) => density(b) - density(a));
  const counts = shapes.map(() => 0);
  let best = { value: 0, counts: [...counts] };
  let steps = 20_000;
  // The least of what each single resource would allow.
  const limit = (from: number, left: Resources) =>
    Math.min(
      ...kinds.map((kind) => {
        let rate = 0;
        for (let at = from; at < order.length; at++) {
          const index = order[at]!;
          const need = shapes[index]!.need[kind];
          if (need === 0) return Number.POSITIVE_INFINITY;
          rate = Math.max(rate, worth[index]! / need);
        }
        return rate * left[kind];
      }),
    );
  const search = (at: number, left: Resources, value: number): void => {
    if (value > best.value + 1e-12) best = { value, counts: [...counts] };
    const index = order[at];
    if (index === undefined || steps-- <= 0 || value + limit(at, left) <= best.value + 1e-12) return;
    const { need } = shapes[index]!;
    for (let count = mostOf(shapes[index]!, left); count >= 0; count--) {
      counts[index] = count;
      search(at + 1, without(left, need, count), value + count * worth[index]!);
    }
    counts[index] = 0;
  };
  search(0, room, 0);
  return { counts: best.counts, atMost: steps > 0 ? best.value : limit(0, room) };
}

/** A covering program in the LP format of CPLEX: the cheapest patterns that hold every shape as often as it is wanted. */
function program(shapes: Shape[], patterns: Pattern[]): string {
  const terms = (of: (pattern: Pattern) => number) =>
    patterns.flatMap((pattern, at) => (of(pattern) === 0 ? [] : [`${of(pattern)} p${at}`])).join('\n + ');
  const rows = shapes.map(({ demand }, at) => ` s${at}: ${terms(({ counts }) => counts[at]!)} >= ${demand}`);
  return `Minimize\n cost: ${terms(({ offer }) => offer.usdPerHour)}\nSubject To\n${rows.join('\n')}\nEnd\n`;
}

// The types are those of the CommonJS module, whose default is a property; Node loads the other one.
const load = loadHighs as unknown as typeof loadHighs.default;
let solver: ReturnType<typeof load> | undefined;

/** The fractional optimum over some patterns: its cost, how often it takes each, and what each shape is worth in it. */
async function relaxed(
  shapes: Shape[],
  patterns: Pattern[],
): Promise<{ cost: number; taken: number[]; duals: number[] }> {
  solver ??= load();
  const { Status, ObjectiveValue, Columns, Rows } = (await solver).solve(program(shapes, patterns), {
    output_flag: false,
  });
  if (Status !== 'Optimal') throw new Error(`packing: the linear program ended as '${Status}', which cannot be`);
  const duals = shapes.map(() => 0);
  for (const row of Rows) if ('Dual' in row) duals[Number(row.Name.slice(1))] = Math.max(0, row.Dual);
  const taken = patterns.map((_, at) => {
    const column = Columns[`p${at}`];
    return column && 'Primal' in column ? column.Primal : 0;
  });
  return { cost: ObjectiveValue, taken, duals };
}

/** Puts the pods by name into the patterns, as long as there are any; a node that stays emptier is exchanged for a cheaper one. */
function place(shapes: Shape[], offers: Offer[], patterns: Pattern[]): PackedNode[] {
  const left = shapes.map(({ names }) => [...names]);
  const nodes = patterns.flatMap((pattern): PackedNode[] => {
    const taken = pattern.counts.map((count, at) => left[at]!.splice(0, count));
    const need = taken.reduce((total, { length }, at) => without(total, shapes[at]!.need, -length), nothing);
    const fitting = offers.filter(({ room }) => fitsInto(need, room));
    const offer = fitting.reduce((least, one) => (one.usdPerHour < least.usdPerHour ? one : least), pattern.offer);
    const pods = taken.flat();
    return pods.length > 0 ? [{ offer, pods }] : [];
  });
  if (left.some((names) => names.length > 0)) throw new Error('packing: pods are left over, which cannot be');
  return nodes;
}

const nothing: Resources = { cpu: 0, memory: 0, gpus: 0, pods: 0 };
