import { spawnSync } from 'node:child_process';
import type { CudaPart } from '../../scripts/build-native.mjs';
import { readSystem } from '../system/limits.js';
import type { CudaDescription, CudaVersions, GpuDescription } from './contract.js';
import { cudaMismatch } from './load-error.js';

/** One line of the report. 'note': it works, but could be better; 'broken': something cannot work. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'broken';
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string | undefined;
}

export const check = (state: Check['state'], name: string, detail: string, fix?: string): Check => ({
  name,
  state,
  detail,
  fix,
});

/** The first line of a program's output, or undefined if the program fails or cannot be run. */
export function firstLine(command: string, args: readonly string[]): string | undefined {
  const child = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  return child.status === 0 ? child.stdout.split('\n')[0]?.trim() : undefined;
}

/** What doctor knows of CUDA here. */
export interface CudaFacts {
  /** The driver's version; undefined if there is no driver. */
  readonly driver: string | undefined;
  /** Whether the addon has its CUDA part; undefined if nothing says how it was built. */
  readonly part: CudaPart | undefined;
  readonly versions: CudaVersions;
  /** Undefined where addon and LibTorch are of different CUDA releases: then nothing of CUDA may be called. */
  readonly found: CudaDescription | undefined;
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

function checkGpu({ name, computeCapability, freeBytes, totalBytes }: GpuDescription, index: number): Check {
  const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
  const memory = `${gigabytes(freeBytes)} of ${gigabytes(totalBytes)} GB free`;
  return check('ok', `cuda:${index}`, `${name}, compute capability ${computeCapability}, ${memory}`);
}

export function cudaChecks(facts: CudaFacts): Check[] {
  return [checkDriver(facts), checkCuda(facts), ...(facts.found?.gpus ?? []).map(checkGpu)];
}
