/**
 * Compiles the addon with cmake-js against a given LibTorch, and writes beside it what it was built for
 * (build/Release/l2t_native.json), which the loader and `doctor` use for their messages.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { onPath } from './apt.mjs';
import { filesBelow, fingerprint, modified, packageRoot, readJson, writeJson } from './files.mjs';
import { searchKey } from './libtorch.mjs';

/** @import { LibTorch } from './libtorch.mjs' */
/** @typedef {{ readonly built: boolean, readonly reason: string }} CudaPart Whether an addon has its CUDA part, and why. */
/**
 * An addon's build record. A build by CMake also records its sources, so that the bootstrap can tell if it is current.
 * @typedef {object} BuildStamp
 * @property {{ path: string, version: string, how: string, libDir: string, library: string }} libtorch
 * @property {CudaPart} cuda
 * @property {string} [withCuda] AUTO, ON or OFF.
 * @property {string} [search]
 * @property {boolean} [named] LibTorch was named by --libtorch.
 * @property {string} [sources]
 * @property {string} [programs]
 */

export const addonPath = join(packageRoot, 'build/Release/l2t_native.node');

/**
 * Returns the record of the addon's build; undefined if it is not built.
 * @returns {BuildStamp | undefined}
 */
export function readBuildStamp() {
  return existsSync(addonPath) ? readJson(addonPath.replace(/node$/, 'json')) : undefined;
}

/** @param {readonly string[]} folders */
function sourcesBelow(folders) {
  const files = folders.flatMap((folder) => filesBelow(join(packageRoot, folder), ['build']));
  return files.filter((file) => /\.(cc|cu|cuh|h|inc|cmake|txt)$/.test(file));
}

function sourcesKey() {
  const declared = ['CMakeLists.txt', 'setup/sources.mjs'].map((name) => join(packageRoot, name));
  return fingerprint([...declared, ...sourcesBelow(['cmake', 'native', 'binding'])]);
}

/** The key of the programs that tests and tools run. */
const programsKey = () => fingerprint(sourcesBelow(['test/native', 'tools']));

/** CMake's WITH_CUDA, as the environment asks for it. */
const cudaChoice = () => (process.env.WITH_CUDA || 'auto').toUpperCase();

/**
 * Was the addon built from the present sources, for the LibTorch that a search would find now? `programs`: also asks
 * this of the programs that the tests run.
 */
export function isNativeCurrent({ programs = false } = {}) {
  const stamp = readBuildStamp();
  const { LIBTORCH, LIBTORCH_USE_PYTORCH, WITH_CUDA } = process.env;
  const demanded = Boolean(LIBTORCH) || LIBTORCH_USE_PYTORCH === '1';
  return (
    stamp !== undefined &&
    stamp.sources === sourcesKey() &&
    (!programs || stamp.programs === programsKey()) &&
    // An addon built with `build --libtorch` stays until the environment asks for another LibTorch.
    (stamp.search === searchKey() || (stamp.named === true && !demanded)) &&
    // An addon built with `build --with-cuda` stays until the environment asks for another choice.
    (!WITH_CUDA || stamp.withCuda === cudaChoice()) &&
    stamp.libtorch.library === modified(join(stamp.libtorch.libDir, 'libtorch.so'))
  );
}

/** How many compilers to run in parallel: each takes about 1 GB with ATen's headers. */
function jobs() {
  // A container may have less memory than the machine.
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / 1.5e9)));
}

/**
 * @param {string} folder
 * @param {readonly string[]} args
 */
function cmakeJs(folder, args) {
  const script = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  // The compilers' output goes to stderr: stdout belongs to the verb's result.
  const child = spawnSync(
    process.execPath,
    [script, ...args, '--log-level', 'warn', '--directory', packageRoot, '--out', folder],
    { cwd: packageRoot, stdio: ['ignore', 2, 2] },
  );
  if (child.status !== 0) {
    throw Object.assign(new Error("Compiling the addon failed; the compiler's messages are above."), {
      code: 'ADDON_NOT_BUILT',
    });
  }
}

/**
 * Removes a build folder that was configured differently: CMake refuses a folder of another generator, or of a checkout
 * that has moved since; and it reads the compiler only once. The addon stays until another one is linked.
 * @param {string} folder
 * @param {LibTorch} libtorch
 */
function dropForeignConfiguration(folder, { prefix, version }) {
  const stampPath = join(folder, 'configured.json');
  const { CC, CXX, CXXFLAGS } = process.env;
  const configuration = { root: packageRoot, libtorch: prefix, version, ninja: onPath('ninja'), CC, CXX, CXXFLAGS };
  if (JSON.stringify(readJson(stampPath)) === JSON.stringify(configuration)) return;
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    if (name !== 'Release') rmSync(join(folder, name), { recursive: true, force: true });
  }
  writeJson(stampPath, configuration);
}

/**
 * @typedef {object} BuildOptions
 * @property {LibTorch} libtorch
 * @property {string | undefined} [explicit] The value of --libtorch.
 * @property {string | undefined} [withCuda] auto, on or off; by default what the environment's WITH_CUDA says, else auto.
 * @property {boolean} [programs] Also the programs that the tests run.
 * @property {string} [target] What to build, by default the addon.
 * @property {string} [folder] Another folder than build/, for CMake variables of its own.
 * @property {readonly string[]} [define] These variables.
 */
/**
 * Compiles the changed parts of the addon. Returns whether it has its CUDA part, and why. The compiler's messages are on
 * stderr. @throws Error with code ADDON_NOT_BUILT.
 * @param {BuildOptions} options
 * @returns {CudaPart}
 */
export function buildNative({
  libtorch,
  explicit,
  withCuda = cudaChoice(),
  programs = false,
  target = programs ? 'all' : 'l2t_addon',
  folder: name = 'build',
  define = [],
}) {
  const folder = join(packageRoot, name);
  const sources = sourcesKey();
  dropForeignConfiguration(folder, libtorch);
  const variables = [
    ...[`L2T_LIBTORCH=${libtorch.prefix}`, `L2T_NODE=${process.execPath}`, `WITH_CUDA=${withCuda.toUpperCase()}`],
    ...define,
  ];
  // Each time, since a CUDA toolkit or a source may have come or gone since the last.
  cmakeJs(folder, ['configure', ...variables.map((variable) => `--CD${variable}`)]);
  cmakeJs(folder, ['build', '--target', target, '--parallel', String(jobs())]);
  const cuda = readJson(join(folder, 'cuda.json'));
  writeBuildStamp(join(folder, 'Release'), libtorch, {
    cuda,
    withCuda: withCuda.toUpperCase(),
    search: searchKey({ explicit }),
    named: explicit !== undefined,
    sources,
    ...(programs && { programs: programsKey() }),
  });
  return cuda;
}

/**
 * Writes beside an addon what it was built for.
 * @param {string} folder
 * @param {LibTorch} libtorch
 * @param {Omit<BuildStamp, 'libtorch'>} more
 */
export function writeBuildStamp(folder, { prefix, version, how, libDir }, more) {
  const library = modified(join(libDir, 'libtorch.so'));
  writeJson(join(folder, 'l2t_native.json'), {
    libtorch: { path: prefix, version, how, libDir: realpathSync(libDir), library },
    ...more,
  });
}
