import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { isNativeCurrent } from '../../setup/build.mjs';
import { packageRoot } from '../../setup/files.mjs';

test('a bootstrap with nothing to do does nothing, quickly', () => {
  const run = () => spawnSync(process.execPath, ['setup/bootstrap.mjs'], { cwd: packageRoot, encoding: 'utf8' });
  // A minute's compiling is not for a test to start: `npm test` has done it.
  expect(
    isNativeCurrent({ programs: true }),
    'native sources changed since the last build: node setup/bootstrap.mjs',
  ).toBe(true);
  run();
  const start = performance.now();
  const child = run();
  const seconds = (performance.now() - start) / 1000;
  console.log(`bootstrap, up to date: ${seconds.toFixed(2)} s`);
  expect(child.stderr).toBe('');
  expect(child.stdout.trim().split('\n')).toEqual([expect.stringMatching(/^\[set-up\] ready \(LibTorch .*\)$/)]);
  expect(seconds).toBeLessThan(10);
});

/** Starts Node. Returns the process, and what it prints once that contains `words`. */
function start(args: readonly string[]): { child: ChildProcess; printed: (words: string) => Promise<string> } {
  const child = spawn(process.execPath, args, { cwd: packageRoot, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const printed = async (words: string): Promise<string> => {
    while (!text.includes(words)) await once(child.stdout, 'data');
    return text;
  };
  return { child, printed };
}

test('a bootstrap waits for another one, and goes on when that is killed', async () => {
  const holding = `import { takeLock } from './setup/files.mjs';
    takeLock('package-lock.json', () => console.log('not free'));
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const holder = start(['--input-type=module', '-e', holding]);
  expect(await holder.printed('locked')).toBe('locked\n');
  const bootstraps = [0, 1].map(() => start(['setup/bootstrap.mjs']));
  for (const { printed } of bootstraps) expect(await printed('waiting')).not.toContain('ready');
  holder.child.kill('SIGKILL');
  await Promise.all(bootstraps.map(({ printed }) => printed('ready')));
});
