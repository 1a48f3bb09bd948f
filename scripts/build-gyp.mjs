/**
 * `npm run build:gyp`: compiles the addon with node-gyp instead of CMake, into binding/build/Release/l2t_native.node.
 * binding.gyp asks this file for the sources (`--sources`) and LibTorch's include folders (`--includes PREFIX`).
 * node-gyp would fetch Node's headers; Node-API needs only those of node-api-headers, so it is given a folder of them.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeBuildStamp } from './build-native.mjs';
import { requireLibTorch } from './libtorch.mjs';
import { filesBelow } from './stamps.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const binding = join(root, 'binding');
const requireHere = createRequire(import.meta.url);

// Replaces Node's own common.gypi, which holds nothing that a Node-API addon needs.
const commonGypi = `{
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': { 'Release': { 'defines': ['NDEBUG'], 'cflags': ['-O3'] }, 'Debug': { 'cflags': ['-g', '-O0'] } },
  },
}
`;

// CMake alone builds the CUDA part.
const cudaFolder = join(root, 'native/backends/cuda');
const withoutCuda = join(cudaFolder, 'none.cc');

/** Every source, as binding.gyp takes it: relative to binding/. CMakeLists.txt globs the same. */
export function sources() {
  const isSource = (path) => path.endsWith('.cc') && (!path.startsWith(`${cudaFolder}/`) || path === withoutCuda);
  const own = readdirSync(binding).filter(isSource).sort();
  return [
    ...filesBelow(join(root, 'native'))
      .filter(isSource)
      .map((path) => relative(binding, path)),
    ...own,
  ];
}

function nodeHeaders() {
  const folder = join(root, 'node_modules/.cache/l2t-native/node-headers');
  const include = join(folder, 'include/node');
  mkdirSync(include, { recursive: true });
  cpSync(requireHere('node-api-headers').include_dir, include, { recursive: true });
  writeFileSync(join(include, 'common.gypi'), commonGypi);
  writeFileSync(join(include, 'config.gypi'), "{ 'variables': {} }\n");
  return folder;
}

function includes(prefix) {
  const api = join(prefix, 'include/torch/csrc/api/include');
  return prefix === '/usr' ? [api] : [join(prefix, 'include'), api];
}

/** Official builds carry their own libgomp; a second one beside it would mean a second set of threads. */
function openmp(libDir) {
  const bundled = readdirSync(libDir).find((name) => /^libgomp-.*\.so/.test(name));
  return bundled === undefined ? '-lgomp' : join(libDir, bundled);
}

/** Can a run use several processes? As cmake/groups.cmake decides. */
function groups(prefix) {
  const c10d = join(prefix, 'include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp');
  const gloo = [join(prefix, 'include'), '/usr/include'].map((folder) => join(folder, 'gloo/transport/device.h'));
  return existsSync(c10d) && gloo.some(existsSync);
}

function build() {
  const libtorch = requireLibTorch({ say: (line) => console.error(line) });
  const variables = {
    libtorch: libtorch.prefix,
    libtorch_lib: libtorch.libDir,
    openmp_libraries: openmp(libtorch.libDir),
    groups: groups(libtorch.prefix) ? 1 : 0,
  };
  const headers = nodeHeaders();
  const child = spawnSync(
    process.execPath,
    [
      requireHere.resolve('node-gyp/bin/node-gyp.js'),
      'rebuild',
      `--nodedir=${headers}`,
      `--jobs=${availableParallelism()}`,
      '--',
      ...Object.entries(variables).map(([name, value]) => `-D${name}=${value}`),
    ],
    // npm's configuration in the environment would override the flag.
    { cwd: binding, stdio: 'inherit', env: { ...process.env, npm_config_nodedir: headers } },
  );
  process.exitCode = child.status ?? 1;
  if (child.status === 0) {
    writeBuildStamp(join(binding, 'build/Release'), libtorch, {
      cuda: { built: false, reason: 'node-gyp builds no CUDA part; npx l2t-native build does' },
    });
  }
}

const [command, argument] = process.argv.slice(2);
if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  if (command === '--sources') console.log(sources().join('\n'));
  else if (command === '--includes') console.log(includes(argument).join('\n'));
  else build();
}
