import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CudaFacts, cudaChecks, driverInFile, nvidiaDriver } from '../../src/setup/doctor.js';
import { cli, temporaryFolder } from '../tiny.js';

const gpu = {
  name: 'NVIDIA A100',
  computeCapability: '8.0',
  freeBytes: 41.2e9,
  totalBytes: 42.4e9,
  float32Gflops: 19_500,
};
const ready: CudaFacts = {
  driver: '550.54.15',
  part: { built: true, reason: 'CUDA 12.4 of /usr/bin/nvcc' },
  versions: { compiledFor: '12.6', runtime: '12.4' },
  found: { problem: '', cudnn: '9.1.0', gpus: [gpu, gpu] },
};

const lineOf = (facts: CudaFacts, name = 'CUDA') => cudaChecks(facts).find((check) => check.name === name);

test('a GPU that can be used: driver, releases, cuDNN, and each device', () => {
  expect(cudaChecks(ready).map(({ name, state }) => [name, state])).toEqual(
    ['GPU driver', 'CUDA', 'cuda:0', 'cuda:1'].map((name) => [name, 'ok']),
  );
  expect(lineOf(ready, 'GPU driver')?.detail).toBe('550.54.15');
  expect(lineOf(ready)?.detail).toBe('usable: compiled with CUDA 12.6, LibTorch brings CUDA 12.4, cuDNN 9.1.0');
  expect(lineOf(ready, 'cuda:1')?.detail).toBe('NVIDIA A100, compute capability 8.0, 41.2 of 42.4 GB free');
});

test('a machine without a driver lacks nothing, but the reason is said', () => {
  const facts = {
    driver: undefined,
    part: { built: false, reason: 'no nvcc' },
    versions: { compiledFor: '', runtime: '' },
    found: { problem: 'LibTorch is without CUDA', cudnn: '', gpus: [] },
  };
  expect(lineOf(facts)).toEqual({
    name: 'CUDA',
    state: 'ok',
    detail: 'not usable: LibTorch is without CUDA',
  });
  expect(lineOf({ ...facts, driver: '550.54.15' })?.state).toBe('note');
});

test('a GPU without the CUDA part: what to do', () => {
  const facts = { ...ready, part: { built: false, reason: 'no nvcc' }, versions: { compiledFor: '', runtime: '' } };
  expect(lineOf(facts)).toMatchObject({
    state: 'note',
    detail: 'usable, but slow: the addon has no CUDA part (no nvcc)',
    fix: 'npx l2t-native build --with-cuda on',
  });
});

test('releases that do not fit are broken', () => {
  const versions = { compiledFor: '13.0', runtime: '12.4' };
  expect(lineOf({ ...ready, versions, found: undefined })).toMatchObject({
    state: 'broken',
    detail: expect.stringMatching(/compiled with CUDA 13\.0, but LibTorch brings CUDA 12\.4/),
  });
});

test("the driver's version, from the kernel module's file", () => {
  const text = [
    'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22)',
    'GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)',
  ].join('\n');
  expect(driverInFile(text)).toBe('580.65.06');
  expect(driverInFile('GCC version: 12.3.0 ')).toBeUndefined();
  expect(nvidiaDriver(join(temporaryFolder(), 'version'), 'no-such-program')).toBeUndefined();
  const file = join(temporaryFolder(), 'version');
  writeFileSync(file, text);
  expect(nvidiaDriver(file, 'no-such-program')).toBe('580.65.06');
});

test('doctor finds nothing broken where the tests run, and says so in JSON', async () => {
  const { code, stdout } = await cli(['doctor', '--json']);
  const report = JSON.parse(stdout) as { ok: boolean; checks: { name: string; state: string }[] };
  expect([code, report.ok]).toEqual([0, true]);
  expect(report.checks.find(({ name }) => name === 'Self-test')?.state).toBe('ok');
});
