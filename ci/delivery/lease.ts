import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

type Kubectl = (args: string[], input?: string) => Promise<string>;

interface LeaseObject {
  metadata: { annotations?: Record<string, string>; resourceVersion: string };
  spec: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number };
}

/** Seconds without a sign of life after which a deployment is taken for dead. */
const seconds = 10;

/** Annotations with what is noted of a deployment until it is known to be good or gone. */
const returnsTo = 'model-management.fineprint.ai/returns-to';
const usual = 'model-management.fineprint.ai/usual';

/** What is to be known of how it was before a deployment. */
export interface Note {
  /** The revision to which a rolling deployment goes back. */
  revision?: number | undefined;
  /** What the gateway did (see `packed` in verdict.ts). */
  usual?: string | undefined;
}

const now = () => new Date().toISOString().replace('Z', '000Z');

/**
 * That a release is being deployed, for all to see: a Lease beside it, which is renewed as long as the process lives. It also keeps
 * how it was before, for whoever goes on with a deployment that was interrupted.
 */
export class Lease implements AsyncDisposable {
  readonly #kubectl: Kubectl;
  readonly #name: string;
  readonly #me: string;
  readonly #timer: NodeJS.Timeout;
  #lost: Error | undefined;

  private constructor(kubectl: Kubectl, name: string, me: string) {
    this.#kubectl = kubectl;
    this.#name = name;
    this.#me = me;
    this.#timer = setInterval(() => void this.#renew(), (seconds * 1000) / 3);
    this.#timer.unref();
  }

  /** Takes the Lease of that name. Rejects while another process renews it; takes over from one that does not any more. */
  static async take(kubectl: Kubectl, name: string, say: (line: string) => void): Promise<Lease> {
    const me = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
    const spec = { holderIdentity: me, leaseDurationSeconds: seconds, renewTime: now() };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec };
    const read = async () => JSON.parse(await kubectl(['get', 'lease', name, '--output', 'json'])) as LeaseObject;
    const made = await kubectl(['create', '--filename', '-'], JSON.stringify(lease)).catch((error: Error) => error);
    if (made instanceof Error) {
      if (!/already exists/i.test(made.message)) throw made;
      let found = await read();
      if (found.spec.holderIdentity) {
        say(`waiting ${seconds} s to see whether ${found.spec.holderIdentity}, which deploys, is alive`);
        const { renewTime } = found.spec;
        await sleep(seconds * 1000);
        found = await read();
        if (found.spec.holderIdentity && found.spec.renewTime !== renewTime) {
          throw new Error(`lease ${name}: ${found.spec.holderIdentity} deploys: let it end, or end it and try again`);
        }
      }
      // The version makes sure that of two that wait one gets it.
      const { annotations = {}, resourceVersion } = found.metadata;
      const mine = { ...lease, metadata: { name, annotations, resourceVersion }, spec: { ...spec, renewTime: now() } };
      await kubectl(['replace', '--filename', '-'], JSON.stringify(mine)).catch((error: Error) => {
        throw new Error(`lease ${name}: another process was faster: let it end (${error.message})`);
      });
    }
    return new Lease(kubectl, name, me);
  }

  /** Throws once another process has taken the Lease, as after a long pause of this one, or this one was interrupted. */
  check(): void {
    if (this.#lost) throw this.#lost;
  }

  /** Has this process begin nothing any more: what fails now fails because its tools were interrupted as well. */
  interrupt(): void {
    this.#lost ??= new Error('interrupted');
  }

  async #patch(...changes: object[]): Promise<void> {
    const mine = { op: 'test', path: '/spec/holderIdentity', value: this.#me };
    await this.#kubectl([
      'patch',
      'lease',
      this.#name,
      '--type',
      'json',
      '--patch',
      JSON.stringify([mine, ...changes]),
    ]);
  }

  async #renew(): Promise<void> {
    const renewed = await this.#patch({ op: 'replace', path: '/spec/renewTime', value: now() }).catch((error) => error);
    if (renewed && /test operation|the server rejected|testing value/i.test(renewed.message)) {
      this.#lost = new Error(`lease ${this.#name}: another deployment has taken over: this one ends where it stands`);
    }
  }

  /** What is noted of a deployment that is not finished. */
  async noted(): Promise<Note> {
    const { metadata } = JSON.parse(
      await this.#kubectl(['get', 'lease', this.#name, '--output', 'json']),
    ) as LeaseObject;
    const { [returnsTo]: revision, [usual]: done } = metadata.annotations ?? {};
    return { revision: revision ? Number(revision) : undefined, usual: done || undefined };
  }

  /** Notes that instead of what was noted; nothing of a deployment that is finished. */
  async note(note: Note): Promise<void> {
    const value = { [returnsTo]: String(note.revision ?? ''), [usual]: note.usual ?? '' };
    await this.#patch({ op: 'add', path: '/metadata/annotations', value });
  }

  /** Gives it back, if it is still ours. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#patch({ op: 'remove', path: '/spec/holderIdentity' }).catch(() => {});
  }
}
