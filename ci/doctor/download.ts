import type { Commands } from './commands.ts';
import type { Fix } from './finding.ts';
import { bytes, oneLine } from './words.ts';

/** What a model-downloader said last, and what there is to do about it. */
export interface Download {
  /** Its own words, without the time. */
  said: string;
  /** The key of the model that it was at, if it said. */
  model: string | undefined;
  /** Whether it has failed, rather than being on its way. */
  failed: boolean;
  fixes: Fix[];
}

interface Place {
  commands: Commands;
  server: string;
  cache: string;
  /** Bytes that the models' volume was claimed with; 0 where that is not known. */
  size: number;
}

type Cure = (place: Place, model: string, said: string) => Fix[];

const key = (model: string, ...rest: string[]) => ['models', model, ...rest];

/** The reasons that charts/files/model-downloader.sh gives, and the cure of each. */
const cures: [reason: RegExp, cure: Cure][] = [
  [
    /no space/,
    ({ commands, server, cache, size }) => {
      const wanted = bytes(Math.max(size * 2, 2 ** 30));
      const path = cache === 'shared' ? ['sharedCache', 'size'] : ['servers', server, 'cache', 'size'];
      return [
        { to: 'give it a larger volume', run: commands.set([path, wanted]) },
        ...(cache === 'shared'
          ? [{ to: 'a claim that is there has to be able to grow', run: commands.cluster('get', 'storageclasses') }]
          : []),
      ];
    },
  ],
  [
    /no such model|no name of a model/,
    ({ commands }, model) => [
      { to: 'name a model and tag that the registry has', run: commands.set([key(model, 'pull'), 'NAME:TAG']) },
    ],
  ],
  [
    /wrong digest/,
    ({ commands }, model, said) => {
      const digest = /has the manifest (sha256:[0-9a-f]{64})/.exec(said)?.[1];
      return digest
        ? [{ to: 'if you trust what is there now, take its digest', run: commands.set([key(model, 'digest'), digest]) }]
        : [];
    },
  ],
  [
    /no route/,
    ({ commands, server }) => [
      { to: 'see whether the pods may reach the registry', run: commands.kubectl('get', 'networkpolicies') },
      {
        to: 'where only a proxy leads out, name it',
        run: commands.set([['modelRegistry', 'httpsProxy'], 'http://PROXY:PORT']),
      },
      { to: 'read on', run: commands.kubectl('logs', `deployment/${server}`, '-c', 'model-downloader', '--follow') },
    ],
  ],
  [
    /speaks plain HTTP/,
    ({ commands }) => [
      {
        to: 'if that is your own registry, take it as it is',
        run: commands.set([['modelRegistry', 'insecure'], true]),
      },
    ],
  ],
  [
    /certificate is not trusted/,
    ({ commands }) => [
      {
        to: 'if that is your own registry, trust the authority that a ConfigMap has under `ca.crt`',
        run: commands.set([['modelRegistry', 'caBundle', 'existingConfigMap'], 'NAME']),
      },
    ],
  ],
  [
    /refuses access/,
    ({ commands }) => [{ to: 'pull from a mirror of yours', run: commands.set([['modelRegistry', 'host'], 'HOST']) }],
  ],
  [
    /the image has no model/,
    ({ commands, server }) => [
      {
        to: 'name an image that holds it',
        run: commands.set([['servers', server, 'cache', 'image', 'reference'], 'IMAGE:TAG']),
      },
    ],
  ],
];

/** Reads the log of a model-downloader; undefined where it says nothing. */
export function lastWords(log: string, place: Place): Download | undefined {
  const lines = log
    .split('\n')
    .map((line) => /^\S+ model-downloader: (.*)$/.exec(line)?.[1])
    .filter((line) => line !== undefined);
  const said = lines.at(-1);
  if (said === undefined) return undefined;
  // What it does about a failure comes after the failure itself.
  const reason = lines.findLast((line) => / failed: |wrong digest: |the image has no model|cannot write/.test(line));
  const done = lines.findLastIndex((line) => / is on disk| is in the image|pulled and verified/.test(line));
  const failed = reason !== undefined && lines.lastIndexOf(reason) > done;
  const words = failed ? reason : said;
  const model = /^([-a-z0-9.]+): /.exec(words)?.[1];
  const cure = failed ? cures.find(([pattern]) => pattern.test(words))?.[1] : undefined;
  return { said: oneLine(words), model, failed, fixes: cure?.(place, model ?? 'MODEL', words) ?? [] };
}
