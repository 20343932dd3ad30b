import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, it } from 'vitest';

const service = path.join(import.meta.dirname, '..');

it.each(['gateway', 'agent'])('leaves most of undici out of the process of the %s', (component) => {
  const script = `
    await import('${path.join(service, component, 'app.ts')}');
    const { createRequire } = await import('node:module');
    console.log(JSON.stringify(Object.keys(createRequire('${service}/').cache)));`;
  const loaded: string[] = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }),
  );
  const files = loaded.flatMap((file) => file.split('/node_modules/undici/')[1] ?? []);
  expect(files).toContain('lib/dispatcher/pool.js');
  expect(files.filter((file) => /^index\.js$|^lib\/(web|mock|cache|interceptor)\//.test(file))).toEqual([]);
});
