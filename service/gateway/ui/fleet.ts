import type { FleetEvent, ModelView, ServerView, Totals } from '../status/view.ts';
import {
  type Kind,
  kinds,
  ofModel,
  readyPods,
  type Trouble,
  troublesOfModel,
  troublesOfServer,
  type Verdict,
} from './judge.ts';

/** A model with what is thought of it. */
export interface Judged {
  model: ModelView;
  server: ServerView | undefined;
  verdict: Verdict;
  troubles: Trouble[];
}

/** How the fleet was when it was last heard of. */
export class Fleet {
  /** The last event without its lists; undefined before the first. */
  head: Pick<FleetEvent, 'at' | 'gateways' | 'since' | 'totals'> | undefined;
  readonly #models = new Map<string, ModelView>();
  readonly #servers = new Map<string, ServerView>();
  /** All models, those in trouble first. */
  models: Judged[] = [];
  troubles: Trouble[] = [];

  /** Takes an event; one that `isWhole` says all there is. */
  take({ models, servers, ...head }: FleetEvent, isWhole: boolean): void {
    if (isWhole) {
      this.#models.clear();
      this.#servers.clear();
    }
    for (const model of models) this.#models.set(model.key, model);
    for (const server of servers) this.#servers.set(server.name, server);
    this.head = head;
    if (isWhole || models.length > 0 || servers.length > 0) this.#judge();
  }

  find(key: string): Judged | undefined {
    return this.models.find(({ model }) => model.key === key);
  }

  get servers(): ServerView[] {
    return [...this.#servers.values()];
  }

  get totals(): Totals | undefined {
    return this.head?.totals;
  }

  /** How many models are of each kind. */
  get counts(): Record<Kind, number> {
    const counts = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
    for (const { verdict } of this.models) counts[verdict.kind]++;
    return counts;
  }

  /** Pods that are ready, and all that there are, as far as they are known. */
  get pods(): { ready: number; all: number } {
    const all = this.servers.reduce((sum, { pods = [] }) => sum + pods.length, 0);
    return { ready: this.servers.reduce((sum, server) => sum + readyPods(server).length, 0), all };
  }

  /** US dollars that the pods that there are cost in an hour; undefined where none of them says. */
  get costPerHour(): number | undefined {
    const known = this.servers.filter(({ costPerHour }) => costPerHour !== undefined);
    return known.length === 0 ? undefined : known.reduce((sum, server) => sum + (costOf(server) ?? 0), 0);
  }

  /** Servers whose cost is not known, of those that have pods. */
  get unpriced(): number {
    return this.servers.filter(({ costPerHour, pods = [] }) => costPerHour === undefined && pods.length > 0).length;
  }

  #judge(): void {
    const byServer = Map.groupBy(this.#models.values(), ({ server }) => server);
    const ofServers = new Map(
      [...byServer].map(([name, models]) => {
        const server = this.#servers.get(name);
        return [name, server ? troublesOfServer(server, models) : []];
      }),
    );
    const judged = [...this.#models.values()].map((model): Judged => {
      const server = this.#servers.get(model.server);
      const troubles = [...ofServers.get(model.server)!, ...troublesOfModel(model)];
      return { model, server, troubles, verdict: ofModel(model, server, troubles) };
    });
    const rank = ({ verdict }: Judged) => kinds.indexOf(verdict.kind);
    this.models = judged.toSorted((a, b) => rank(a) - rank(b) || (a.model.key < b.model.key ? -1 : 1));
    // One of a server's pods is one trouble, however many models it has.
    const troubles = new Set(this.models.flatMap((each) => each.troubles));
    this.troubles = [...troubles].toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  }
}

/** US dollars that the pods of a server cost in an hour. */
export const costOf = ({ costPerHour, pods = [] }: ServerView): number | undefined =>
  costPerHour === undefined ? undefined : costPerHour * pods.length;
