import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadEnvironment } from '../../scripts/libtorch.mjs';
import { type ErrorCode, L2TError } from '../errors.js';
import { isLoadingOutOfRoom, requireRoomToLoad } from '../system/limits.js';
import type { NativeAddon } from './contract.js';

export type * from './contract.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const places = [
  // The build named by the environment, such as that of `npm run test:asan`.
  ...(process.env.L2T_NATIVE_BUILD ? [join(process.env.L2T_NATIVE_BUILD, 'Release', 'l2t_native.node')] : []),
  join(root, 'build', 'Release', 'l2t_native.node'),
  join(root, 'binding', 'build', 'Release', 'l2t_native.node'),
];

let loaded: NativeAddon | undefined;

/**
 * The addon, loaded by the first call. Its errors and rejections are L2TErrors.
 * @throws L2TError ADDON_NOT_BUILT or LIBTORCH_NOT_FOUND, with the command that helps.
 */
export function addon(): NativeAddon {
  loaded ??= load();
  return loaded;
}

function load(): NativeAddon {
  const path = places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new L2TError(
      'ADDON_NOT_BUILT',
      `The native part is not built: run \`npx l2t-native build\` (in a clone, \`npm run demo\` does it). Looked for ${places.join(' and ')}.`,
    );
  }
  requireRoomToLoad();
  try {
    setEnvironment(join(dirname(path), 'l2t_environment.node'));
    const native = createRequire(import.meta.url)(path) as NativeAddon;
    native.useErrors((code, message) => new L2TError(code as ErrorCode, message.split('\n')));
    return native;
  } catch (error) {
    throw loadError(path, error);
  }
}

/**
 * Sets the environment variables that the libraries read when they are loaded. Through the addon, because a worker
 * thread's process.env is a copy that the libraries do not see.
 */
function setEnvironment(path: string): void {
  const { setDefault } = createRequire(import.meta.url)(path) as { setDefault(name: string, value: string): void };
  // OpenMP's threads wait for each other by spinning, by default 300,000 rounds. Beside another busy process, a run
  // would take ten times as long.
  if (process.env.OMP_WAIT_POLICY === undefined) setDefault('GOMP_SPINCOUNT', '1000');
  for (const [name, value] of Object.entries(loadEnvironment)) setDefault(name, value);
}

const rebuild = 'run `npx l2t-native build`, with LIBTORCH set to the LibTorch to use';

/** What messages of the dynamic loader mean. The first pattern that matches counts. */
const loadProblems: readonly [pattern: RegExp, code: ErrorCode, meaning: string][] = [
  [/Too many open files/, 'FILE_ACCESS', 'too many files are open: raise the limit (ulimit -n)'],
  [
    /libtorch_cuda\S*: cannot open/,
    'LIBTORCH_NOT_FOUND',
    `it was built for a CUDA LibTorch, but this one has no CUDA: ${rebuild}`,
  ],
  [/lib(torch|c10)\S*: cannot open/, 'LIBTORCH_NOT_FOUND', `the LibTorch that it was built for is gone: ${rebuild}`],
  [
    /(\S+\.so\S*): cannot open/,
    'LIBTORCH_NOT_FOUND',
    'a library that LibTorch needs is missing: install it, or add its folder to LD_LIBRARY_PATH',
  ],
  [
    /undefined symbol|version .* not found/,
    'ADDON_NOT_BUILT',
    `it was built against another LibTorch than the one found: ${rebuild}`,
  ],
  [
    /invalid ELF header|wrong ELF class|not a mach-o|incompatible architecture|file too short/i,
    'ADDON_NOT_BUILT',
    `it is damaged or of another machine: ${rebuild}`,
  ],
];

function loadError(path: string, cause: unknown): L2TError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (isLoadingOutOfRoom(text)) {
    const message = `There is no room to load the native part: raise the limit of the address space (ulimit -v). The loader said: ${text}`;
    return new L2TError('OUT_OF_MEMORY', message, { cause });
  }
  const problem = loadProblems.find(([pattern]) => pattern.test(text));
  const code = problem?.[1] ?? 'ADDON_NOT_BUILT';
  return new L2TError(
    code,
    `The native part ${path}${builtFor(path)} cannot be loaded; ${problem?.[2] ?? rebuild}. The loader said: ${text}`,
    { cause },
  );
}

/** The LibTorch that the addon was built for, from the file that the build writes beside it; '' if there is none. */
function builtFor(path: string): string {
  try {
    const { libtorch } = JSON.parse(readFileSync(path.replace(/node$/, 'json'), 'utf8'));
    return ` (built for LibTorch ${libtorch.version} in ${libtorch.path})`;
  } catch {
    return '';
  }
}
