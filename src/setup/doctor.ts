import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { addonPath, type CudaPart, isNativeCurrent, readBuildStamp } from '../../setup/build.mjs';
import { explain, findLibTorch, loadEnvironment } from '../../setup/libtorch.mjs';
import type { CudaDescription, CudaVersions, GpuDescription, NativeAddon } from '../native/contract.js';
import { cudaMismatch } from '../native/load-error.js';
import { readSystem } from '../system/limits.js';
import { defaultThreads } from '../system/threads.js';

/** One line of the report. 'note': it works, but could be better; 'broken': something cannot work. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'broken';
  readonly detail: string;
  /** The remedy for the user. */
  readonly fix?: string | undefined;
}

const check = (state: Check['state'], name: string, detail: string, fix?: string): Check => ({
  name,
  state,
  detail,
  fix,
});

/** The first line of a program's output, or undefined if the program fails or cannot be run. */
function firstLine(command: string, args: readonly string[]): string | undefined {
  const child = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  return child.status === 0 ? child.stdout.split('\n')[0]?.trim() : undefined;
}

interface SelfTest extends ReturnType<NativeAddon['info']> {
  readonly cudaVersions: CudaVersions;
  /** Undefined if addon and LibTorch are of different CUDA releases. */
  readonly cudaDescription?: CudaDescription;
  readonly device: ReturnType<NativeAddon['device']>;
  readonly backend: string;
  /** True if a run can use several processes. */
  readonly groups: boolean;
}

const rebuild = 'npx l2t-native build';
const apt = (name: string): string => `sudo apt-get update && sudo apt-get install -y ${name}`;

function checkNode(): Check {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 15)) return check('ok', 'Node', node);
  return check('broken', 'Node', `${node}; 20.15 or newer is needed`, 'nvm install 20');
}

/** Checks a tool that only compiling needs: once the addon is built, a missing tool is only a note. */
function checkTool(name: string, commands: readonly string[], packageName: string, built: boolean): Check {
  for (const command of commands) {
    const version = firstLine(command, ['--version']);
    if (version !== undefined) return check('ok', name, version);
  }
  return check(built ? 'note' : 'broken', name, 'not found', apt(packageName));
}

function checkLibTorch({ found, tried }: ReturnType<typeof findLibTorch>, built: boolean): Check {
  if (found === undefined) return check(built ? 'note' : 'broken', 'LibTorch', 'not found', explain(tried));
  return check('ok', 'LibTorch', `${found.version} in ${found.prefix} (${found.how})`);
}

/** Debian's LibTorch works with any BLAS, and the reference BLAS is many times slower than the others. */
function checkBlas(): Check[] {
  const library = '/usr/lib/x86_64-linux-gnu/libblas.so.3';
  if (readBuildStamp()?.libtorch.path !== '/usr' || !existsSync(library)) return [];
  const real = realpathSync(library);
  if (/openblas|mkl|blis/.test(real)) return [check('ok', 'BLAS', real)];
  return [check('note', 'BLAS', `${real} is slow`, apt('libopenblas0'))];
}

function checkAddon(built: boolean): Check {
  if (!built) return check('broken', 'Addon', `not built (${addonPath})`, rebuild);
  const stamp = readBuildStamp();
  if (stamp === undefined) return check('ok', 'Addon', addonPath);
  const detail = `built for LibTorch ${stamp.libtorch.version} in ${stamp.libtorch.path}`;
  if (isNativeCurrent()) return check('ok', 'Addon', detail);
  return check('note', 'Addon', `${detail}; sources or LibTorch changed since`, rebuild);
}

/** Loads the addon in a child process, so that a crash becomes a line of the report and does not end it. */
function selfTest(): { checked: Check; result?: SelfTest } {
  // Between major releases CUDA's structs change, so nothing of CUDA is called then.
  const program = `
    const addon = require(process.argv[1]);
    const device = addon.device('auto');
    const cudaVersions = addon.cudaVersions();
    const [compiled, runtime] = Object.values(cudaVersions).map((release) => release.split('.')[0]);
    const cudaDescription = compiled === runtime ? addon.cuda() : undefined;
    const backend = addon.backend(device.device, 'auto', 1);
    console.log(JSON.stringify({ ...addon.info(), cudaVersions, cudaDescription, device, backend, groups: addon.groups() }));`;
  const env = { ...loadEnvironment, ...process.env };
  const child = spawnSync(process.execPath, ['-e', program, addonPath], { encoding: 'utf8', timeout: 120_000, env });
  if (child.status === 0) {
    const result = JSON.parse(child.stdout) as SelfTest;
    const backend = /parallel backend: (\S+)/.exec(result.parallel)?.[1] ?? 'unknown backend';
    const kernels = `matrix products by ${result.gemm}, ${result.vectors} vectors`;
    const detail = `passed: LibTorch ${result.libtorch}, ${defaultThreads()} threads (${backend}), ${kernels}`;
    return { checked: check('ok', 'Self-test', detail), result };
  }
  const error = child.stderr.split('\n').find((line) => line.includes('Error:'));
  const detail = error ?? (child.signal === null ? `exit ${child.status}` : `the addon crashed (${child.signal})`);
  const stamp = readBuildStamp();
  const fix = stamp === undefined ? rebuild : `is LibTorch still in ${stamp.libtorch.path}? If not: ${rebuild}`;
  return { checked: check('broken', 'Self-test', detail.trim(), fix) };
}

function checkGroups({ groups }: SelfTest): Check {
  if (groups) return check('ok', 'Processes', 'a run can use several (docs/scale.md)');
  const detail = "a run can use one only: LibTorch has no c10d with Gloo, or Gloo's headers were not there";
  return check('note', 'Processes', detail, `${apt('libgloo-dev')} && ${rebuild}`);
}

/** Facts about CUDA on this machine. */
export interface CudaFacts {
  /** The driver's version; undefined if there is no driver. */
  readonly driver: string | undefined;
  /** The addon's CUDA part; undefined if nothing says how it was built. */
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
  const none = 'no NVIDIA driver (neither nvidia-smi nor /proc/driver/nvidia/version says one)';
  const driver = check('ok', 'GPU driver', facts.driver ?? none);
  return [driver, checkCuda(facts), ...(facts.found?.gpus ?? []).map(checkGpu)];
}

/** Examines this machine and the built addon, which is loaded in a child process. */
export function examine(): { checks: Check[]; libtorch: unknown; selfTest: SelfTest | undefined } {
  const built = existsSync(addonPath);
  const search = findLibTorch();
  const libtorch = { ...search.found, tried: search.tried };
  const checks = [
    checkNode(),
    checkTool('Compiler', ['g++', 'clang++'], 'g++', built),
    checkTool('CMake', ['cmake'], 'cmake', built),
    checkLibTorch(search, built),
    ...checkBlas(),
    checkAddon(built),
  ];
  if (!built) return { checks, libtorch, selfTest: undefined };
  const { checked, result } = selfTest();
  checks.push(checked);
  if (result !== undefined) {
    const { cudaVersions: versions, cudaDescription: found, device, backend } = result;
    checks.push(...cudaChecks({ driver: nvidiaDriver(), part: readBuildStamp()?.cuda, versions, found }));
    const detail = `auto chooses ${device.device}; its backend is ${backend}`;
    checks.push(check('ok', 'Device', detail), checkGroups(result));
  }
  return { checks, libtorch, selfTest: result };
}
