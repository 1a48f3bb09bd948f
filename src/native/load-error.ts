import { readFileSync } from 'node:fs';
import { type ErrorCode, L2TError } from '../errors.js';
import { isLoadingOutOfRoom } from '../system/limits.js';
import type { CudaVersions } from './contract.js';

const rebuild = 'run `npx l2t-native build`, with LIBTORCH set to the LibTorch to use';

/** Meanings of the dynamic loader's messages. The first pattern that matches counts. */
const loadProblems: readonly [pattern: RegExp, code: ErrorCode, meaning: string][] = [
  [/Too many open files/, 'FILE_ACCESS', 'too many files are open: raise the limit (ulimit -n)'],
  [
    /lib(torch|c10)_cuda\S*: cannot open/,
    'LIBTORCH_NOT_FOUND',
    `it was built for a CUDA LibTorch, but this one has no CUDA: ${rebuild}`,
  ],
  [/lib(torch|c10)\S*: cannot open/, 'LIBTORCH_NOT_FOUND', `the LibTorch that it was built for is gone: ${rebuild}`],
  [
    /lib(cu|nccl|nv)\S*\.so\S*: cannot open/,
    'LIBTORCH_NOT_FOUND',
    `a CUDA library that LibTorch needs is missing: install it, or add its folder to LD_LIBRARY_PATH; for a LibTorch without CUDA, ${rebuild}`,
  ],
  [
    /(\S+\.so\S*): cannot open/,
    'LIBTORCH_NOT_FOUND',
    'a library that LibTorch needs is missing: install it, or add its folder to LD_LIBRARY_PATH',
  ],
  [
    /undefined symbol: \S*cuda|version .*cudart.* not found/i,
    'ADDON_NOT_BUILT',
    `it was built against another CUDA LibTorch than the one found, which may have no CUDA: ${rebuild}`,
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

/** Returns an error that says what the loader's error means, and what to do about it. */
export function loadError(path: string, cause: unknown): L2TError {
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

/**
 * Why an addon of one CUDA does not work with a LibTorch of another: between major releases, CUDA's structs and
 * functions change. Undefined if the two fit, or the addon has no CUDA part.
 */
export function cudaMismatch({ compiledFor, runtime }: CudaVersions): string | undefined {
  const major = (release: string): string | undefined => release.split('.')[0];
  if (major(compiledFor) === major(runtime)) return undefined;
  return `it was compiled with CUDA ${compiledFor}, but LibTorch brings CUDA ${runtime}: set CUDA_HOME to a toolkit of CUDA ${major(runtime)} and run \`npx l2t-native build\`, or build without CUDA (\`npx l2t-native build --with-cuda off\`)`;
}

/** Refuses an addon of another major release of CUDA. L2T_CUDA_ANY_VERSION=1, which check:cuda sets, lets it pass. */
export function requireMatchingCuda(path: string, versions: CudaVersions, env = process.env): void {
  const mismatch = cudaMismatch(versions);
  if (mismatch === undefined || env.L2T_CUDA_ANY_VERSION === '1') return;
  throw new L2TError('ADDON_NOT_BUILT', `The native part ${path}${builtFor(path)} cannot be used; ${mismatch}.`);
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
