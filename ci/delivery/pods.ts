import type { Place } from './place.ts';
import { colourLabel, type Slot, slotName } from './stand.ts';

// biome-ignore lint/suspicious/noExplicitAny: what the API gives back is as wide as Kubernetes
export type Kube = any;

/** The pods of the gateways of a release, and how they are. */
export class Pods {
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Selects the gateways of a slot, or all. */
  selector(slot?: Slot): string {
    const all = `app.kubernetes.io/instance=${this.#place.release},app.kubernetes.io/component=gateway`;
    return slot === undefined ? all : `${all},${colourLabel}=${slot}`;
  }

  /** Those of a slot that are of its newest version, as far as its Deployment has come to that. */
  async newest(slot: Slot): Promise<Kube[]> {
    const [sets, pods] = await Promise.all([
      this.#place.list('replicasets', this.selector(slot)),
      this.#place.list('pods', this.selector(slot)),
    ]);
    const revisionOf = (set: Kube) => Number(set?.metadata.annotations?.['deployment.kubernetes.io/revision'] ?? 0);
    const newest = sets.reduce((last, set) => (revisionOf(set) > revisionOf(last) ? set : last), undefined);
    const hashOf = ({ metadata }: Kube) => metadata.labels['pod-template-hash'];
    return newest ? pods.filter((pod) => hashOf(pod) === hashOf(newest)) : [];
  }

  /** Whether the gateway of a slot is there, and ready. */
  async hasReady(slot: Slot, namePrefix = ''): Promise<boolean> {
    const deployment = await this.#place.get('deployment', slotName(namePrefix, slot));
    return (deployment?.status.readyReplicas ?? 0) > 0;
  }

  /** How often containers of the pods of a slot were started anew, by pod. */
  async restarts(slot: Slot): Promise<Map<string, number>> {
    const items = await this.#place.list('pods', this.selector(slot));
    return new Map(items.map((pod: Kube) => [pod.metadata.name, restartsOf(pod)]));
  }

  /** Why those of a slot are not what they were, if they are not. */
  async illness(slot: Slot, restarts: ReadonlyMap<string, number>): Promise<string | undefined> {
    const items = await this.#place.list('pods', this.selector(slot));
    const dead = items.find((pod: Kube) => restartsOf(pod) > (restarts.get(pod.metadata.name) ?? 0));
    if (dead) return `${dead.metadata.name}: its container was started anew`;
    const isThere = items.some((pod: Kube) => statusesOf(pod).some(({ ready }) => ready));
    return isThere ? undefined : 'none of its pods is ready';
  }
}

const statusesOf = (pod: Kube): { ready: boolean; restartCount: number }[] => pod.status.containerStatuses ?? [];

const restartsOf = (pod: Kube): number => statusesOf(pod).reduce((sum, { restartCount }) => sum + restartCount, 0);

/** Whether a Deployment has no pod of another version and at least one that is ready, or is to have none. */
export function isRolledOut({ metadata, spec, status }: Kube): boolean {
  if (status.observedGeneration !== metadata.generation) return false;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  return (
    spec.replicas === 0 ||
    (updatedReplicas === replicas && availableReplicas >= Math.min(1, spec.replicas) && updatedReplicas > 0)
  );
}
