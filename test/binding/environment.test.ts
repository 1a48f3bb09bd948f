import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { loadEnvironment } from '../../setup/libtorch.mjs';

const load =
  "import('./dist/native/addon.js').then(({ addon }) => console.log(addon().info().gemm, process.env.CUBLAS_WORKSPACE_CONFIG, process.env.UCX_MEM_EVENTS))";

test('the loader sets what LibTorch must find, and leaves what is set already', () => {
  const env = (extra: Record<string, string>) =>
    execFileSync(process.execPath, ['-e', load], {
      cwd: packageRoot,
      env: { PATH: process.env.PATH, ...extra },
      encoding: 'utf8',
    });
  // cuBLAS is deterministic with that workspace.
  expect(env({})).toMatch(/ :4096:8 n$/m);
  expect(env({ UCX_MEM_EVENTS: 'y' })).toMatch(/ y$/m);
});

test('also where a worker thread loads first, whose process.env is its own', () => {
  const code = `new (require('node:worker_threads').Worker)(${JSON.stringify(load)}, { eval: true })
    .on('exit', () => console.log('main', process.env.UCX_MEM_EVENTS))`;
  const { UCX_MEM_EVENTS: _, ...env } = process.env;
  expect(execFileSync(process.execPath, ['-e', code], { cwd: packageRoot, env, encoding: 'utf8' })).toMatch(/main n$/m);
});

const strace = spawnSync('strace', ['--version']).status === 0;

test.skipIf(!strace)('loading leaves the heap alone: UCX does not try its hooks (needs strace)', () => {
  // UCX shrinks the heap together with a test of shared memory, which nothing else here uses. Calls of brk alone say
  // nothing: where the heap cannot grow, glibc itself shrinks it a page several times.
  const words = ['-f', '-qq', '-e', 'trace=brk,shmat', process.execPath, '-e', load];
  const { stderr } = spawnSync('strace', words, {
    cwd: packageRoot,
    env: { ...process.env, ...loadEnvironment },
    encoding: 'utf8',
  });
  expect(stderr).toContain('brk(');
  expect(stderr).not.toContain('shmat(');
});
