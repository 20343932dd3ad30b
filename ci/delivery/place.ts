import type { Access } from '../cluster/release.ts';
import { type HelmRelease, readRelease } from '../doctor/helm-release.ts';
import type { Secret } from '../doctor/kubernetes.ts';
import { root } from '../tools/paths.ts';
import { output, run } from '../tools/run.ts';

interface Revision {
  name: string;
  revision: number;
  status: string;
}

/**
 * Of revisions, oldest first, the last that was brought to its end, which one that failed was not. A Helm that is killed at its very
 * end leaves none that is deployed: the one that it has superseded is the last then.
 */
export const lastWhole = <T extends { status: string }>(revisions: readonly T[]): T | undefined =>
  revisions.findLast(({ status }) => status === 'deployed') ??
  revisions.findLast(({ status }) => status === 'superseded');

/** kubectl and Helm where a release is. */
export class Place {
  readonly access: Access;
  readonly namespace: string;
  readonly release: string;

  constructor(access: Access, namespace: string, release: string) {
    this.access = access;
    this.namespace = namespace;
    this.release = release;
  }

  /** Arguments of kubectl that lead here. */
  get where(): string[] {
    return [...this.access.kubectl, '--namespace', this.namespace];
  }

  kubectl(args: string[], input?: string): Promise<string> {
    return run('kubectl', [...this.where, ...args], { env: this.access.env, ...(input !== undefined && { input }) });
  }

  // biome-ignore lint/suspicious/noExplicitAny: what the API gives back is as wide as Kubernetes
  async get(...args: string[]): Promise<any> {
    const text = await this.kubectl(['get', ...args, '--ignore-not-found', '--output', 'json']);
    return text === '' ? undefined : JSON.parse(text);
  }

  /** Objects of a kind that a selector selects. */
  // biome-ignore lint/suspicious/noExplicitAny: what the API gives back is as wide as Kubernetes
  async list(kind: string, selector: string): Promise<any[]> {
    return JSON.parse(await this.kubectl(['get', kind, '--selector', selector, '--output', 'json'])).items;
  }

  helm(args: string[]): Promise<string> {
    const where = [...this.access.helm, '--namespace', this.namespace];
    return run('helm', [...args, ...where], { env: this.access.env, cwd: root });
  }

  /** What would change; empty for nothing. */
  async difference(args: string[]): Promise<string> {
    const where = [...this.access.helm, '--namespace', this.namespace];
    const more = ['--allow-unreleased', '--disable-validation', '--context', '3', '--no-color'];
    const { status, stdout, stderr } = await output('helm', ['diff', 'upgrade', ...args, ...more, ...where], {
      env: this.access.env,
      cwd: root,
    });
    if (status !== 0) throw new Error(stderr.trim() || stdout.trim());
    return stdout.trim();
  }

  /** The Secrets in which Helm keeps the revisions of the release, without what is in them, oldest first. */
  async #revisions(): Promise<Revision[]> {
    const form =
      'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.version} {.metadata.labels.status}{"\\n"}{end}';
    const text = await this.kubectl(['get', 'secrets', '-l', `owner=helm,name=${this.release}`, '--output', form]);
    const rows = text.split('\n').filter(Boolean);
    return rows
      .map((row) => row.split(' '))
      .map(([name, revision, status]) => ({ name: name!, revision: Number(revision), status: status! }))
      .sort((one, other) => one.revision - other.revision);
  }

  /**
   * The release as it was last brought to its end. What a Helm that was killed has begun is forgotten: its objects are there, and
   * whoever goes on brings them to what they have to be.
   */
  async read(): Promise<{ release: HelmRelease | undefined; forgotten: number }> {
    const all = await this.#revisions();
    const pending = all.filter(({ status }) => status.startsWith('pending-'));
    for (const { name } of pending) await this.kubectl(['delete', 'secret', name]);
    const last = lastWhole(all);
    if (!last) return { release: undefined, forgotten: pending.length };
    return { release: readRelease((await this.get('secret', last.name)) as Secret), forgotten: pending.length };
  }

  /** Whether the last upgrade failed, and so may have changed a part of what it was to change. */
  async isHalfChanged(): Promise<boolean> {
    return (await this.#revisions()).at(-1)?.status === 'failed';
  }

  /** What the values of the release say that the chart's do not. */
  async values(revision: number): Promise<Record<string, unknown>> {
    return (
      JSON.parse(
        await this.helm(['get', 'values', this.release, '--revision', String(revision), '--output', 'json']),
      ) ?? {}
    );
  }
}
