import type { ErrorObject } from 'ajv';

/**
 * What two validators found, in the same words, so that they can be compared: `/path` for a wrong value, `/path has KEY` for
 * a key too many, `/path lacks KEY` for one too few.
 */
export function ajvMistakes(errors: readonly ErrorObject[]): string[] {
  const found = new Set<string>();
  for (const { instancePath, keyword, params, propertyName } of errors) {
    // What a key has to look like is said beside the path of its map, which counts here.
    if (keyword === 'propertyNames' || propertyName !== undefined) continue;
    if (keyword === 'additionalProperties') found.add(`${instancePath} has ${params.additionalProperty}`);
    else if (keyword === 'required') found.add(`${instancePath} lacks ${params.missingProperty}`);
    else found.add(instancePath);
  }
  return [...found].sort();
}

/** The same of what Helm prints: a tree of lines that begin with `- at 'PATH': `. */
export function helmMistakes(text: string): string[] {
  const found = new Set<string>();
  for (const [, path, message] of text.matchAll(/^\s*- at '(.*?)': (.*)$/gm)) {
    const keys = [...message!.matchAll(/'([^']*)'/g)].map(([, key]) => key);
    if (message === 'validation failed' || message!.startsWith('invalid propertyName')) continue;
    if (message!.startsWith('additional properties')) for (const key of keys) found.add(`${path} has ${key}`);
    else if (message!.startsWith('missing propert')) for (const key of keys) found.add(`${path} lacks ${key}`);
    else if (path !== '') found.add(path!);
  }
  return [...found].sort();
}
