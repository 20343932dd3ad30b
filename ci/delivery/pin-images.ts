// npm run pin-images -- [--env NAME] [FILE]
//
// Asks the registries for the digests of the images that an environment names by a tag (production unless told otherwise), with what
// FILE says over it, and writes them into FILE: values to be given to Helm after those of the environment. Without FILE it is
// environments/NAME/images.yaml. What is pinned already is asked for again: a tag may have moved, or another be meant.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Document, parse, parseDocument, type Scalar } from 'yaml';
import { mergeValues } from '../../generator/environment.ts';
import { root } from '../tools/paths.ts';
import { digestOf } from './image-digest.ts';

const usage = 'usage: npm run pin-images -- [--env NAME] [FILE]';

type Tree = Record<string, unknown>;

/** An image in values: where its digest stands, and what it is called. */
export interface Named {
  /** Keys that lead to it. */
  path: string[];
  repository: string;
  tag: string;
  /** Where it is one text: an image volume's `repository:tag@digest`. */
  whole: boolean;
}

/** The images of values. `appVersion` is the tag of those that have none of their own. */
export function imagesOf(values: Tree, appVersion: string, at: string[] = []): Named[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const here = [...at, key];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    const { repository, tag, digest, reference } = value as Tree;
    if (typeof repository === 'string' && typeof tag === 'string' && typeof digest === 'string') {
      return [{ path: here, repository, tag: tag || appVersion, whole: false }];
    }
    const [, name, named] = /^([^@]+):([^:@/]+)(?:@sha256:[0-9a-f]{64})?$/.exec(String(reference ?? '')) ?? [];
    if (name && named) return [{ path: [...here, 'reference'], repository: name, tag: named, whole: true }];
    return imagesOf(value as Tree, appVersion, here);
  });
}

/** The same, with each server's own image as all that it says together with the defaults. */
function allImages(values: Tree, appVersion: string): Named[] {
  const { serverDefaults, servers, ...rest } = values as { serverDefaults: Tree; servers: Record<string, Tree> } & Tree;
  const ofDefaults = imagesOf({ serverDefaults }, appVersion);
  const own = Object.entries(servers).flatMap(([name, server]) => {
    const merged = imagesOf({ servers: { [name]: mergeValues(serverDefaults, server) as Tree } }, appVersion);
    const known = ofDefaults.map(({ repository, tag }) => `${repository}:${tag}`);
    return merged.filter(({ repository, tag }) => !known.includes(`${repository}:${tag}`));
  });
  return [...imagesOf(rest, appVersion), ...ofDefaults, ...own];
}

/** A digest that says of what it is: Renovate renews both by that, and `stalePins` sees when another tag is meant. */
function commented(document: Document, digest: string, name: string): Scalar {
  const node = document.createNode(digest) as Scalar;
  node.comment = ` ${name}`;
  return node;
}

/** Pins in a file that are of other images than values name (merged with the file's own): a line each. */
export function stalePins(merged: Tree, file: string, text: string, appVersion: string): string[] {
  const document = parseDocument(text);
  return allImages(merged, appVersion).flatMap(({ path: keys, repository, tag, whole }) => {
    const node = whole ? undefined : (document.getIn([...keys, 'digest'], true) as Scalar | undefined);
    const [of, named] = [node?.comment?.trim(), `${repository}:${tag}`];
    if (!node?.value || of === named) return [];
    return [`${file}: ${keys.join('.')}: is pinned to ${of ?? 'no name'}, and is ${named}: npm run pin-images`];
  });
}

/** The pins of an environment's own images.yaml that are of other images than it names: a line each. */
export async function stalePinsOf(environment: string): Promise<string[]> {
  const read = (name: string) => readFile(path.join(root, name), 'utf8');
  const file = `environments/${environment}/images.yaml`;
  const files = ['charts/values.yaml', `environments/${environment}/values.yaml`, file];
  const texts = await Promise.all(files.map(read));
  const merged = texts.map((text) => parse(text) ?? {}).reduce(mergeValues) as Tree;
  return stalePins(merged, file, texts.at(-1)!, parse(await read('charts/Chart.yaml')).appVersion);
}

async function pin(environment: string, file: string): Promise<string[]> {
  const read = (name: string) => readFile(path.join(root, name), 'utf8');
  const values = `environments/${environment}/values.yaml`;
  const [defaults, own, chart] = await Promise.all([
    read('charts/values.yaml'),
    read(values),
    read('charts/Chart.yaml'),
  ]);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const document = parseDocument(text);
  if (document.errors[0]) throw new Error(`${file}: is no YAML: ${document.errors[0].message}`);
  const merged = [parse(own), document.toJS() ?? {}].reduce(mergeValues, parse(defaults)) as Tree;
  const problems: string[] = [];
  for (const { path: keys, repository, tag, whole } of allImages(merged, parse(chart).appVersion)) {
    try {
      const digest = await digestOf(repository, tag);
      if (whole) document.setIn(keys, `${repository}:${tag}@${digest}`);
      else document.setIn([...keys, 'digest'], commented(document, digest, `${repository}:${tag}`));
      console.log(`${keys.join('.')}: ${repository}:${tag} is ${digest}`);
    } catch (error) {
      problems.push(`${keys.join('.')}: ${(error as Error).message}`);
    }
  }
  if (document.contents) await writeFile(file, document.toString({ lineWidth: 0 }));
  return problems;
}

if (import.meta.main) {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { env: { type: 'string', default: 'production' } },
    });
    if (positionals.length > 1) throw new Error(`${positionals[1]}: unexpected: name one file\n${usage}`);
    const file = path.resolve(positionals[0] ?? path.join(root, `environments/${values.env}/images.yaml`));
    for (const problem of await pin(values.env, file)) {
      console.error(`pin-images: ${problem}`);
      process.exitCode = 1;
    }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    console.error(`pin-images: ${message}${code?.startsWith('ERR_PARSE_ARGS') ? `\n${usage}` : ''}`);
    process.exitCode = 1;
  }
}
