import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { packageRoot } from '../../scripts/build-native.mjs';
import { loadEnvironment } from '../../scripts/libtorch.mjs';

const load =
  "import('./dist/native/addon.js').then(({ addon }) => console.log(addon().info().gemm, process.env.UCX_MEM_EVENTS))";

test('the loader sets what LibTorch must find, and leaves what is set already', () => {
  const env = (extra: Record<string, string>) =>
    execFileSync(process.execPath, ['-e', load], {
      cwd: packageRoot,
      env: { PATH: process.env.PATH, ...extra },
      encoding: 'utf8',
    });
  expect(env({})).toMatch(/ n$/m);
  expect(env({ UCX_MEM_EVENTS: 'y' })).toMatch(/ y$/m);
});

test('also where a worker thread loads first, whose process.env is its own', () => {
  const code = `new (require('node:worker_threads').Worker)(${JSON.stringify(load)}, { eval: true })
    .on('exit', () => console.log('main', process.env.UCX_MEM_EVENTS))`;
  const { UCX_MEM_EVENTS: _, ...env } = process.env;
  expect(execFileSync(process.execPath, ['-e', code], { cwd: packageRoot, env, encoding: 'utf8' })).toMatch(/main n$/m);
});

const strace = spawnSync('strace', ['--version']).status === 0;

test.skipIf(!strace)('loading takes no page of the heap away (needs strace)', () => {
  const run = (env: Readonly<Record<string, string>>) => {
    const words = ['-f', '-qq', '-e', 'trace=brk', process.execPath, '-e', load];
    const { stderr } = spawnSync('strace', words, {
      cwd: packageRoot,
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    const ends = [...stderr.matchAll(/brk\(0x([0-9a-f]+)\)/g)].map(([, end = '']) => Number.parseInt(end, 16));
    return ends.filter((end, i) => i > 0 && (ends[i - 1] as number) - end === 4096).length;
  };
  // Node itself trims its heap by a page at most once.
  expect(run(loadEnvironment)).toBeLessThanOrEqual(1);
});
