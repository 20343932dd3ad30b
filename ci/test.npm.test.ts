import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyProject } from './testing/project.ts';

/** A project of tests that call no tools. */
async function copy() {
  const project = await copyProject('vitest.config.ts', 'ci/test.ts', 'ci/vitest.ts', 'ci/tally.ts');
  await project.write('ci/testing/tools-setup.ts', 'export default () => {};\n');
  return project;
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1);

const test = (body: string) => `import { expect, it } from 'vitest';\n${body}\n`;

describe.concurrent('npm test', () => {
  it('counts what passed, failed and was skipped, and whatever failed outside of a test', async () => {
    await using project = await copy();
    await project.write(
      'a.test.ts',
      test(`it('a', () => {}); it.skip('b', () => {}); it('c', () => expect(1).toBe(2));`),
    );
    await project.write('b.test.ts', test(`import './missing.ts'; it('d', () => {});`));
    await project.write('c.test.ts', test(`it('e', () => { setTimeout(() => { throw new Error('late'); }); });`));
    await project.write('charts/d.test.ts', test(`it('f', () => {});`));
    const { status, stdout } = await project.npm('test');
    expect(lastLine(stdout)).toBe('3 passed, 3 failed, 1 skipped');
    expect(stdout).toContain('FAILED a.test.ts: c\n');
    expect(stdout).toContain('FAILED b.test.ts: the file itself');
    expect(stdout).toContain('FAILED unit: 1 error(s) outside of the tests');
    expect(status).toBe(1);
  });

  it('runs one project alone, and hands what follows to vitest', async () => {
    await using project = await copy();
    await project.write('a.test.ts', test(`it('a', () => {});`));
    await project.write('b.test.ts', test(`it('b', () => expect(1).toBe(2));`));
    await project.write('charts/c.test.ts', test(`it('c', () => expect(1).toBe(2));`));
    const { status, stdout } = await project.npm('test', 'unit', 'a.test.ts');
    expect(lastLine(stdout)).toBe('1 passed, 0 failed');
    expect(status).toBe(0);
  });

  it('fails when no test ran', async () => {
    await using project = await copy();
    const { status, stdout } = await project.npm('test');
    expect(lastLine(stdout)).toBe('0 passed, 1 failed');
    expect(status).toBe(1);
  });

  it('fails when the global setup does', async () => {
    await using project = await copy();
    await project.write('ci/cluster/global-setup.ts', `export default () => { throw new Error('no cluster'); };`);
    await project.write('a.cluster.test.ts', test(`it('a', () => {});`));
    const { status, stdout, stderr } = await project.npm('test', 'cluster');
    expect(stderr).toContain('no cluster');
    expect(lastLine(stdout)).toBe('0 passed, 1 failed');
    expect(status).toBe(1);
  });

  it('runs the global teardown when it is stopped in the middle of a test', async () => {
    await using project = await copy();
    await project.write(
      'ci/cluster/global-setup.ts',
      `import { writeFile } from 'node:fs/promises';
       export default () => () => writeFile(${JSON.stringify(path.join(project.root, 'torn-down'))}, 'yes');`,
    );
    await project.write(
      'a.cluster.test.ts',
      test(
        `it('a', async () => { console.log('started'); await new Promise((resolve) => setTimeout(resolve, 60_000)); });`,
      ),
    );
    // The launcher is what npm starts: it passes SIGTERM on as it does Ctrl-C.
    const child = spawn(process.execPath, ['ci/run.mjs', 'ci/test.ts', 'cluster'], { cwd: project.root });
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += data;
      if (String(data).includes('started')) child.kill('SIGTERM');
    });
    const [status] = await once(child, 'close');
    expect(await project.read('torn-down')).toBe('yes');
    expect(lastLine(stdout)).toBe('0 passed, 1 failed');
    expect(status).toBe(1);
  });
});
