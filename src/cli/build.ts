import type { Command } from 'commander';
import { addonPath, buildNative } from '../../setup/build.mjs';
import { requireLibTorch } from '../../setup/libtorch.mjs';
import { L2TError } from '../errors.js';
import { refused } from '../options/check.js';
import { fileError } from '../system/files.js';
import { printableJson } from '../system/printable.js';
import { say } from './progress.js';

/** The set-up scripts run before L2TError is compiled, so their errors carry a code only. */
function asL2TError(error: unknown): L2TError {
  const { code, message, syscall, path } = error as NodeJS.ErrnoException;
  if (syscall !== undefined && path !== undefined) return fileError('write', path, error);
  const known = code === 'ADDON_NOT_BUILT' || code === 'LIBTORCH_NOT_FOUND' ? code : 'INTERNAL';
  return new L2TError(known, message.split('\n'), { cause: error });
}

function build(options: { readonly libtorch?: string; readonly withCuda?: string; readonly json?: boolean }): void {
  if (!['auto', 'on', 'off', undefined].includes(options.withCuda)) {
    throw refused('--with-cuda', options.withCuda, 'auto, on or off');
  }
  const start = performance.now();
  try {
    say('Looking for LibTorch …');
    const libtorch = requireLibTorch({ explicit: options.libtorch, say });
    say(`LibTorch ${libtorch.version} in ${libtorch.prefix} (${libtorch.how}). Compiling, one or two minutes …`);
    const cuda = buildNative({ libtorch, explicit: options.libtorch, withCuda: options.withCuda });
    const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
    const result = { addon: addonPath, libtorch: libtorch.prefix, version: libtorch.version, cuda, seconds };
    if (options.json) console.log(printableJson(result));
    else {
      console.log(`Built ${result.addon} for LibTorch ${result.version} in ${result.libtorch} (${seconds} s).`);
      console.log(`CUDA part: ${cuda.built ? 'on' : 'off'} (${cuda.reason}).`);
    }
  } catch (error) {
    throw asL2TError(error);
  }
}

export function register(command: Command): void {
  command
    .option('--libtorch <dir>', 'LibTorch to use: a folder that holds include/ and lib/')
    .option(
      '--with-cuda <when>',
      'the part for NVIDIA GPUs: auto (if LibTorch and the CUDA toolkit allow it), on or off',
    )
    .option('--json', 'print the result as one JSON document')
    .action(build);
}
