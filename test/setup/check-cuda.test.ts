import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sourcesWith } from '../../scripts/apt-unpack.mjs';
import { packageRoot } from '../../scripts/build-native.mjs';
import { functionsOf } from '../../scripts/cuda-stubs.mjs';

const check = (...args: string[]) =>
  spawnSync(process.execPath, [join(packageRoot, 'scripts/check-cuda.mjs'), ...args], { encoding: 'utf8' });

test.each([[['--level', '4']], [['--level']], [['--levels', '1']]])('%s is refused', (args) => {
  expect(check(...args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/^usage: .*--level/) });
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
