/**
 * Finds LibTorch. Plain Node, no dependency: the bootstrap runs it before anything is installed; the verbs doctor,
 * build and setup use it, too.
 *
 * Order: --libtorch / LIBTORCH → LIBTORCH_USE_PYTORCH=1, or an active venv's or conda's torch → what `l2t-native setup`
 * installed → /usr → apt-get. If the user named a place and it is refused, the search ends: it must not build against a
 * LibTorch that the user did not ask for.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { aptCandidate, aptInstall } from './apt.mjs';
import { modified } from './files.mjs';

/**
 * @typedef {object} LibTorch
 * @property {string} prefix The folder that holds include/ and the folder of libraries.
 * @property {string} libDir
 * @property {string} version
 * @property {string} how Which place of the search order it is, e.g. 'LIBTORCH' or 'the system'.
 */
/** @typedef {{ how: string, path: string, reason: string }} Refusal A place that was looked at and refused. */
/** @typedef {(library: string, timeout?: number) => string | undefined} Probe Why a library does not load. */
/** @typedef {Readonly<Record<string, string | undefined>>} Variables Of the environment. */
/** @typedef {{ how: string, path: string, named: boolean, reason?: string | undefined }} Place */
/**
 * @typedef {object} Where
 * @property {string | undefined} [explicit] The value of --libtorch.
 * @property {Variables} [env]
 * @property {string} [system] In place of /usr.
 * @property {(python: string) => string | undefined} [findPackage] Finds the torch package that a python would import.
 */

/**
 * Environment variables to set before a process loads LibTorch. Debian's LibTorch loads UCX through MPI. On loading,
 * UCX
 * - tries its memory hooks: it grows the heap by a page and shrinks it again. If the heap could not grow (V8's code may
 *   lie right behind it: in about one start of 200), UCX removes a page that is in use;
 * - uses SIGHUP for its debug mode, in place of the process's own handler: a closed terminal would not end the process;
 * - takes SIGSEGV from V8, which needs it for WebAssembly's bounds checks;
 * - starts a thread that shows its state in a file system.
 * OpenBLAS starts a thread for each core but one, and they wait for ever: the addon limits it to one thread
 * (threads.cc). If a thread cannot be started, either library ends the process.
 * cuBLAS is deterministic only with a workspace of a fixed size, which it reads here before its first call.
 */
export const loadEnvironment = {
  ...{ UCX_MEM_EVENTS: 'n', UCX_DEBUG_SIGNO: '0', UCX_HANDLE_ERRORS: 'none', UCX_VFS_ENABLE: 'n' },
  OPENBLAS_NUM_THREADS: '1',
  CUBLAS_WORKSPACE_CONFIG: ':4096:8',
};

const minimumVersion = '2.6';
// Gloo's headers: with them, one run can use several processes (cmake/groups.cmake).
const aptPackages = ['libtorch-dev', 'libopenblas0', 'libgloo-dev'];
const archiveUrl = 'https://download.pytorch.org/libtorch/cpu/libtorch-cxx11-abi-shared-with-deps-2.6.0%2Bcpu.zip';
const versionHeader = 'include/torch/csrc/api/include/torch/version.h';
// Newer versions define the version in this header, which the other one includes.
const newVersionHeader = 'include/torch/headeronly/version.h';

/**
 * Returns the folder of `l2t-native setup`: <data home>/l2t-native/libtorch.
 * @param {Variables} [env]
 */
export function setupFolder(env = process.env) {
  const home = env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local', 'share');
  return join(home, 'l2t-native', 'libtorch');
}

/**
 * 'major.minor.patch' from the text of LibTorch's version.h, or undefined.
 * @param {string} text
 */
function versionFromHeader(text) {
  const [major, minor, patch] = ['MAJOR', 'MINOR', 'PATCH'].map(
    (part) => new RegExp(`#define TORCH_VERSION_${part} (\\d+)`).exec(text)?.[1],
  );
  return major === undefined || minor === undefined ? undefined : `${major}.${minor}.${patch ?? 0}`;
}

/**
 * Returns whether a version like '2.6.0' or '2.6.0+dfsg-7' is new enough.
 * @param {string} version
 */
export function isNewEnough(version) {
  const numbers = (/** @type {string} */ text) => text.split('.').map((part) => Number.parseInt(part, 10));
  const [major = 0, minor = 0] = numbers(version);
  const [minMajor = 0, minMinor = 0] = numbers(minimumVersion);
  return major > minMajor || (major === minMajor && minor >= minMinor);
}

/** @returns {readonly string[]} */
function libraryFolders() {
  if (process.arch === 'x64') return ['lib', 'lib/x86_64-linux-gnu', 'lib64'];
  return process.arch === 'arm64' ? ['lib', 'lib/aarch64-linux-gnu', 'lib64'] : ['lib', 'lib64'];
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Loads a shared library in a child process. Returns undefined if it loads, else the reason. A library that is no Node
 * addon still loads: Node then says "did not self-register". A crash or a time-out of the child is a reason, too.
 * @type {Probe}
 */
export function probe(library, timeout = 60_000) {
  const program = `
    try { process.dlopen({ exports: {} }, process.argv[1], 1); console.log('loaded'); }
    catch (error) { console.log(/did not self-register/.test(error.message) ? 'loaded' : error.message); }`;
  const child = spawnSync(process.execPath, ['-e', program, library], {
    encoding: 'utf8',
    timeout,
    env: { ...loadEnvironment, ...process.env },
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.error !== undefined && 'code' in child.error && child.error.code === 'ETIMEDOUT')
    return `loading it took more than ${timeout / 1000} s`;
  if (child.error !== undefined) return `the trial process did not start: ${child.error.message}`;
  if (child.signal !== null) return `loading it crashed the trial process (${child.signal})`;
  const answer = child.stdout.trim();
  if (child.status !== 0) return `loading it ended the trial process (exit ${child.status})`;
  return answer === 'loaded' ? undefined : answer.split('\n')[0] || 'it does not load, without a reason';
}

/**
 * Looks at one folder. `folders`: where below it libraries may be. Returns what is there, or why it will not do.
 * @param {string} prefix
 * @param {Probe} [load]
 * @param {readonly string[]} [folders]
 * @returns {{ prefix: string, libDir: string, version: string, reason?: undefined } | { reason: string }}
 */
export function inspect(prefix, load = probe, folders = libraryFolders()) {
  if (!existsSync(prefix)) return { reason: 'no such folder' };
  const libDir = folders
    .map((folder) => join(prefix, folder))
    .find((folder) => existsSync(join(folder, 'libtorch.so')));
  if (libDir === undefined) return { reason: `no libtorch.so in ${folders.join(', ')}` };
  const header = readIfThere(join(prefix, versionHeader));
  if (header === undefined) return { reason: `no headers (${versionHeader} is missing)` };
  const version = versionFromHeader(header) ?? versionFromHeader(readIfThere(join(prefix, newVersionHeader)) ?? '');
  if (version === undefined) return { reason: `${versionHeader} does not tell the version` };
  if (!isNewEnough(version)) return { reason: `version ${version}; ${minimumVersion} or newer is needed` };
  const config = [join(prefix, 'share/cmake/Torch'), join(libDir, 'cmake/Torch')]
    .map((folder) => readIfThere(join(folder, 'TorchConfig.cmake')))
    .find((text) => text !== undefined);
  // The strings of libstdc++ from before C++11.
  if (config !== undefined && /_GLIBCXX_USE_CXX11_ABI=0/.test(config)) {
    return { reason: 'a pre-C++11-ABI build; take the archive whose name holds cxx11-abi' };
  }
  const reason = load(join(libDir, 'libtorch.so'));
  return reason === undefined ? { prefix, libDir, version } : { reason };
}

/**
 * The folder of the torch package that `python` would import, without importing it (which takes seconds).
 * @param {string} python
 */
function torchPackage(python) {
  const program =
    "import importlib.util as u; s = u.find_spec('torch'); print(list(s.submodule_search_locations)[0] if s else '')";
  const child = spawnSync(python, ['-c', program], { encoding: 'utf8', timeout: 20_000 });
  return child.status === 0 ? child.stdout.trim() || undefined : undefined;
}

/**
 * The places of PyTorch's LibTorch. The environment names them if LIBTORCH_USE_PYTORCH is 1.
 * @param {Variables} env
 * @param {(python: string) => string | undefined} findPackage
 */
function pytorchPlaces({ LIBTORCH_USE_PYTORCH, VIRTUAL_ENV, CONDA_PREFIX }, findPackage) {
  const named = LIBTORCH_USE_PYTORCH === '1';
  /** @type {Place[]} */
  const places = [];
  /** @type {(how: string, python: string, otherwise?: string) => void} */
  const add = (how, python, otherwise) => {
    const path = findPackage(python) ?? otherwise;
    if (path !== undefined) places.push({ how, path, named });
    else places.push({ how, path: python, named, reason: 'has no torch package' });
  };
  if (VIRTUAL_ENV) add('the active venv', join(VIRTUAL_ENV, 'bin/python'));
  if (CONDA_PREFIX) {
    const withLibrary = existsSync(join(CONDA_PREFIX, 'lib/libtorch.so')) ? CONDA_PREFIX : undefined;
    add('the active conda environment', join(CONDA_PREFIX, 'bin/python'), withLibrary);
  }
  if (named && places.length === 0) add('LIBTORCH_USE_PYTORCH=1', 'python3');
  return places;
}

/**
 * Every place to look at, in order. A place with a reason is refused without a look.
 * @param {Where} [where]
 * @returns {Place[]}
 */
function placesOf({ explicit, env = process.env, system = '/usr', findPackage = torchPackage } = {}) {
  if (explicit) return [{ how: '--libtorch', path: resolve(explicit), named: true }];
  if (env.LIBTORCH) return [{ how: 'LIBTORCH', path: resolve(env.LIBTORCH), named: true }];
  const python = pytorchPlaces(env, findPackage);
  if (python.some((place) => place.named)) return python;
  return [
    ...python,
    { how: 'l2t-native setup', path: setupFolder(env), named: false },
    { how: 'the system', path: system, named: false },
  ];
}

/**
 * Installs Debian's LibTorch. Returns undefined, or why not.
 * @param {(line: string) => void} say
 */
function installFromApt(say) {
  return aptInstall(aptPackages, say, () => {
    const offered = aptCandidate('libtorch-dev');
    if (offered === undefined) return 'apt-get knows no package libtorch-dev';
    return isNewEnough(offered) ? undefined : `apt-get offers libtorch-dev ${offered}; ${minimumVersion} is needed`;
  });
}

/**
 * Searches for LibTorch. `install`: what to do when nothing is found; it returns undefined, or why it installed nothing.
 * @param {Where & { load?: Probe, install?: () => string | undefined }} [options]
 * @returns {{ found: LibTorch | undefined, tried: Refusal[] }}
 */
export function findLibTorch({ load = probe, install, ...where } = {}) {
  /** @type {Refusal[]} */
  const tried = [];
  /** @type {(place: Pick<Place, 'how' | 'path' | 'reason'>) => LibTorch | undefined} */
  const look = ({ how, path, reason }) => {
    const seen = reason === undefined ? inspect(path, load) : { reason };
    if (seen.reason === undefined) return { ...seen, how };
    tried.push({ how, path, reason: seen.reason });
    return undefined;
  };
  const places = placesOf(where);
  for (const place of places) {
    const found = look(place);
    if (found !== undefined) return { found, tried };
  }
  if (install !== undefined && !places.some((place) => place.named)) {
    const reason = install();
    if (reason !== undefined) tried.push({ how: 'apt-get', path: aptPackages.join(' '), reason });
    else return { found: look({ how: 'apt-get', path: where.system ?? '/usr' }), tried };
  }
  return { found: undefined, tried };
}

/**
 * Returns the text for a failed search: every place tried, why each was refused, and how to go on.
 * @param {readonly Refusal[]} tried
 * @param {string} [cli]
 */
export function explain(tried, cli = 'npx l2t-native') {
  const lines = tried.map(({ how, path, reason }) => `  - ${how}: ${path}: ${reason}`);
  return [
    `LibTorch ${minimumVersion} or newer was not found. Tried:`,
    ...lines,
    'Any one of these fixes it:',
    `  1. Debian 13 or newer:  sudo apt-get update && sudo apt-get install -y ${aptPackages.join(' ')}`,
    `  2. the official archive: ${cli} setup --from '${archiveUrl}'`,
    '     (or --from a file or folder fetched elsewhere, without a network)',
    `  3. one you have:         export LIBTORCH=/path/to/libtorch, or, with PyTorch installed: export LIBTORCH_USE_PYTORCH=1`,
  ].join('\n');
}

/**
 * Calls findLibTorch and throws an error (code LIBTORCH_NOT_FOUND) with the full explanation if nothing is found.
 * Installs from apt if it may.
 * @param {{ explicit?: string | undefined, say: (line: string) => void, cli?: string }} options
 */
export function requireLibTorch({ explicit, say, cli }) {
  const { found, tried } = findLibTorch({ explicit, install: () => installFromApt(say) });
  if (found !== undefined) return found;
  throw Object.assign(new Error(explain(tried, cli)), { code: 'LIBTORCH_NOT_FOUND' });
}

/**
 * A key that changes whenever a new search could give another result; cheap, so that the bootstrap need not search.
 * @param {Pick<Where, 'explicit'>} [options]
 */
export function searchKey({ explicit } = {}) {
  const names = ['LIBTORCH', 'LIBTORCH_USE_PYTORCH', 'VIRTUAL_ENV', 'CONDA_PREFIX'];
  return JSON.stringify([explicit ?? '', ...names.map((name) => process.env[name] ?? ''), modified(setupFolder())]);
}
