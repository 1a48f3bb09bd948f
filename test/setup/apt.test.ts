import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { aptInstall } from '../../setup/apt.mjs';
import { temporaryFolder, write } from '../tiny.js';

/** Puts an apt-get and a sudo before the real ones that only write down what they are asked for. */
function pretend(fails = 'nothing'): () => string[] {
  const folder = temporaryFolder();
  const log = join(folder, 'log');
  const programs = {
    'apt-get': `#!/bin/sh\necho "$DEBIAN_FRONTEND: $*" >> ${log}\ncase "$*" in *" ${fails} "*) exit 100;; esac\n`,
    sudo: '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n',
  };
  for (const [name, text] of Object.entries(programs)) chmodSync(write(folder, name, text), 0o755);
  const { PATH } = process.env;
  process.env.PATH = `${folder}:${PATH}`;
  onTestFinished(() => {
    process.env.PATH = PATH;
  });
  return () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
}

describe.skipIf(!existsSync('/etc/debian_version'))('apt-get (Debian only)', () => {
  test('refreshes its lists, asks nothing, installs what is named, and says so', () => {
    const asked = pretend();
    const lines: string[] = [];
    expect(aptInstall(['libtorch-dev', 'libopenblas0'], (line) => lines.push(line))).toBeUndefined();
    expect(asked()).toEqual([
      expect.stringMatching(/^noninteractive: -y .*update/),
      expect.stringMatching(/^noninteractive: -y .*install .*libtorch-dev libopenblas0$/),
    ]);
    expect(lines).toEqual(['apt-get update', 'apt-get install libtorch-dev libopenblas0']);
  });

  test('installs nothing where what is offered will not do', () => {
    const asked = pretend();
    const reason = aptInstall(
      ['libtorch-dev'],
      () => {},
      () => 'version 1.13 only',
    );
    expect(reason).toBe('version 1.13 only');
    expect(asked()).toHaveLength(1);
  });

  test('a source that cannot be reached does not end it; a failed install does, by name', () => {
    const asked = pretend('update');
    expect(aptInstall(['cmake'], () => {})).toBeUndefined();
    expect(asked()).toHaveLength(2);
    pretend('install');
    expect(aptInstall(['cmake'], () => {})).toMatch(/apt-get install cmake failed/);
  });
});
