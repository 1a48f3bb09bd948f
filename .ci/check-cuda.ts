/**
 * `npm run check:cuda`: checks the CUDA part as far as that is possible without a GPU, in three levels.
 * 1. It compiles, against the LibTorch that is there: g++ and nvcc. Needs the CUDA toolkit.
 * 2. The whole addon links against a LibTorch with CUDA, and every symbol exists. Downloads 485 MB once.
 * 3. Node loads it, results on the CPU are right, and the device cuda is refused with a readable reason.
 * `--level N`: levels 1 to N. The last line names each level and its result. The exit status is 0 if all of them
 * passed; with `--level 1` also if there is no toolkit.
 */
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { buildNative } from '../setup/build.mjs';
import { filesBelow, packageRoot } from '../setup/files.mjs';
import { inspect, requireLibTorch } from '../setup/libtorch.mjs';
import type { CudaVersions } from '../src/native/contract.js';
import { type CudaLibTorch, cudaLibTorch, makeStubs } from './cuda-libtorch.js';
import { runLevels, runTests, Skipped } from './levels.js';
import { cacheFolder } from './unpack.js';

const compileFolder = 'build/check-cuda/compile';
const linkFolder = 'build/check-cuda/link';
// One architecture says whether the kernels compile.
const quick = 'L2T_CUDA_ARCHITECTURES=80';
/** The tests that level 3 runs on the CPU. */
const cpuTests = ['native/core/device', 'native/run/trainer', 'binding/network', 'binding/addon'].map(
  (name) => `test/${name}.test.ts`,
);

const say = (line: string): void => console.log(`[check:cuda] ${line}`);

/** Level 1. */
function compiles(): void {
  const libtorch = requireLibTorch({ say });
  say(`level 1: compiling native/backends/cuda against LibTorch ${libtorch.version} in ${libtorch.prefix}`);
  const cuda = buildNative({
    libtorch,
    folder: compileFolder,
    withCuda: 'auto',
    target: 'l2t_cuda',
    define: ['L2T_CUDA_COMPILE_ONLY=ON', quick],
  });
  if (!cuda.built) throw new Skipped(cuda.reason);
  say(`compiled with ${cuda.reason}`);
}

/** The objects of the addon. Those of removed .cu files may still be there. */
function addonObjects(): string[] {
  const kernels = filesBelow(join(packageRoot, 'native/backends/cuda')).filter((path) => path.endsWith('.cu'));
  const others = filesBelow(join(packageRoot, linkFolder)).filter(
    (path) => path.endsWith('.o') && /\/l2t_(binding|core|cuda)\.dir\//.test(path),
  );
  return [...kernels.map((path) => join(packageRoot, linkFolder, 'kernels', `${basename(path)}.o`)), ...others];
}

/** Links the addon's objects with --no-undefined: what is missing then. */
function undefinedSymbols({ libraries }: CudaLibTorch): string[] {
  const names = ['torch', 'torch_cpu', 'torch_cuda', 'c10', 'c10_cuda'].map((name) => `-l${name}`);
  const args = [
    ...['-shared', '-o', join(packageRoot, linkFolder, 'undefined.so'), ...addonObjects()],
    ...['-Wl,--no-undefined', '-Wl,--warn-unresolved-symbols', '-fopenmp', `-L${libraries[0]}`, ...names],
    ...[join(libraries[0], 'libcudart.so.12'), '-ldl'],
  ];
  const child = spawnSync('g++', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  if (child.status !== 0) throw new Error(`linking failed: ${child.stderr}`);
  const found = [...child.stderr.matchAll(/undefined reference to [`'](.+?)'/g)].map(([, symbol = '']) => symbol);
  return [...new Set(found)];
}

/** Level 2. */
function links(): void {
  say('level 2: linking the addon against a LibTorch with CUDA');
  const libtorch = cudaLibTorch(say);
  const seen = inspect(libtorch.prefix, () => undefined);
  if (seen.reason !== undefined) throw new Error(`${libtorch.prefix}: ${seen.reason}`);
  say('compiling the addon (some minutes)');
  buildNative({
    libtorch: { ...seen, how: 'check:cuda' },
    folder: linkFolder,
    withCuda: 'on',
    define: ['L2T_CUDA_ANY_VERSION=ON', quick],
  });
  const symbols = undefinedSymbols(libtorch);
  const missing = symbols.filter((symbol) => !symbol.startsWith('napi_'));
  if (missing.length > 0) throw new Error(`undefined: ${missing.join(', ')}`);
  if (symbols.length === 0) throw new Error('the linker named no symbol of Node, so it did not look');
  say(`linked; only ${symbols.length} symbols are undefined, all of them Node's`);
}

interface Loaded {
  /** Undefined if the addon does not load. */
  readonly versions?: CudaVersions;
  readonly code: string;
  readonly message: string;
}

/** Loads the addon in a Node of its own. Returns what it says of the device cuda, or why it does not load. */
function load(libraries: readonly string[], env: NodeJS.ProcessEnv = {}): Loaded {
  const program = `
    import('./dist/native/addon.js')
      .then(({ addon }) => {
        const versions = addon().cudaVersions();
        try { addon().device('cuda'); } catch ({ code, message }) { return { versions, code, message }; }
      })
      .catch(({ code, message }) => ({ code, message }))
      .then((result) => console.log(JSON.stringify(result)));`;
  const child = spawnSync(process.execPath, ['-e', program], {
    cwd: packageRoot,
    encoding: 'utf8',
    env: {
      ...process.env,
      LD_LIBRARY_PATH: libraries.join(':'),
      L2T_NATIVE_BUILD: join(packageRoot, linkFolder),
      ...env,
    },
  });
  if (child.status !== 0 || child.stderr !== '') {
    throw new Error(`Node said, with exit status ${child.status ?? child.signal}: ${child.stderr}`);
  }
  return JSON.parse(child.stdout);
}

function expectRefusal(what: string, result: Loaded | undefined, code: string, pattern: RegExp): void {
  if (result?.code !== code || !pattern.test(result.message)) {
    throw new Error(`${what}: expected ${code} and ${pattern}, got ${JSON.stringify(result)}`);
  }
  say(`${what}: ${result.message}`);
}

// The addon is compiled with this machine's toolkit and loaded with Debian's CUDA 12: if the majors differ, it must be
// refused. With L2T_CUDA_ANY_VERSION it loads all the same, since nothing is run on a GPU.
function expectVersionCheck(libraries: readonly string[], { compiledFor, runtime }: CudaVersions): void {
  if (compiledFor.split('.')[0] === runtime.split('.')[0]) return;
  const both = new RegExp(`compiled with CUDA ${compiledFor}, but LibTorch brings CUDA ${runtime}:`);
  expectRefusal('CUDA of another major release', load(libraries), 'ADDON_NOT_BUILT', both);
}

/** Level 3. */
function loads(): void {
  say('level 3: loading the addon over stub libraries');
  const { libraries } = cudaLibTorch(say);
  expectRefusal('without the stubs', load(libraries), 'LIBTORCH_NOT_FOUND', /a CUDA library .* is missing/);
  const stubs = join(cacheFolder('check-cuda'), 'stubs');
  say(`stubs: ${makeStubs(stubs, libraries).join(' ')}`);
  const all = [stubs, ...libraries];
  const anyVersion = { L2T_CUDA_ANY_VERSION: '1' };
  const result = load(all, anyVersion);
  expectRefusal('--device cuda', result, 'DEVICE_UNAVAILABLE', /has CUDA, but no GPU is visible/);
  if (result.versions) expectVersionCheck(all, result.versions);
  say(`on the CPU: ${cpuTests.join(' ')}`);
  runTests(cpuTests, linkFolder, { LD_LIBRARY_PATH: all.join(':'), ...anyVersion });
}

const levels = [compiles, links, loads];
const [flag, value] = process.argv.slice(2);
const count = flag === undefined ? levels.length : Number(value);
if ((flag !== undefined && flag !== '--level') || !levels[count - 1]) {
  console.error('usage: npm run check:cuda [-- --level 1|2|3]');
  process.exit(2);
}
const results = runLevels(levels.slice(0, count));
const passed = results.every((result) => result === 'passed');
const allowed = count === 1 && results[0]?.startsWith('skipped');
process.exitCode = passed || allowed ? 0 : 1;
