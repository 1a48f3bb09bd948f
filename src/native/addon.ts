import { createRequire } from 'node:module';
import { join } from 'node:path';
import { loadEnvironment } from '../../setup/libtorch.mjs';
import { type ErrorCode, L2TError } from '../errors.js';
import { requireRoomToLoad } from '../system/limits.js';
import type { NativeAddon } from './contract.js';
import { builtFolder, environment } from './environment.js';
import { loadError, requireMatchingCuda } from './load-error.js';

export type * from './contract.js';

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
  const path = join(builtFolder(), 'l2t_native.node');
  requireRoomToLoad();
  const native = requireAddon(path);
  native.useErrors((code, message) => new L2TError(code as ErrorCode, message.split('\n')));
  requireMatchingCuda(path, native.cudaVersions());
  return native;
}

function requireAddon(path: string): NativeAddon {
  try {
    setEnvironment();
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    throw loadError(path, error);
  }
}

/** Sets the environment variables that the libraries read when they are loaded. */
function setEnvironment(): void {
  const { setDefault } = environment();
  // OpenMP's threads wait for each other by spinning, by default 300,000 rounds. Beside another busy process, a run
  // would take ten times as long.
  if (process.env.OMP_WAIT_POLICY === undefined) setDefault('GOMP_SPINCOUNT', '1000');
  for (const [name, value] of Object.entries(loadEnvironment)) setDefault(name, value);
}
