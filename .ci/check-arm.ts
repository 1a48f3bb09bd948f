/**
 * `npx tsx .ci/check-arm.ts`: checks the native part on 64-bit ARM as far as that is possible without such a machine, in two
 * levels.
 * 1. The addon and the tests' program compile and link for ARM, against Debian's LibTorch for arm64 (downloads 130 MB
 *    once), and the loops of the CPU's kernels are NEON instructions.
 * 2. The tests of these kernels pass under QEMU.
 * The last line names each level and its result. Where the cross compiler or QEMU is missing, it says what to install,
 * and exits with 0.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from '../setup/apt.mjs';
import { buildNative } from '../setup/build.mjs';
import { filesBelow, packageRoot } from '../setup/files.mjs';
import { inspect } from '../setup/libtorch.mjs';
import { runLevels } from './levels.js';
import { cacheFolder, unpackPackages } from './unpack.js';

const folder = 'build/check-arm';
const triplet = 'aarch64-linux-gnu';
const compiler = `${triplet}-g++`;
const emulator = 'qemu-aarch64';

const say = (line: string): void => console.log(`[check:arm] ${line}`);

/** Why nothing can be checked here; undefined if it can. */
function reasonToSkip(): string | undefined {
  if (process.arch === 'arm64') return 'this machine is 64-bit ARM itself, so npm test checks more';
  const packages = [
    ...(onPath(compiler) ? [] : [['g++-aarch64-linux-gnu', compiler]]),
    ...(onPath(emulator) ? [] : [['qemu-user', emulator]]),
  ];
  if (packages.length === 0) return undefined;
  const programs = packages.map(([, program]) => program).join(' and ');
  return `no ${programs} on the PATH; install with: sudo apt-get install -y ${packages.map(([name]) => name).join(' ')}`;
}

/** LibTorch for arm64 and all that it loads, downloaded at the first call: the root of a file system. */
function sysroot(): string {
  const cache = cacheFolder('check-arm');
  const root = join(cache, 'root');
  if (existsSync(root)) {
    say(`LibTorch for arm64 is in ${cache}`);
    return root;
  }
  unpackPackages({
    cache,
    packages: ['libtorch-dev', 'libgloo-dev'],
    complete: ['libtorch2.6', 'libgomp1'],
    architecture: 'arm64',
    size: { download: '130 MB', unpacked: '600 MB' },
    say,
  });
  // The dynamic linker is found there.
  if (!existsSync(join(root, 'lib'))) symlinkSync('usr/lib', join(root, 'lib'));
  return root;
}

/** Returns the library folders. An installation would link BLAS and LAPACK into the first. */
function libraryPath(root: string): string {
  const first = join(root, 'usr/lib', triplet);
  return [first, join(root, 'usr/lib'), join(first, 'blas'), join(first, 'lapack')].join(':');
}

/** Counts multiply-adds of whole vectors of floats, by set of instructions, in the loops' object file. */
function vectorInstructions(): { neon: number; scalar: number } {
  const object = filesBelow(join(packageRoot, folder)).find((path) => path.endsWith('/loops_baseline.cc.o'));
  if (object === undefined) throw new Error(`no loops_baseline.cc.o in ${folder}`);
  const child = spawnSync(`${triplet}-objdump`, ['-d', '--no-show-raw-insn', object], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (child.status !== 0) throw new Error(`${triplet}-objdump: ${child.stderr || child.error?.message}`);
  const count = (pattern: RegExp): number => child.stdout.match(pattern)?.length ?? 0;
  return { neon: count(/\tfml[as]\tv\d+\.4s/g), scalar: count(/\tfn?m(add|sub)\ts\d+/g) };
}

/** Level 1. */
function compiles(): void {
  const root = sysroot();
  const seen = inspect(join(root, 'usr'), () => undefined, [`lib/${triplet}`]);
  if (seen.reason !== undefined) throw new Error(`${root}: ${seen.reason}; remove it, and it is downloaded again`);
  say(`level 1: compiling for ARM against LibTorch ${seen.version} (some minutes)`);
  for (const target of ['l2t_addon', 'l2t_tests']) {
    buildNative({
      libtorch: { ...seen, how: 'check:arm' },
      folder,
      withCuda: 'off',
      target,
      define: [
        ...['CMAKE_SYSTEM_NAME=Linux', 'CMAKE_SYSTEM_PROCESSOR=aarch64', `CMAKE_CXX_COMPILER=${compiler}`],
        ...['CMAKE_SKIP_BUILD_RPATH=ON', `CMAKE_EXE_LINKER_FLAGS=-Wl,-rpath-link,${libraryPath(root)}`],
      ],
    });
  }
  const { neon, scalar } = vectorInstructions();
  say(`the loops hold ${neon} multiply-adds of four floats, and ${scalar} of one`);
  if (neon < 100 || scalar > neon) throw new Error('the loops are not compiled to NEON instructions');
}

/** Level 2. */
function runs(): void {
  const root = sysroot();
  const words = ['-L', root, '-E', `LD_LIBRARY_PATH=${libraryPath(root)}`, 'test/l2t_tests', '-ts=kernels'];
  say(`level 2: ${emulator} ${words.slice(-2).join(' ')}`);
  const child = spawnSync(emulator, words, { cwd: join(packageRoot, folder), stdio: ['ignore', 'inherit', 'inherit'] });
  if (child.status !== 0) throw new Error('tests under QEMU failed (see above)');
}

if (process.argv.length > 2) {
  console.error('usage: npx tsx .ci/check-arm.ts');
  process.exit(2);
}
const skipped = reasonToSkip();
if (skipped !== undefined) {
  console.log(`skipped: ${skipped}`);
} else {
  const results = runLevels([compiles, runs]);
  process.exitCode = results.every((result) => result === 'passed') ? 0 : 1;
}
