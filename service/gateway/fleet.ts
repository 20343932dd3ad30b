import type { GatewayConfig } from '../../schema/config.ts';
import type { Logger } from '../shared/logging.ts';
import { EndpointWatch, type KnownPod } from './endpoints.ts';
import type { ServerState } from './metrics.ts';
import { Prober } from './prober.ts';
import { ReplicaSet } from './replicas.ts';
import { scheduledPods } from './schedule.ts';

/** Room of a whole Service, of which nothing is known but that it is there. */
const slotsOfService = 1_000_000;

export interface FleetEvents {
  /** Replicas of a server have come, gone, or got room: for one model, or without it for any. */
  changed(replicas: ReplicaSet, model?: string): void;
  /** Other addresses than before are in use: these. */
  moved(urls: string[]): void;
}

/** The servers and their replicas, as the configuration or the cluster tells of them. */
export class Fleet {
  readonly #log: Logger;
  readonly #events: FleetEvents;
  readonly #prober: Prober;
  readonly #servers = new Map<string, ReplicaSet>();
  readonly #watch: EndpointWatch | undefined;
  #config: GatewayConfig;

  /** `id` tells this gateway from others. */
  constructor(config: GatewayConfig, id: string, log: Logger, events: FleetEvents) {
    this.#config = config;
    this.#prober = new Prober(id);
    this.#log = log;
    this.#events = events;
    if (config.namespace) {
      this.#watch = new EndpointWatch({
        namespace: config.namespace,
        services: () => new Set(Object.keys(this.#config.servers)),
        log,
        onChange: (server) => {
          if (!this.#servers.has(server)) return;
          this.#update(server);
          this.#events.moved(this.#urls());
        },
      });
    }
    this.configure(config);
  }

  configure(config: GatewayConfig): void {
    if (config.namespace !== this.#config.namespace) {
      this.#log.warn({ path: 'namespace' }, 'another namespace is taken at the next start, not before');
    }
    this.#config = config;
    for (const [server, replicas] of this.#servers) {
      if (Object.hasOwn(config.servers, server)) continue;
      replicas.close();
      this.#servers.delete(server);
    }
    for (const server of Object.keys(config.servers)) this.#update(server);
    this.#events.moved(this.#urls());
  }

  /** The replicas of a server of the configuration. */
  replicasOf(server: string): ReplicaSet {
    return this.#servers.get(server)!;
  }

  /** Addresses of a server at which any question about it may be asked. */
  urlsOf(server: string): string[] {
    return (
      this.#servers
        .get(server)
        ?.list()
        .map(({ url }) => url) ?? []
    );
  }

  /** The pods of a server, ready or not; undefined as long as the cluster has not told of them. */
  podsOf(server: string): KnownPod[] | undefined {
    if (this.#watch) return this.#watch.known ? this.#watch.podsOf(server) : undefined;
    return this.#servers
      .get(server)
      ?.list()
      .map(({ url, state }) => {
        const { hostname, host } = new URL(url);
        return { name: host, host: hostname, url, isReady: state !== 'gone', isTerminating: state === 'gone' };
      });
  }

  /** The pods of a Service of gateways; none outside of a cluster. */
  gatewaysOf(service: string): KnownPod[] {
    return this.#watch?.podsOf(service) ?? [];
  }

  /** Addresses of the replicas that failed and are asked no more. */
  get ejected(): string[] {
    const all = [...this.#servers.values()].flatMap((replicas) => replicas.list());
    return all.flatMap(({ url, state }) => (state === 'ejected' ? [url] : []));
  }

  /** Every address of a replica. */
  #urls(): string[] {
    return [...this.#servers.keys()].flatMap((server) => this.urlsOf(server));
  }

  states(): ServerState[] {
    const now = new Date();
    return [...this.#servers].map(([server, { known, ejected }]) => {
      const { schedule } = this.#config.servers[server]!;
      return { server, known, ejected, scheduled: schedule && scheduledPods(schedule, now) };
    });
  }

  close(): void {
    this.#watch?.close();
    for (const replicas of this.#servers.values()) replicas.close();
    void this.#prober.close();
  }

  /**
   * Until the cluster has told which replicas there are, requests go to the Service, whose choice is as good as any: a gateway
   * that starts while the API server is away still serves.
   */
  #update(server: string): void {
    const { url, replicas: listed, slots } = this.#config.servers[server]!;
    let replicas = this.#servers.get(server);
    if (!replicas) {
      replicas = new ReplicaSet(slots, {
        log: this.#log,
        isReady: (replica) => this.#prober.isReady(replica),
        reserve: (replica, model) => this.#prober.reserve(replica, model),
        onRoom: (model) => this.#events.changed(replicas!, model),
      });
      this.#servers.set(server, replicas);
    }
    const told = this.#watch?.known ? this.#watch.urlsOf(server) : undefined;
    const isService = this.#watch !== undefined && told === undefined;
    replicas.slots = isService ? slotsOfService : slots;
    replicas.update(told ?? listed ?? [url]);
    this.#events.changed(replicas);
  }
}
