/** Commands as a person would give them, for the cluster and the release that were looked at. */
export class Commands {
  readonly #context: string | undefined;
  readonly namespace: string;
  release: string;

  /** Without a context the current one is meant. */
  constructor(context: string | undefined, namespace: string, release = 'model-management') {
    this.#context = context;
    this.namespace = namespace;
    this.release = release;
  }

  /** kubectl in the release's namespace. */
  kubectl(...words: string[]): string {
    return this.cluster('-n', this.namespace, ...words);
  }

  /** kubectl for what is in no namespace, or in another. */
  cluster(...words: string[]): string {
    return ['kubectl', ...(this.#context === undefined ? [] : ['--context', quote(this.#context)]), ...words].join(' ');
  }

  /** helm in the release's namespace. */
  helm(...words: string[]): string {
    const context = this.#context === undefined ? [] : ['--kube-context', quote(this.#context)];
    return ['helm', ...context, '-n', this.namespace, ...words].join(' ');
  }

  /** The installation of somebody else's chart, in a namespace of its own unless that is `kube-system`. */
  install(name: string, chart: string, repository: string, namespace: string, ...more: string[]): string {
    const context = this.#context === undefined ? [] : ['--kube-context', quote(this.#context)];
    const own = namespace === 'kube-system' ? [] : ['--create-namespace'];
    return ['helm', ...context, 'install', name, chart, '--repo', repository, '-n', namespace, ...own, ...more].join(
      ' ',
    );
  }

  /** The upgrade that sets values, and leaves all others as they are. A value is `[path, value]`. */
  set(...values: [path: readonly string[], value: string | number | boolean][]): string {
    const sets = values.map(([path, value]) => `--set ${quote(`${path.map(escapeKey).join('.')}=${value}`)}`);
    return this.helm('upgrade', this.release, './charts', '--reuse-values', ...sets);
  }

  /** The same for a value that is a list. */
  setJson(path: readonly string[], value: readonly unknown[]): string {
    const json = quote(`${path.map(escapeKey).join('.')}=${JSON.stringify(value)}`);
    return this.helm('upgrade', this.release, './charts', '--reuse-values', `--set-json ${json}`);
  }
}

/** Helm takes a dot for the end of a key, and the keys of models have dots in them. */
const escapeKey = (key: string) => key.replaceAll('.', '\\.');

/** A word as a shell takes it. */
const quote = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
