/**
 * `npm run build:gyp`: compiles the addon with node-gyp instead of CMake, into binding/build/Release/l2t_native.node.
 * node-gyp would fetch Node's headers; Node-API needs only those of node-api-headers, so it is given a folder of them.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { writeBuildStamp } from './build.mjs';
import { packageRoot } from './files.mjs';
import { requireLibTorch } from './libtorch.mjs';

const binding = join(packageRoot, 'binding');
const requireHere = createRequire(import.meta.url);

// Replaces Node's own common.gypi, which holds nothing that a Node-API addon needs.
const commonGypi = `{
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': { 'Release': { 'defines': ['NDEBUG'], 'cflags': ['-O3'] }, 'Debug': { 'cflags': ['-g', '-O0'] } },
  },
}
`;

function nodeHeaders() {
  const folder = join(packageRoot, 'node_modules/.cache/l2t-native/node-headers');
  const include = join(folder, 'include/node');
  mkdirSync(include, { recursive: true });
  cpSync(requireHere('node-api-headers').include_dir, include, { recursive: true });
  writeFileSync(join(include, 'common.gypi'), commonGypi);
  writeFileSync(join(include, 'config.gypi'), "{ 'variables': {} }\n");
  return folder;
}

/**
 * Official builds bring their own libgomp; a second libgomp would start a second set of threads.
 * @param {string} libDir
 */
function openmp(libDir) {
  const bundled = readdirSync(libDir).find((name) => /^libgomp-.*\.so/.test(name));
  return bundled === undefined ? '-lgomp' : join(libDir, bundled);
}

/**
 * Can a run use several processes? As cmake/groups.cmake decides.
 * @param {string} prefix
 */
function groups(prefix) {
  const c10d = join(prefix, 'include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp');
  const gloo = [join(prefix, 'include'), '/usr/include'].map((folder) => join(folder, 'gloo/transport/device.h'));
  return existsSync(c10d) && gloo.some((path) => existsSync(path));
}

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
    ...[requireHere.resolve('node-gyp/bin/node-gyp.js'), 'rebuild'],
    ...[`--nodedir=${headers}`, `--jobs=${availableParallelism()}`, '--'],
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
