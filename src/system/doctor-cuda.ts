import type { CudaPart } from '../../scripts/build-native.mjs';
import { type CudaReleases, cudaMismatch } from './cuda-versions.js';
import { type Check, check, firstLine } from './doctor-check.js';
import { readSystem } from './limits.js';

interface Gpu {
  readonly name: string;
  readonly computeCapability: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What the addon says of CUDA. */
export interface CudaReport {
  /** Why no GPU can be used; '' if one can. */
  readonly problem: string;
  readonly cudnn: string;
  readonly gpus: readonly Gpu[];
}

/** What doctor knows of CUDA here. */
export interface CudaFacts {
  /** The driver's version; undefined if there is no driver. */
  readonly driver: string | undefined;
  /** Whether the addon has its CUDA part; undefined if nothing says how it was built. */
  readonly part: CudaPart | undefined;
  readonly versions: CudaReleases;
  /** Undefined where addon and LibTorch are of different CUDA releases: then nothing of CUDA may be called. */
  readonly found: CudaReport | undefined;
}

/** The version in /proc/driver/nvidia/version: the first number with dots in the line of the kernel module. */
export const driverInFile = (text: string): string | undefined =>
  /^NVRM version:.*?\s(\d+(?:\.\d+)+)\s/m.exec(text)?.[1];

/** The NVIDIA driver's version, or undefined if there is none. */
export function nvidiaDriver(file = '/proc/driver/nvidia/version', smi = 'nvidia-smi'): string | undefined {
  return firstLine(smi, ['--query-gpu=driver_version', '--format=csv,noheader']) || driverInFile(readSystem(file));
}

function checkDriver({ driver }: CudaFacts): Check {
  const none = 'no NVIDIA driver (neither nvidia-smi nor /proc/driver/nvidia/version says one)';
  return check('ok', 'GPU driver', driver ?? none);
}

/** Why CUDA is or isn't usable. Without a driver, a machine is not meant for it, and nothing has to be done. */
function checkCuda({ driver, part, versions, found }: CudaFacts): Check {
  const mismatch = cudaMismatch(versions);
  if (mismatch !== undefined || found === undefined) {
    return check('broken', 'CUDA', mismatch ?? 'the addon does not describe it');
  }
  if (found.problem !== '') return check(driver === undefined ? 'ok' : 'note', 'CUDA', `not usable: ${found.problem}`);
  const { compiledFor, runtime } = versions;
  if (compiledFor === '') {
    const because = part === undefined ? '' : ` (${part.reason})`;
    const detail = `usable, but slow: the addon has no CUDA part${because}`;
    return check('note', 'CUDA', detail, 'npx l2t-native build --with-cuda on');
  }
  const detail = `usable: compiled with CUDA ${compiledFor}, LibTorch brings CUDA ${runtime}, cuDNN ${found.cudnn}`;
  return check('ok', 'CUDA', detail);
}

function checkGpu({ name, computeCapability, freeBytes, totalBytes }: Gpu, index: number): Check {
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
  const memory = `${gigabytes(freeBytes)} of ${gigabytes(totalBytes)} GB free`;
  return check('ok', `cuda:${index}`, `${name}, compute capability ${computeCapability}, ${memory}`);
}

export function cudaChecks(facts: CudaFacts): Check[] {
  return [checkDriver(facts), checkCuda(facts), ...(facts.found?.gpus ?? []).map(checkGpu)];
}
