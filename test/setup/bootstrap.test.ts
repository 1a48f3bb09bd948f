import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isNativeCurrent, packageRoot } from '../../scripts/build-native.mjs';

test('a bootstrap with nothing to do does nothing, quickly', () => {
  const run = () => spawnSync(process.execPath, ['scripts/bootstrap.mjs'], { cwd: packageRoot, encoding: 'utf8' });
  // A minute's compiling is not for a test to start: `npm test` has done it.
  expect(isNativeCurrent({ programs: true }), 'native sources changed since the last build: npm run bootstrap').toBe(
    true,
  );
  run();
  const start = performance.now();
  const child = run();
  const seconds = (performance.now() - start) / 1000;
  console.log(`bootstrap, up to date: ${seconds.toFixed(2)} s`);
  expect(child.stderr).toBe('');
  expect(child.stdout.trim().split('\n')).toEqual([expect.stringMatching(/^\[set-up\] ready \(LibTorch .*\)$/)]);
  expect(seconds).toBeLessThan(10);
});

test('doctor finds nothing broken where the tests run, and says so in JSON', () => {
  const child = spawnSync(process.execPath, [join(packageRoot, 'dist/cli/l2t-native.cjs'), 'doctor', '--json'], {
    encoding: 'utf8',
  });
  const report = JSON.parse(child.stdout) as { ok: boolean; checks: { name: string; state: string }[] };
  expect(child.status).toBe(0);
  expect(report.ok).toBe(true);
  expect(report.checks.find(({ name }) => name === 'Self-test')?.state).toBe('ok');
});
