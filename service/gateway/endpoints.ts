import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiServer, asAccount, connectTo, ownApiServer } from '../shared/api-server.ts';
import { type Backoff, waitMs } from '../shared/backoff.ts';
import type { Logger } from '../shared/logging.ts';
import type { Client } from '../shared/undici.ts';

/** What the Services of all servers and gateways are labelled with, whatever their release; their EndpointSlices inherit it. */
const labelSelector = 'app.kubernetes.io/part-of=model-management,app.kubernetes.io/component in (server,gateway)';

/** The port of a Service at which its pods take requests. */
const portName = 'http';

/** How long the API server may take to begin an answer, or to go on with a list, in ms. */
const patienceMs = 10_000;

export interface Timing {
  /** How long the API server keeps a watch open. */
  watchSeconds: number;
  /** After how long without a byte a watch is given up. It brings a bookmark a minute if nothing else. */
  silenceMs: number;
  /** How soon one try follows another that came to nothing. */
  retry: Backoff;
}

const usual: Timing = { watchSeconds: 290, silenceMs: 90_000, retry: { firstMs: 500, longestMs: 30_000 } };

export interface EndpointWatchOptions {
  namespace: string;
  /** Names of the Services to tell of. */
  services(): ReadonlySet<string>;
  /** Told of all of them once at first, and then of each whose replicas are others than before. */
  onChange(service: string, urls: string[]): void;
  log: Logger;
  /** The one of the cluster that this process runs in if left out. */
  api?: ApiServer;
  timing?: Partial<Timing>;
}

/** What is read of an EndpointSlice. */
interface EndpointSlice {
  metadata: { name: string; resourceVersion: string; labels?: Record<string, string> };
  addressType: string;
  endpoints?: Endpoint[] | null;
  ports?: { name?: string; port?: number }[] | null;
}

interface Endpoint {
  addresses: string[];
  conditions?: { ready?: boolean; terminating?: boolean };
  targetRef?: { name?: string };
}

interface List {
  metadata: { resourceVersion: string };
  items: EndpointSlice[] | null;
}

type WatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: EndpointSlice }
  | { type: 'ERROR'; object: { code: number; message: string } };

/** A pod behind a Service. */
export interface KnownPod {
  /** Its name, or where that is not told its address. */
  name: string;
  /** Its address, as a URL has it, and where it takes requests there. */
  host: string;
  url: string;
  isReady: boolean;
  isTerminating: boolean;
}

/** The pods that one slice names. */
interface Known {
  service: string;
  addressType: string;
  pods: KnownPod[];
}

/** The version to watch from is not kept any more, as happens when a watch was away for long. */
class Gone extends Error {}

/**
 * Knows the pods behind the Services of a namespace, from their EndpointSlices. What is known stays while the API server is
 * away.
 *
 * Made on undici, since all it takes is one GET: the informers of @kubernetes/client-node (30 MB installed) are known to
 * stop hearing without a word (its issues 596, 958, 1933), which here is what the tests are about.
 */
export class EndpointWatch {
  /** Whether it has heard of the replicas at all. */
  known = false;
  readonly #options: EndpointWatchOptions;
  readonly #api: ApiServer;
  readonly #timing: Timing;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #slices = new Map<string, Known>();
  /** What was told last, by service. */
  readonly #told = new Map<string, string>();
  /** Tries in a row that brought nothing, and when the last one began. */
  #tries = 0;
  #began = 0;
  #state: 'starting' | 'watching' | 'away' = 'starting';

  /** Throws where there is no API server to ask. */
  constructor(options: EndpointWatchOptions) {
    this.#options = options;
    this.#api = options.api ?? ownApiServer();
    this.#timing = { ...usual, ...options.timing };
    this.#log = options.log;
    void this.#run();
  }

  /** The replicas of any Service of the servers, in a stable order. */
  urlsOf(service: string): string[] {
    const urls = this.#podsOf(service, ({ isReady, isTerminating }) => isReady && !isTerminating).map(({ url }) => url);
    return [...new Set(urls)].sort();
  }

  /** Every pod of a Service that has an address, ready or not, in the order of their names. */
  podsOf(service: string): KnownPod[] {
    const byName = new Map(this.#podsOf(service, () => true).map((pod) => [pod.name, pod]));
    return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #podsOf(service: string, isMeant: (pod: KnownPod) => boolean): KnownPod[] {
    const slices = [...this.#slices.values()].filter((slice) => slice.service === service && slice.pods.some(isMeant));
    // Where a Service has both families, each pod is in slices of both.
    const addressType = slices.some((slice) => slice.addressType === 'IPv4') ? 'IPv4' : 'IPv6';
    return slices.filter((slice) => slice.addressType === addressType).flatMap(({ pods }) => pods.filter(isMeant));
  }

  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        if (!signal.aborted && !(error instanceof Gone)) this.#isAway(error as Error);
      }
      await this.#pause();
    }
  }

  /** Lists, then watches until that fails. */
  async #follow(): Promise<never> {
    this.#begin();
    await using client = connectTo(this.#api, patienceMs);
    let version = await this.#list(client);
    for (;;) {
      this.#begin();
      version = await this.#watch(client, version);
      await this.#pause();
    }
  }

  /** Takes what is there for all that there is, and gives back its version. */
  async #list(client: Client): Promise<string> {
    const body = await this.#get(client, {});
    const { metadata, items } = (await body.json()) as List;
    const before = this.#slices;
    this.#slices = new Map();
    for (const slice of items ?? []) this.#keep(slice);
    const services = [...before.values(), ...this.#slices.values()].map(({ service }) => service);
    const first = !this.known;
    this.known = true;
    for (const service of new Set(first ? this.#options.services() : services)) this.#tell(service);
    return metadata.resourceVersion;
  }

  /**
   * Follows what changes from a version on until the watch ends, and gives back the version to go on from. A connection
   * that breaks or falls silent is no reason to begin anew: the next one tells what this one missed.
   */
  async #watch(client: Client, from: string): Promise<string> {
    const { watchSeconds, silenceMs } = this.#timing;
    const query = { watch: '1', allowWatchBookmarks: 'true', timeoutSeconds: String(watchSeconds) };
    const body = await this.#get(client, { ...query, resourceVersion: from }, silenceMs);
    this.#isWatching();
    let version = from;
    for await (const line of linesOf(body.setEncoding('utf8'))) {
      version = this.#take(JSON.parse(line));
      this.#tries = 0;
    }
    this.#stop.signal.throwIfAborted();
    return version;
  }

  #take(event: WatchEvent): string {
    if (event.type === 'ERROR') {
      const { code, message } = event.object;
      throw code === 410 ? new Gone(message) : new Error(`${code}: ${message}`);
    }
    const { metadata } = event.object;
    if (event.type === 'BOOKMARK') return metadata.resourceVersion;
    const before = this.#slices.get(metadata.name);
    this.#slices.delete(metadata.name);
    if (event.type !== 'DELETED') this.#keep(event.object);
    for (const slice of [before, this.#slices.get(metadata.name)]) if (slice) this.#tell(slice.service);
    return metadata.resourceVersion;
  }

  #keep(slice: EndpointSlice): void {
    const known = podsIn(slice);
    if (known) this.#slices.set(slice.metadata.name, known);
  }

  #tell(service: string): void {
    if (!this.#options.services().has(service)) return;
    const urls = this.urlsOf(service);
    const text = urls.join();
    if (this.#told.get(service) === text) return;
    this.#told.set(service, text);
    this.#options.onChange(service, urls);
  }

  async #get(client: Client, query: Record<string, string>, bodyTimeout = patienceMs) {
    const { statusCode, body } = await client.request({
      method: 'GET',
      path: `/apis/discovery.k8s.io/v1/namespaces/${this.#options.namespace}/endpointslices`,
      query: { labelSelector, ...query },
      headers: await asAccount(this.#api),
      signal: this.#stop.signal,
      bodyTimeout,
    });
    if (statusCode === 200) return body;
    const message = `${statusCode}: ${(await body.text()).slice(0, 500)}`;
    throw statusCode === 410 ? new Gone(message) : new Error(message);
  }

  #begin(): void {
    this.#began = performance.now();
    this.#tries++;
  }

  /** Waits until it is time for another try: at once, unless the last ones came to nothing. */
  async #pause(): Promise<void> {
    const { signal } = this.#stop;
    const ms = waitMs(this.#timing.retry, this.#tries - 1) - (performance.now() - this.#began);
    if (ms > 0) await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
  }

  #isWatching(): void {
    if (this.#state === 'watching') return;
    this.#state = 'watching';
    this.#log.info({ namespace: this.#options.namespace, slices: this.#slices.size }, 'watching the EndpointSlices');
  }

  #isAway(error: Error): void {
    const problem = error.message || (error as NodeJS.ErrnoException).code || error.name;
    this.#log[this.#state === 'away' ? 'debug' : 'warn'](
      { namespace: this.#options.namespace, problem },
      'the EndpointSlices cannot be watched, the replicas known stay: see that the API server answers and that this ' +
        "pod's service account may list and watch endpointslices",
    );
    this.#state = 'away';
  }
}

/** The whole lines of a text that comes in pieces, until it ends or breaks off. */
async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const piece of pieces) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
  } catch {
    // What comes of it is the same.
  }
}

/** The pods of a slice; undefined when it belongs to no Service or has not the port. */
function podsIn({ metadata, addressType, endpoints, ports }: EndpointSlice): Known | undefined {
  const service = metadata.labels?.['kubernetes.io/service-name'];
  const port = ports?.find(({ name }) => name === portName)?.port;
  if (!service || !port) return undefined;
  const pods = (endpoints ?? []).map(({ addresses: [address], conditions, targetRef }): KnownPod => {
    const host = address!.includes(':') ? `[${address}]` : address!;
    return {
      name: targetRef?.name ?? host,
      host,
      url: `http://${host}:${port}`,
      // Whoever says nothing of being ready is, as the API defines it.
      isReady: conditions?.ready !== false,
      isTerminating: conditions?.terminating === true,
    };
  });
  return { service, addressType, pods };
}
