import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../scripts/build-native.mjs';
import { guardWrites, writeFileAtomic } from '../../src/system/files.js';
import { FolderLock } from '../../src/system/folder-lock.js';
import { cliUntil, lockOf, temporaryFolder, tinyData, tinyFlags } from '../tiny.js';

afterEach(() => void vi.useRealTimers());

const elsewhere = '12 345 node01 0123456789ab 0123456789ab\n';

/** Makes the lock of a process on another host that gave its last sign of life so many seconds ago. */
function lockElsewhere(folder: string, age: number): void {
  const other = join(folder, 'other');
  writeFileSync(other, elsewhere);
  const then = Date.now() / 1000 - age;
  utimesSync(other, then, then);
  renameSync(other, join(folder, 'lock'));
}

const compiled = join(packageRoot, 'dist/system/folder-lock.js');

/** Runs a module in a process of its own, with a folder as its argument. */
const runCode = (code: string, folder = temporaryFolder()) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, folder], { timeout: 20_000 });

describe("a folder's lock", () => {
  it('names host and process, is held once, and leaves nothing', async () => {
    const folder = temporaryFolder();
    const lock = await FolderLock.acquire(folder);
    expect(readFileSync(join(folder, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} \\d+ ${hostname()} `));
    await expect(FolderLock.acquire(folder)).rejects.toThrow(/is in use by another run of this process/);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  // A new holder removes dead files, and those of attempts at the same moment look dead until they are complete and open.
  it('is taken in turns by processes that try again and again, who fail only because it is in use', async () => {
    const folder = temporaryFolder();
    const code = `
      import { FolderLock } from ${JSON.stringify(compiled)};
      const failures = new Set();
      for (let round = 0; round < 500; round++) {
        const lock = await FolderLock.acquire(process.argv[1]).catch((error) => void failures.add(error.message));
        await lock?.release();
      }
      for (const failure of failures) if (!/ is in use by process /.test(failure)) console.log(failure);`;
    const ended = await Promise.all(Array.from({ length: 4 }, () => runCode(code, folder)));
    expect(ended.map(({ stdout }) => stdout)).toEqual(ended.map(() => ''));
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of another host is left alone for a minute after its last sign of life, then taken over', async () => {
    const folder = temporaryFolder();
    const messages: string[] = [];
    const acquire = () => FolderLock.acquire(folder, (message) => messages.push(message));
    lockElsewhere(folder, 50);
    await expect(acquire()).rejects.toThrow(
      /is in use by process 12 on node01, whose last sign of life was 5\d s ago: wait/,
    );
    lockElsewhere(folder, 70);
    const lock = await acquire();
    expect(messages).toEqual([
      expect.stringMatching(
        /was in use by process 12 on node01, whose last sign of life was 7\d s ago: it is taken over$/,
      ),
    ]);
    await lock.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('of a process that has ended is free, also where its parent has not asked for that yet', async () => {
    const folder = temporaryFolder();
    // The child of a shell that becomes another program is never asked for.
    const parent = spawn('sh', ['-c', 'sleep 50 & echo $!; exec sleep 60']);
    try {
      const pid = String((await once(parent.stdout, 'data'))[0]).trim();
      writeFileSync(join(folder, 'lock'), lockOf(Number(pid)));
      await expect(FolderLock.acquire(folder)).rejects.toThrow(`in use by process ${pid}`);
      process.kill(Number(pid), 'SIGKILL');
      await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /), 5000);
      await (await FolderLock.acquire(folder)).release();
    } finally {
      parent.kill();
    }
  });

  it("is judged by the file system's clock, not by this host's", async () => {
    const folder = temporaryFolder();
    lockElsewhere(folder, 0);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    await expect(FolderLock.acquire(folder)).rejects.toThrow(/is in use by process 12 on node01/);
  });

  it('gives a sign of life every 10 s', async () => {
    const folder = temporaryFolder();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const lock = await FolderLock.acquire(folder);
    const file = join(folder, 'lock');
    utimesSync(file, 1000, 1000);
    vi.advanceTimersByTime(9_000);
    expect(statSync(file).mtimeMs).toBe(1_000_000);
    vi.advanceTimersByTime(1_000);
    await vi.waitFor(() => expect(Math.abs(Date.now() - statSync(file).mtimeMs)).toBeLessThan(5_000), 20_000);
    await lock.release();
  });

  it('that another process has taken over ends what writes there, and stays', async () => {
    const folder = temporaryFolder();
    const lock = await FolderLock.acquire(folder);
    const file = join(folder, 'result');
    await writeFileAtomic(file, 'mine');
    lockElsewhere(folder, 0);
    await expect(writeFileAtomic(file, 'mine, too late')).rejects.toMatchObject({
      code: 'INVALID_RUN',
      message: expect.stringMatching(/no longer this process's: process 12 on node01 has taken it over/),
    });
    await lock.release();
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(readdirSync(folder).sort()).toEqual(['lock', 'result']);
    // Other folders, and this one once it is released, are written without a check.
    await writeFileAtomic(file, 'anyone’s');
    const end = guardWrites(folder, () => Promise.reject(new Error('checked')));
    await expect(writeFileAtomic(file, 'x')).rejects.toThrow(/checked/);
    end();
  });

  it('does not keep a process alive', async () => {
    await runCode(`import { FolderLock } from ${JSON.stringify(compiled)}; await FolderLock.acquire(process.argv[1]);`);
  });
});

// On a busy machine two epochs may take a minute.
describe('a run that was suspended', { timeout: 300_000 }, () => {
  it('ends without a write once another host has taken its folder over', async () => {
    const out = join(temporaryFolder(), 'run');
    // In an epoch of a second or more nothing is written: between a look at the lock and a rename, a run may still put
    // one file in place.
    const flags = [...tinyFlags, '--epochs', '5000', '--method', 'scratch'];
    const command = [
      'transfer',
      ...flags.filter((word) => !/pairs|^8-3/.test(word)),
      '--data',
      tinyData(300),
      '--out',
      out,
    ];
    const { child, ended } = await cliUntil(command, /epoch +1\//);
    try {
      child.kill('SIGSTOP');
      lockElsewhere(out, 0);
      const state = readFileSync(join(out, 'state.safetensors'));
      child.kill('SIGCONT');
      const { code, stderr } = await ended;
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^error\[INVALID_RUN\]: .*has taken it over/m)]);
      expect(readFileSync(join(out, 'state.safetensors'))).toEqual(state);
      expect(readFileSync(join(out, 'lock'), 'utf8')).toBe(elsewhere);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
