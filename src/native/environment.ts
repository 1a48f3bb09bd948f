import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../errors.js';

/** The part of the addon that needs no LibTorch. Paths are of files; a negative number is the system's error number. */
export interface Environment {
  /** Sets a variable of the process's own environment, which libraries see, unless it is set already. */
  setDefault(name: string, value: string): void;
  /** Takes the kernel's lock on a file, which is created if it is missing, and returns a descriptor that holds it. */
  lock(path: string): number;
  /** Releases what `lock` took. The end of the thread or of the process does it, too. */
  unlock(descriptor: number): void;
  /** 1 where somebody holds the lock, 0 where nobody does. */
  isLocked(path: string): number;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const places = [
  // The build named by the environment, such as that of `npx tsx .ci/test-asan.ts`.
  ...(process.env.L2T_NATIVE_BUILD ? [join(process.env.L2T_NATIVE_BUILD, 'Release')] : []),
  join(root, 'build', 'Release'),
  join(root, 'binding', 'build', 'Release'),
];

/** The folder with the native part. @throws L2TError ADDON_NOT_BUILT. */
export function builtFolder(): string {
  const folder = places.find((place) => existsSync(join(place, 'l2t_native.node')));
  if (folder !== undefined) return folder;
  throw new L2TError(
    'ADDON_NOT_BUILT',
    `The native part is not built: run \`npx l2t-native build\` (in a clone, \`npm run demo\` does it). Looked for ${places.map((place) => join(place, 'l2t_native.node')).join(' and ')}.`,
  );
}

export const environment = (): Environment =>
  createRequire(import.meta.url)(join(builtFolder(), 'l2t_environment.node'));
