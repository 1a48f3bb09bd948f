import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadEnvironment } from '../../scripts/libtorch.mjs';
import { type ErrorCode, L2TError } from '../errors.js';
import { requireRoomToLoad } from '../system/limits.js';
import type { NativeAddon } from './contract.js';
import { loadError, requireMatchingCuda } from './load-error.js';

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
  const native = requireAddon(path);
  native.useErrors((code, message) => new L2TError(code as ErrorCode, message.split('\n')));
  requireMatchingCuda(path, native.cudaVersions());
  return native;
}

function requireAddon(path: string): NativeAddon {
  try {
    setEnvironment(join(dirname(path), 'l2t_environment.node'));
    return createRequire(import.meta.url)(path) as NativeAddon;
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
