// Runs a TypeScript file of this project: `node ci/run.mjs FILE [ARGUMENT …]`, from a bare clone too.
//
// This is the one file that has to run on whatever Node is there (20 or later). It installs the locked npm packages when
// they are missing or stale, and goes on with the project's own Node 24, which is one of them and runs TypeScript as it is.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, 'node_modules');
const stamp = path.join(modules, '.installed-lock-sha256');
const lock = path.join(root, '.npm-install.lock');

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

const [file, ...args] = process.argv.slice(2);
if (!file) fail('ci/run.mjs: no file named: call it as `node ci/run.mjs FILE [ARGUMENT …]`');
if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`node ${process.versions.node}: too old to start from: install Node 20 or later`);
}

const wanted = createHash('sha256')
  .update(readFileSync(path.join(root, 'package-lock.json')))
  .digest('hex');
const installed = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;

// Two commands started at once in a bare clone must not both run `npm ci` on one folder. The lock holds the process id of
// its owner, so that one left by a killed run is noticed and taken over.
async function withInstallLock(work) {
  for (;;) {
    try {
      const handle = openSync(lock, 'wx');
      writeFileSync(handle, String(process.pid));
      closeSync(handle);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (abandoned()) rmSync(lock, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function abandoned() {
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    // An empty file is an owner between creating and writing it, unless it stays so.
    if (!owner) return Date.now() - statSync(lock).mtimeMs > 5000;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH' || error.code === 'ENOENT';
  }
}

if (!installed()) {
  await withInstallLock(async () => {
    if (installed()) return;
    // npm would empty the folder that the link leads to.
    if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
      rmSync(lock, { force: true });
      fail(
        'node_modules: is a link to packages that are not those of package-lock.json: install them there, or remove the link',
      );
    }
    process.stderr.write('npm packages: installing what package-lock.json pins\n');
    // Development dependencies always: the tools are among them, whatever NODE_ENV says.
    const npm = spawnSync('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    });
    if (npm.error) fail(`npm: cannot be started (${npm.error.message}): install npm beside Node`);
    if (npm.status !== 0) {
      rmSync(lock, { force: true });
      fail('npm packages: `npm ci` failed, see above: check the network to the npm registry, then run this again');
    }
    mkdirSync(modules, { recursive: true });
    writeFileSync(stamp, wanted);
  });
}

const node = path.join(modules, 'node', 'bin', 'node');
if (!existsSync(node)) fail('node_modules/node: missing: remove node_modules and run this again');
// Packages' own binaries, and the project's Node before any other, for whatever the file starts.
const PATH = [path.dirname(node), path.join(modules, '.bin'), process.env.PATH].join(path.delimiter);
const child = spawn(node, ['--disable-warning=ExperimentalWarning', path.resolve(root, file), ...args], {
  stdio: 'inherit',
  env: { ...process.env, PATH },
});
// A terminal sends Ctrl-C to the whole group: the child cleans up and decides the exit status; others are passed on.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
// npm that is told to end tells its shell alone, and a shell that ends leaves what it runs to itself.
if (process.env.npm_lifecycle_event) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 500);
}
child.on('exit', (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else process.exit(code ?? 1);
});
