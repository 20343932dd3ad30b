import { root } from '../ci/tools/paths.ts';
import { say } from '../ci/tools/progress.ts';
import { run } from '../ci/tools/run.ts';
import { listTools } from '../ci/tools/tools.ts';
import { atMost, type Benchmark, type Figure, medianFigure } from './measure.ts';

/** A name that no other cluster has: this one is taken down after each run. */
const cluster = `bench-${process.pid}`;
const rounds = 3;

const npm = (...args: string[]) => run('npm', ['run', '--silent', ...args], { cwd: root });

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** What the commands of every day cost on a machine that has the tools already, as whole processes. */
export const commands: Benchmark = {
  purpose: 'npm run up, down and test:unit with warm caches, and what each family of tools took to build',
  async run(): Promise<Figure[]> {
    const up: number[] = [];
    const again: number[] = [];
    const down: number[] = [];
    const unit: number[] = [];
    try {
      // The first round fills the caches and is not counted.
      for (let round = 0; round <= rounds; round++) {
        say(`bench: round ${round} of ${rounds}`);
        const seconds = [
          await timed(() => npm('up', '--', '--name', cluster)),
          await timed(() => npm('up', '--', '--name', cluster)),
          await timed(() => npm('down', '--', '--name', cluster)),
          await timed(() => npm('test:unit')),
        ] as const;
        if (round > 0) for (const [index, list] of [up, again, down, unit].entries()) list.push(seconds[index]!);
      }
    } finally {
      await npm('down', '--', '--name', cluster);
    }
    return [
      atMost(90, medianFigure('npm run up, nothing running', up)),
      medianFigure('npm run up, again', again),
      medianFigure('npm run down', down),
      atMost(20, medianFigure('npm run test:unit', unit)),
      ...(await builds()),
    ];
  },
};

/** Seconds that each family took when it was last built; less than from empty caches where Go had some of it already. */
async function builds(): Promise<Figure[]> {
  const families = new Map((await listTools()).map(({ family, record }) => [family, record]));
  return [...families].flatMap(([family, record]) =>
    record ? [{ what: `build of the tools of ${family}, as recorded`, value: record.seconds, unit: 's' }] : [],
  );
}
