import { spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encode } from '../data/generate.js';
import { main, temporaryFolder, tinyData, tinyFlags, tinySource, write } from '../tiny.js';

// A process that the system allows little: it always ends, and says in one sentence what it lacked.

/** A user of no other process: root is not limited, and of another user all processes would count. */
const user = 20_000 + randomInt(40_000);
const asUser = `exec setpriv --reuid=${user} --regid=${user} --clear-groups`;

/** Runs the command line after `limit`, in bash. */
function limited(limit: string, args: readonly string[]) {
  const { status, signal, stderr } = spawnSync(
    'bash',
    ['-c', `${limit} "$@"`, 'bash', process.execPath, main, ...args],
    { encoding: 'utf8', timeout: 60_000, cwd: temporaryFolder() },
  );
  return { status, signal, errors: stderr.split('\n').filter((line) => line.startsWith('error')), stderr };
}

const canBeUser = process.getuid?.() === 0 && limited(asUser, ['--version']).status === 0;

/** JPEGs of 80×80 noise, as others may read them. */
async function images(): Promise<string> {
  const folder = temporaryFolder();
  for (const [split, count] of Object.entries({ train: 12, test: 4 }))
    for (const name of ['a', 'b'])
      for (let k = 0; k < count; k++) {
        const noise = await encode(randomBytes(80 * 80 * 3), 80, 80, 'jpeg');
        write(join(folder, split, name), `${k}.jpg`, noise);
      }
  chmodSync(folder, 0o755);
  return folder;
}

describe.runIf(canBeUser)('few threads allowed', () => {
  let data: string;
  beforeAll(async () => {
    data = await images();
  });

  // Node starts 7 and needs one for files.
  it.each([8, 9, 10, 11, 12, 13, 14, 15, 16, 20])('ulimit -u %i', (count) => {
    const out = temporaryFolder();
    chmodSync(out, 0o777);
    const small = ['--target', 'vgg9_bn', '--width', '0.125', '--size', '64', '--epochs', '1', '--batch', '12'];
    const args = ['transfer', '--method', 'scratch', ...small, '--lr', '0.01', '--threads', '2'];
    const limit = `ulimit -u ${count}; ${asUser}`;
    const { status, signal, errors, stderr } = limited(limit, [...args, '--data', data, '--out', join(out, 'run')]);
    expect(signal, stderr).toBeNull();
    if (count >= 16) expect({ status, errors }).toEqual({ status: 0, errors: [] });
    if (count < 10) expect(status).toBe(1);
    if (status === 0) return;
    const sentence = `^error\\[OUT_OF_THREADS\\]: No more threads can be started: .*ulimit -u is ${count};.*--threads.*\\.$`;
    expect({ status, errors }).toEqual({ status: 1, errors: [expect.stringMatching(sentence)] });
  });
});

describe('little address space allowed', () => {
  let data: string;
  let source: string;
  beforeAll(async () => {
    data = tinyData();
    source = await tinySource();
  });

  const run = (megabytes: number, changes: readonly string[] = []) =>
    limited(`ulimit -v ${megabytes * 1000}; exec`, [
      ...['transfer', '--source', source, '--data', data, '--out', join(temporaryFolder(), 'run')],
      ...[...tinyFlags, '--threads', '2', ...changes],
    ]);

  // LibTorch cannot be loaded; it can, but no run begins; it begins, but memory for a thread's products is lacking; all is well.
  it.each([1200, 1500, 1700, 1900, 2100, 2200, 2300, 2600, 4000])('ulimit -v of %i MB', (megabytes) => {
    const { status, signal, errors, stderr } = run(megabytes);
    expect(signal, stderr).toBeNull();
    if (megabytes === 1200) expect(status).toBe(1);
    if (status === 0) return;
    const sentence = /^error\[OUT_OF_MEMORY\]: .*\(ulimit -v\).*\.$/;
    expect({ status, errors }).toEqual({ status: 1, errors: [expect.stringMatching(sentence)] });
  });

  it('says how much a step wanted, and which options to lower', () => {
    const { status, errors } = run(4000, ['--width', '4', '--batch', '36']);
    const sentence = /^error\[OUT_OF_MEMORY\]: Out of memory: \d+ MB more were wanted.*--batch, --size or --width/;
    expect({ status, errors }).toEqual({ status: 1, errors: [expect.stringMatching(sentence)] });
  });
});
