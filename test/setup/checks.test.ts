import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { functionsOf } from '../../.ci/cuda-libtorch.js';
import { sourcesWith } from '../../.ci/unpack.js';
import { packageRoot } from '../../setup/files.mjs';
import { temporaryFolder, write } from '../tiny.js';

/** Runs a check where only these programs are on the PATH. */
function check(name: string, args: readonly string[], programs: readonly string[] = []) {
  const folder = temporaryFolder();
  for (const program of programs) chmodSync(write(folder, program, ''), 0o755);
  return spawnSync(process.execPath, ['--import', 'tsx', join('.ci', name), ...args], {
    cwd: packageRoot,
    encoding: 'utf8',
    env: { ...process.env, PATH: folder },
  });
}

test.each([
  ['check-arm.ts', ['--level'], /^usage: npx tsx \.ci\/check-arm\.ts$/m],
  ['check-cuda.ts', ['--level', '4'], /^usage: .*--level/],
  ['check-cuda.ts', ['--level'], /^usage: .*--level/],
  ['check-cuda.ts', ['--levels', '1'], /^usage: .*--level/],
])('%s refuses %j', (name, args, usage) => {
  expect(check(name, args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(usage) });
});

describe.skipIf(process.arch === 'arm64')('check:arm names what is missing, with the command that installs it', () => {
  test.each([
    [[], 'aarch64-linux-gnu-g++ and qemu-aarch64', 'g++-aarch64-linux-gnu qemu-user'],
    [['qemu-aarch64'], 'aarch64-linux-gnu-g++', 'g++-aarch64-linux-gnu'],
    [['aarch64-linux-gnu-g++'], 'qemu-aarch64', 'qemu-user'],
  ])('with %j on the PATH', (programs, missing, packages) => {
    const line = `skipped: no ${missing} on the PATH; install with: sudo apt-get install -y ${packages}\n`;
    expect(check('check-arm.ts', [], programs)).toMatchObject({ status: 0, stdout: line });
  });
});

test("apt's mirrors, with the sections that hold CUDA", () => {
  const targets = [
    'http://mirror.example/debian/|trixie|main|/usr/share/keyrings/debian.gpg',
    'http://mirror.example/debian/|trixie|contrib|/usr/share/keyrings/debian.gpg',
    'file:/srv/local/|./||',
    'https://other.example/debian/|trixie-updates|main|',
    '',
  ].join('\n');
  expect(sourcesWith(['main', 'contrib', 'non-free'], targets)).toEqual([
    'deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian/ trixie main contrib non-free',
    'deb https://other.example/debian/ trixie-updates main contrib non-free',
  ]);
});

test('a stub holds the functions of its library: by version, or by prefix where they have none', () => {
  const symbols = [
    'cublasCreate_v2@libcublas.so.12',
    'cublasLtCreate@libcublasLt.so.12',
    'ncclSend',
    'curandFree',
    'abs',
  ];
  expect(functionsOf('libcublas.so.12', symbols)).toEqual(['cublasCreate_v2@libcublas.so.12']);
  expect(functionsOf('libnccl.so.2', symbols)).toEqual(['ncclSend']);
  expect(functionsOf('libcurand.so.10', symbols)).toEqual(['curandFree']);
});
