import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/**
 * The tests by what they need, cheapest first: `npm test` runs them in this order. A file tells its project by its name
 * or its place; whatever says nothing else is a unit test and needs nothing but the npm packages.
 */
const files = {
  unit: ['**/*.test.ts'],
  slow: ['**/*.slow.test.ts'],
  npm: ['**/*.npm.test.ts'],
  render: ['charts/**/*.test.ts', '**/*.helm.test.ts'],
  ollama: ['**/*.ollama.test.ts'],
  cluster: ['**/*.cluster.test.ts'],
  extended: ['**/*.extended.test.ts'],
  machine: ['**/*.machine.test.ts'],
};

const ofOthers = (...names: (keyof typeof files)[]) => [
  ...configDefaults.exclude,
  ...names.flatMap((name) => files[name]),
];

const second = 1000;
const minute = 60 * second;

const projects: TestProjectInlineConfiguration[] = [
  {
    test: {
      name: 'unit',
      include: files.unit,
      exclude: ofOthers('slow', 'npm', 'render', 'ollama', 'cluster', 'extended', 'machine'),
      testTimeout: 20 * second,
      // Starting a worker takes longer than most files do: each runs many. And they wait more than they compute.
      isolate: false,
      maxWorkers: 2 * availableParallelism(),
    },
  },
  {
    // What would keep whoever changes something waiting: gateway and agent as processes of their own, thousands of requests, and
    // a tool that takes seconds to build.
    test: {
      name: 'slow',
      include: files.slow,
      globalSetup: ['ci/testing/tools-setup.ts'],
      testTimeout: minute,
    },
  },
  {
    // Commands of npm as a user gives them, in copies of the project: each starts several processes.
    test: { name: 'npm', include: files.npm, testTimeout: minute },
  },
  {
    test: {
      name: 'render',
      include: files.render,
      exclude: ofOthers('ollama', 'cluster', 'extended', 'machine'),
      globalSetup: ['ci/testing/tools-setup.ts'],
      testTimeout: minute,
    },
  },
  {
    test: {
      name: 'ollama',
      include: files.ollama,
      globalSetup: ['ci/testing/tools-setup.ts'],
      testTimeout: 2 * minute,
      hookTimeout: 2 * minute,
      fileParallelism: false,
    },
  },
  // `npm run test:extended`: on the cluster as well, and left out of `npm test`.
  ...(['cluster', 'extended'] as const).map(onCluster),
  // Likewise, in a machine of its own: no cluster is started on this one.
  { test: { name: 'machine', include: files.machine, fileParallelism: false } },
];

/** One cluster for all of them, and one file at a time, since it has two cores; what mostly waits does so together. */
function onCluster(name: keyof typeof files): TestProjectInlineConfiguration {
  return {
    test: {
      name,
      include: files[name],
      globalSetup: ['ci/cluster/global-setup.ts'],
      testTimeout: 5 * minute,
      hookTimeout: 10 * minute,
      fileParallelism: false,
      maxConcurrency: 3,
    },
  };
}

export default defineConfig({
  test: {
    projects,
    // Tests wait for what they start more than they compute: all cores, not all but one.
    maxWorkers: '100%',
    // Taking down a cluster takes longer than the 10 s that vitest gives.
    teardownTimeout: 3 * minute,
  },
});
