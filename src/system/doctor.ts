import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { addonPath, isNativeCurrent, readBuildStamp } from '../../scripts/build-native.mjs';
import { explain, findLibTorch, loadEnvironment } from '../../scripts/libtorch.mjs';
import type { CudaReleases } from './cuda-versions.js';
import { type Check, firstLine } from './doctor-check.js';
import { type CudaReport, cudaChecks, nvidiaDriver } from './doctor-cuda.js';
import { defaultThreads } from './threads.js';

export interface SelfTest {
  readonly libtorch: string;
  readonly cuda: boolean;
  readonly cudaVersions: CudaReleases;
  /** Undefined if addon and LibTorch are of different CUDA releases. */
  readonly cudaDescription?: CudaReport;
  readonly parallel: string;
  readonly gemm: string;
  readonly vectors: string;
  readonly device: { readonly device: string; readonly reason: string };
  readonly backend: string;
  /** Can a run use several processes? */
  readonly groups: boolean;
}

const apt = (name: string): string => `sudo apt-get update && sudo apt-get install -y ${name}`;

function checkNode(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 15);
  return ok
    ? { name: 'Node', state: 'ok', detail: process.versions.node }
    : {
        name: 'Node',
        state: 'broken',
        detail: `${process.versions.node}; 20.15 or newer is needed`,
        fix: 'nvm install 20',
      };
}

/** Checks a tool that only compiling needs: once the addon is built, a missing tool is only a note. */
function checkTool(name: string, commands: readonly string[], packageName: string, built: boolean): Check {
  for (const command of commands) {
    const version = firstLine(command, ['--version']);
    if (version !== undefined) return { name, state: 'ok', detail: version };
  }
  return { name, state: built ? 'note' : 'broken', detail: 'not found', fix: apt(packageName) };
}

function checkLibTorch(built: boolean): { check: Check; libtorch: unknown } {
  const { found, tried } = findLibTorch();
  if (found === undefined) {
    const check: Check = {
      name: 'LibTorch',
      state: built ? 'note' : 'broken',
      detail: 'not found',
      fix: explain(tried),
    };
    return { check, libtorch: { tried } };
  }
  const detail = `${found.version} in ${found.prefix} (${found.how})`;
  return { check: { name: 'LibTorch', state: 'ok', detail }, libtorch: { ...found, tried } };
}

/** Debian's LibTorch works with any BLAS, and the reference BLAS is many times slower than the others. */
function checkBlas(): Check[] {
  const library = '/usr/lib/x86_64-linux-gnu/libblas.so.3';
  if (readBuildStamp()?.libtorch.path !== '/usr' || !existsSync(library)) return [];
  const real = realpathSync(library);
  if (/openblas|mkl|blis/.test(real)) return [{ name: 'BLAS', state: 'ok', detail: real }];
  return [{ name: 'BLAS', state: 'note', detail: `${real} is slow`, fix: apt('libopenblas0') }];
}

function checkAddon(): Check {
  const stamp = readBuildStamp();
  if (!existsSync(addonPath())) {
    return { name: 'Addon', state: 'broken', detail: `not built (${addonPath()})`, fix: 'npx l2t-native build' };
  }
  if (stamp === undefined) return { name: 'Addon', state: 'ok', detail: addonPath() };
  const detail = `built for LibTorch ${stamp.libtorch.version} in ${stamp.libtorch.path}`;
  return isNativeCurrent()
    ? { name: 'Addon', state: 'ok', detail }
    : {
        name: 'Addon',
        state: 'note',
        detail: `${detail}; sources or LibTorch changed since`,
        fix: 'npx l2t-native build',
      };
}

/** Loads the addon in a child process, so that a crash becomes a line of the report and does not end it. */
function selfTest(): { check: Check; result?: SelfTest } {
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
  const child = spawnSync(process.execPath, ['-e', program, addonPath()], { encoding: 'utf8', timeout: 120_000, env });
  if (child.status === 0) {
    const result = JSON.parse(child.stdout) as SelfTest;
    const backend = /parallel backend: (\S+)/.exec(result.parallel)?.[1] ?? 'unknown backend';
    const kernels = `matrix products by ${result.gemm}, ${result.vectors} vectors`;
    const detail = `passed: LibTorch ${result.libtorch}, ${defaultThreads()} threads (${backend}), ${kernels}`;
    return { check: { name: 'Self-test', state: 'ok', detail }, result };
  }
  const said = child.stderr.split('\n').find((line) => line.includes('Error:'));
  const detail = said ?? (child.signal === null ? `exit ${child.status}` : `the addon crashed (${child.signal})`);
  const stamp = readBuildStamp();
  const fix =
    stamp === undefined
      ? 'npx l2t-native build'
      : `is LibTorch still in ${stamp.libtorch.path}? If not: npx l2t-native build`;
  return { check: { name: 'Self-test', state: 'broken', detail: detail.trim(), fix } };
}

function checkGroups({ groups }: SelfTest): Check {
  const name = 'Processes';
  if (groups) return { name, state: 'ok', detail: 'a run can use several (docs/scale.md)' };
  const detail = "a run can use one only: LibTorch has no c10d with Gloo, or Gloo's headers were not there";
  return { name, state: 'note', detail, fix: `${apt('libgloo-dev')} && npx l2t-native build` };
}

/** Examines this machine and the built addon, which is loaded in a child process. */
export function examine(): { checks: Check[]; libtorch: unknown; selfTest: SelfTest | undefined } {
  const built = existsSync(addonPath());
  const { check, libtorch } = checkLibTorch(built);
  const checks = [
    checkNode(),
    checkTool('Compiler', ['g++', 'clang++'], 'g++', built),
    checkTool('CMake', ['cmake'], 'cmake', built),
    check,
    ...checkBlas(),
    checkAddon(),
  ];
  if (!built) return { checks, libtorch, selfTest: undefined };
  const test = selfTest();
  checks.push(test.check);
  if (test.result !== undefined) {
    const { cudaVersions: versions, cudaDescription: found, device } = test.result;
    checks.push(...cudaChecks({ driver: nvidiaDriver(), part: readBuildStamp()?.cuda, versions, found }));
    const detail = `auto chooses ${device.device}; its backend is ${test.result.backend}`;
    checks.push({ name: 'Device', state: 'ok', detail }, checkGroups(test.result));
  }
  return { checks, libtorch, selfTest: test.result };
}
