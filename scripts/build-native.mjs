/**
 * Compiles the addon with cmake-js against a given LibTorch, and writes beside it what it was built for
 * (build/Release/l2t_native.json), which the loader and `doctor` use for their messages.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onPath } from './apt.mjs';
import { requireLibTorch, searchKey } from './libtorch.mjs';
import { filesBelow, fingerprint, modified, readJson, writeJson } from './stamps.mjs';

export const packageRoot = fileURLToPath(new URL('..', import.meta.url));

export function addonPath(root = packageRoot) {
  return join(root, 'build/Release/l2t_native.node');
}

/**
 * What the built addon was built for: { libtorch: { path, version, how, library }, cuda: { built, reason }, … };
 * undefined if not built.
 */
export function readBuildStamp(root = packageRoot) {
  return existsSync(addonPath(root)) ? readJson(join(root, 'build/Release/l2t_native.json')) : undefined;
}

function keyOf(root, folders) {
  const files = [
    join(root, 'CMakeLists.txt'),
    ...folders.flatMap((folder) => filesBelow(join(root, folder), ['build'])),
  ];
  return fingerprint(files.filter((file) => /\.(cc|cu|cuh|h|inc|cmake|txt)$/.test(file)));
}

const sourcesKey = (root) => keyOf(root, ['cmake', 'native', 'binding']);
/** The key of the programs that tests and tools run. */
const programsKey = (root) => keyOf(root, ['test/native', 'tools']);

/**
 * Was the addon built from the present sources, for the LibTorch that a search would find now? `programs`: also asks
 * this of the programs that the tests run.
 */
export function isNativeCurrent({ root = packageRoot, env = process.env, programs = false } = {}) {
  const stamp = readBuildStamp(root);
  const demanded = Boolean(env.LIBTORCH) || env.LIBTORCH_USE_PYTORCH === '1';
  return (
    stamp !== undefined &&
    stamp.sources === sourcesKey(root) &&
    (!programs || stamp.programs === programsKey(root)) &&
    // An addon built with `build --libtorch` stays until the environment asks for another LibTorch.
    (stamp.search === searchKey({ env }) || (stamp.named && !demanded)) &&
    // An addon built with `build --with-cuda` stays until the environment asks for another choice.
    (!env.WITH_CUDA || stamp.withCuda === cudaChoice(env)) &&
    stamp.libtorch.library === modified(join(stamp.libtorch.libDir, 'libtorch.so'))
  );
}

/** CMake's WITH_CUDA, as the environment asks for it. */
function cudaChoice(env) {
  return (env.WITH_CUDA || 'auto').toUpperCase();
}

/** How many compilers to run in parallel: each takes about 1 GB with ATen's headers. */
function jobs() {
  // A container may have less memory than the machine.
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / 1.5e9)));
}

function cmakeJs(root, folder, args) {
  const script = createRequire(join(root, 'package.json')).resolve('cmake-js/bin/cmake-js');
  // The compilers' output goes to stderr: stdout belongs to the verb's result.
  const child = spawnSync(
    process.execPath,
    [script, ...args, '--log-level', 'warn', '--directory', root, '--out', join(root, folder)],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
    },
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
 */
function dropForeignConfiguration(root, folder, libtorch) {
  const stampPath = join(root, folder, 'configured.json');
  const { CC, CXX, CXXFLAGS } = process.env;
  const compiler = { CC, CXX, CXXFLAGS };
  const wanted = { root, libtorch: libtorch.prefix, version: libtorch.version, ninja: onPath('ninja'), ...compiler };
  if (JSON.stringify(readJson(stampPath)) === JSON.stringify(wanted)) return;
  mkdirSync(join(root, folder), { recursive: true });
  for (const name of readdirSync(join(root, folder))) {
    if (name !== 'Release') rmSync(join(root, folder, name), { recursive: true, force: true });
  }
  writeJson(stampPath, wanted);
}

/**
 * Compiles the changed parts of the addon. `libtorch`: as findLibTorch gives it; `explicit`: the value of --libtorch,
 * if given; `withCuda`: auto, on or off; `programs`: the programs that the tests run, too; `define`: CMake variables,
 * for a `folder` of its own; `target`: what to build there, by default the addon. Returns whether the addon has its CUDA part, and why: { built, reason }.
 */
export function buildNative({
  root = packageRoot,
  libtorch,
  explicit,
  withCuda = cudaChoice(process.env),
  folder = 'build',
  programs = false,
  target = programs ? 'all' : 'l2t_addon',
  define = [],
}) {
  const sources = sourcesKey(root);
  dropForeignConfiguration(root, folder, libtorch);
  const variables = [`L2T_LIBTORCH=${libtorch.prefix}`, `WITH_CUDA=${withCuda.toUpperCase()}`, ...define];
  // Each time, since a CUDA toolkit may have come or gone since the last.
  cmakeJs(root, folder, ['configure', ...variables.map((variable) => `--CD${variable}`)]);
  cmakeJs(root, folder, ['build', '--target', target, '--parallel', String(jobs())]);
  const cuda = readJson(join(root, folder, 'cuda.json'));
  writeBuildStamp(join(root, folder, 'Release'), libtorch, {
    cuda,
    withCuda: withCuda.toUpperCase(),
    search: searchKey({ explicit }),
    named: explicit !== undefined,
    sources,
    ...(programs && { programs: programsKey(root) }),
  });
  return cuda;
}

/** Writes beside an addon what it was built for. */
export function writeBuildStamp(folder, libtorch, more = {}) {
  writeJson(join(folder, 'l2t_native.json'), {
    libtorch: {
      path: libtorch.prefix,
      version: libtorch.version,
      how: libtorch.how,
      libDir: realpathSync(libtorch.libDir),
      library: modified(join(libtorch.libDir, 'libtorch.so')),
    },
    ...more,
  });
}

// `npm run build:native`
if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const libtorch = requireLibTorch({ say: (line) => console.error(line) });
    buildNative({ libtorch });
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
