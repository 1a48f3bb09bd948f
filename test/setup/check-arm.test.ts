import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../scripts/build-native.mjs';
import { temporaryFolder } from './places.js';

/** Runs check:arm where only these programs are on the PATH. */
function check(programs: readonly string[], ...args: string[]) {
  const folder = temporaryFolder();
  for (const name of programs) {
    writeFileSync(join(folder, name), '');
    chmodSync(join(folder, name), 0o755);
  }
  return spawnSync(process.execPath, [join(packageRoot, 'scripts/check-arm.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, PATH: folder },
  });
}

test('an argument is refused', () => {
  expect(check([], '--level')).toMatchObject({ status: 2, stdout: '', stderr: 'usage: npm run check:arm\n' });
});

describe.skipIf(process.arch === 'arm64')('what is missing is named, with the command that installs it', () => {
  test.each([
    [[], 'aarch64-linux-gnu-g++ and qemu-aarch64', 'g++-aarch64-linux-gnu qemu-user'],
    [['qemu-aarch64'], 'aarch64-linux-gnu-g++', 'g++-aarch64-linux-gnu'],
    [['aarch64-linux-gnu-g++'], 'qemu-aarch64', 'qemu-user'],
  ])('with %j on the PATH', (programs, missing, packages) => {
    const line = `skipped: no ${missing} on the PATH; install with: sudo apt-get install -y ${packages}\n`;
    expect(check(programs)).toMatchObject({ status: 0, stdout: line });
  });
});
