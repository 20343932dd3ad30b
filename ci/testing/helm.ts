import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Output, output } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';
import { temporaryFolder } from './project.ts';

/** Runs the real Helm, built first if it is not there. */
export async function helm(...args: string[]): Promise<Output> {
  return output(await tool('helm'), args);
}

/** A chart of one template, for what does not depend on the project's own. */
export interface TestChart extends AsyncDisposable {
  folder: string;
  /** `helm template` with these values on top of the chart's own. */
  template(over?: unknown): Promise<Output>;
  /** The values as the template sees them; throws what Helm says when it refuses them. */
  values(over?: unknown): Promise<unknown>;
}

/** Writes a chart that prints its values: with these (anything, or YAML of it), and this schema. */
export async function valuesChart(values: unknown, schema?: string): Promise<TestChart> {
  const folder = await temporaryFolder();
  const write = (file: string, text: string) => writeFile(path.join(folder.path, file), text);
  await mkdir(path.join(folder.path, 'templates'));
  await write('Chart.yaml', 'apiVersion: v2\nname: model-management\nversion: 0.1.0\n');
  await write('values.yaml', typeof values === 'string' ? values : JSON.stringify(values));
  if (schema) await write('values.schema.json', schema);
  // Quoted, so that Helm's own reading of the manifest changes nothing in it.
  await write('templates/values.yaml', 'values: {{ .Values | toJson | quote }}\n');
  let files = 0;
  const template = async (over: unknown = {}) => {
    const file = path.join(folder.path, `over-${files++}.json`);
    await writeFile(file, JSON.stringify(over));
    return helm('template', 'test', folder.path, '--values', file);
  };
  return {
    folder: folder.path,
    template,
    values: async (over) => {
      const { status, stdout, stderr } = await template(over);
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(JSON.parse(/^values: (".*")$/m.exec(stdout)![1]!));
    },
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}

/** Does the work for each item, a few at a time, and gives the results in the items' order. */
export async function fewAtATime<T, U>(items: readonly T[], work: (item: T) => Promise<U>, few = 3): Promise<U[]> {
  const results: U[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: few }, worker));
  return results;
}
