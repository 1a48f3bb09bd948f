/**
 * Makes a fresh clone ready: Node's version, npm packages, the TypeScript build, compiler, CMake, LibTorch, the addon.
 * `npm test` and `npm run demo` run it first. Plain Node, no dependency; under a second when all is up to date. While
 * another bootstrap works here, it waits. `--quiet`: say nothing on stdout. `--programs`: build the programs that the
 * tests run, too. `--native`: compile the addon alone, also if it is up to date. `--typescript`: compile TypeScript
 * alone, which is all that a package holds of what is compiled.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall, onPath } from './apt.mjs';
import { buildNative, isNativeCurrent, readBuildStamp } from './build.mjs';
import { filesBelow, fingerprint, packageRoot, readJson, takeLock, writeJson } from './files.mjs';
import { requireLibTorch } from './libtorch.mjs';

const [quiet, programs, native, typescript] = ['--quiet', '--programs', '--native', '--typescript'].map((flag) =>
  process.argv.includes(flag),
);
const print = quiet ? console.error : console.log;
const say = (/** @type {string} */ line) => print(`[set-up] ${line}`);

class SetUpError extends Error {}

/**
 * Says what begins, runs it, and says how long it took.
 * @template T
 * @param {string} what
 * @param {() => T} work
 */
function timed(what, work) {
  say(`${what} …`);
  const start = performance.now();
  const result = work();
  say(`${what}: done in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} failure
 */
function run(command, args, failure) {
  const child = spawnSync(command, args, { cwd: packageRoot, stdio: ['ignore', 2, 2] });
  if (child.status !== 0) throw new SetUpError(failure);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 15)) {
    throw new SetUpError(
      `Node ${process.versions.node} is too old: 20.15 or newer is needed (https://nodejs.org/, or: nvm install 20).`,
    );
  }
  if (process.platform !== 'linux')
    say(`warning: only Linux x64 is tested, this is ${process.platform} ${process.arch}`);
}

const cache = join(packageRoot, 'node_modules/.cache/l2t-native');
const lockFile = join(packageRoot, 'package-lock.json');
/** After an installation without the packages that only tests and lint need: the lock that it was made from. */
const partStamp = join(cache, 'packages.json');

/** Checks whether node_modules has what package-lock.json asks for, by npm's own list of what it has installed. */
function packagesCurrent() {
  if (!programs && readJson(partStamp)?.lock === fingerprint([lockFile])) return true;
  /** @type {(path: string) => Record<string, { version: string, optional?: boolean }> | undefined} */
  const packagesIn = (path) => readJson(join(packageRoot, path))?.packages;
  const [locked, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map(packagesIn);
  if (locked === undefined || present === undefined) return false;
  return Object.entries(locked).every(([path, entry]) => {
    if (!path.startsWith('node_modules/')) return true;
    // Optional packages are installed only on their own platforms.
    const installed = present[path];
    return installed === undefined ? entry.optional === true : installed.version === entry.version;
  });
}

function installPackages() {
  if (packagesCurrent()) return;
  // .ci/package.json has the packages of tests and lint, five sixths of all bytes. With legacy-peer-deps npm leaves out
  // ONNX Runtime, which is optional.
  const part = programs ? [] : ['--workspaces=false', '--legacy-peer-deps'];
  const failure = 'npm ci failed (see above). Is the package registry reachable?';
  timed('installing npm packages (npm ci)', () =>
    run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', ...part], failure),
  );
  if (!programs) writeJson(partStamp, { lock: fingerprint([lockFile]) });
}

/** Compiles TypeScript. Its processes work beside what the caller does meanwhile. */
async function buildTypeScript() {
  const stampPath = join(cache, 'typescript.json');
  const projects = ['tsconfig.build.json', 'tsconfig.browser.json'];
  const others = ['tsconfig.json', ...projects, 'package-lock.json'].map((name) => join(packageRoot, name));
  const outputs = () => filesBelow(join(packageRoot, 'dist'));
  const sources = fingerprint([...filesBelow(join(packageRoot, 'src')), ...others]);
  const stamp = readJson(stampPath);
  if (stamp?.sources === sources && stamp.built === fingerprint(outputs())) return;
  say('compiling TypeScript …');
  // Into a fresh folder, so that no output of a deleted source stays, and a failure leaves the old output as it was.
  // Beside the old one, since node_modules may be on another disk.
  const fresh = join(packageRoot, 'dist.new');
  rmSync(fresh, { recursive: true, force: true });
  const tsc = join(packageRoot, 'node_modules/typescript/bin/tsc');
  const compiling = projects.map(async (project) => {
    const args = [tsc, '-p', project, '--outDir', fresh];
    const [code] = await once(spawn(process.execPath, args, { cwd: packageRoot, stdio: ['ignore', 2, 2] }), 'close');
    if (code !== 0) throw new SetUpError('Compiling TypeScript failed (see above).');
  });
  await Promise.all(compiling);
  rmSync(join(packageRoot, 'dist'), { recursive: true, force: true });
  renameSync(fresh, join(packageRoot, 'dist'));
  writeJson(stampPath, { sources, built: fingerprint(outputs()) });
}

/**
 * Checks for a compiler and CMake, and for what the tests' programs include. Installs what is missing if it may, else the
 * error says how to install it.
 */
function requireTools() {
  const missing = [
    ...(onPath('g++') || onPath('clang++') ? [] : ['g++']),
    ...(onPath('cmake') ? [] : ['cmake']),
    ...(onPath('make') || onPath('ninja') ? [] : ['ninja-build']),
    ...(!programs || existsSync('/usr/include/doctest/doctest.h') ? [] : ['doctest-dev']),
  ];
  if (missing.length === 0) return;
  const reason = timed(`installing ${missing.join(' ')}`, () => aptInstall(missing, say));
  if (reason !== undefined) {
    throw new SetUpError(
      `Missing: ${missing.join(', ')} (not installed by itself: ${reason}). ` +
        `Install with: sudo apt-get update && sudo apt-get install -y ${missing.join(' ')}`,
    );
  }
}

function buildAddon() {
  if (!native && isNativeCurrent({ programs })) return;
  requireTools();
  const libtorch = timed('looking for LibTorch', () => requireLibTorch({ say, cli: 'node dist/cli/l2t-native.cjs' }));
  say(`LibTorch ${libtorch.version} in ${libtorch.prefix} (${libtorch.how})`);
  timed('compiling the addon (one or two minutes)', () => buildNative({ libtorch, programs }));
}

const start = performance.now();
try {
  checkNode();
  // It is never written here, and there is one in each clone.
  takeLock(join(packageRoot, 'package-lock.json'), () => say('another bootstrap works here: waiting for it to end …'));
  if (!native) installPackages();
  const compiling = native ? undefined : buildTypeScript();
  try {
    if (!typescript) buildAddon();
  } finally {
    await compiling; // also after a failure, whose message may name a verb of the command line
  }
  const { version, path } = readBuildStamp()?.libtorch ?? {};
  const libtorch = typescript ? '' : `LibTorch ${version} in ${path}; `;
  say(`ready (${libtorch}${((performance.now() - start) / 1000).toFixed(1)} s)`);
} catch (error) {
  const { code, message, stack } = /** @type {NodeJS.ErrnoException} */ (error);
  console.error(`[set-up] ${error instanceof SetUpError || code !== undefined ? message : stack}`);
  process.exitCode = 1;
}
