import { execFile, spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { FolderLock, holderOf } from '../../src/store/lock.js';
import { guardWrites, writeFileAtomic } from '../../src/system/files.js';
import { refusal } from '../outcomes.js';
import { cliUntil, flagsOf, holdElsewhere, newPath, temporaryFolder, tinyData, tinyOptions, write } from '../tiny.js';

afterEach(() => void vi.useRealTimers());

const compiled = join(packageRoot, 'dist/store/lock.js');

/** Runs a module in a process of its own, with a folder as its argument. */
const runCode = (code: string, folder = temporaryFolder(), env: Readonly<Record<string, string>> = {}) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, folder], {
    timeout: 20_000,
    env: { ...process.env, ...env },
  });

/** A library that makes the kernel's locks fail as on a file system without them. */
const noLocks = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
int fcntl64(int file, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (command == F_OFD_SETLK || command == F_OFD_GETLK) return errno = ENOLCK, -1;
  return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64"))(file, command, argument);
}
int fcntl(int file, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  return fcntl64(file, command, argument);
}
`;

describe("a folder's lock", () => {
  it('names host and process, is held once, and leaves nothing', async () => {
    const folder = temporaryFolder();
    const lock = await FolderLock.acquire(folder);
    const holder = JSON.parse(readFileSync(join(folder, 'lock.holder'), 'utf8'));
    expect(holder).toMatchObject({ process: process.pid, host: hostname() });
    expect(await holderOf(folder)).toBe('another run of this process');
    await expect(FolderLock.acquire(folder)).rejects.toThrow(/is in use by another run of this process/);
    await lock.release();
    // The file stays: that it is there means nothing.
    expect(readdirSync(folder)).toEqual(['lock']);
    expect(await holderOf(folder)).toBeUndefined();
  });

  it('is taken in turns by processes that try again and again, who fail only because it is in use', async () => {
    const folder = temporaryFolder();
    const code = `
      import { FolderLock } from ${JSON.stringify(compiled)};
      const failures = new Set();
      for (let round = 0; round < 500; round++) {
        const lock = await FolderLock.acquire(process.argv[1]).catch((error) => void failures.add(error.message));
        await lock?.release();
      }
      for (const failure of failures) if (!/ is in use by (process|another process)/.test(failure)) console.log(failure);`;
    const ended = await Promise.all(Array.from({ length: 4 }, () => runCode(code, folder)));
    expect(ended.map(({ stdout }) => stdout)).toEqual(ended.map(() => ''));
    expect(readdirSync(folder)).toEqual(['lock']);
  });

  it('of another host is left alone for a minute after its last sign of life, then taken over', async () => {
    const folder = temporaryFolder();
    const messages: string[] = [];
    const acquire = () => FolderLock.acquire(folder, (message) => messages.push(message));
    holdElsewhere(folder, 50);
    await expect(acquire()).rejects.toThrow(
      /is in use by process 12 on node01, whose last sign of life was 5\d s ago: wait/,
    );
    holdElsewhere(folder, 70);
    const lock = await acquire();
    expect(messages).toEqual([
      expect.stringMatching(
        /was in use by process 12 on node01, whose last sign of life was 7\d s ago: it is taken over$/,
      ),
    ]);
    await lock.release();
    expect(readdirSync(folder)).toEqual(['lock']);
  });

  it('of a process that has ended is free at once, also where its parent has not asked for that yet', async () => {
    const folder = temporaryFolder();
    const code = `import { FolderLock } from ${JSON.stringify(compiled)};
      await FolderLock.acquire(process.argv[1]);
      console.log('held');
      setInterval(() => {}, 1000);`;
    // The child of a shell that becomes another program is never asked for.
    const script = '"$0" --input-type=module -e "$1" "$2" & echo $!; exec sleep 60';
    const parent = spawn('sh', ['-c', script, process.execPath, code, folder]);
    try {
      let text = '';
      parent.stdout.on('data', (chunk) => {
        text += chunk;
      });
      await vi.waitFor(() => expect(text).toMatch(/held/), 20_000);
      const pid = Number.parseInt(text, 10);
      await expect(FolderLock.acquire(folder)).rejects.toThrow(`in use by process ${pid} on ${hostname()}: wait`);
      process.kill(pid, 'SIGKILL');
      const messages: string[] = [];
      // The kernel closes its files once all of its threads have ended.
      const lock = await vi.waitFor(() => FolderLock.acquire(folder, (message) => messages.push(message)), 5000);
      expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /);
      await lock.release();
      expect(messages).toEqual([expect.stringMatching(`process ${pid} on .*, which has ended: it is taken over$`)]);
    } finally {
      parent.kill();
    }
  });

  it('is asked for in a folder that nobody may write to, and where no process has ever held it', async () => {
    const folder = temporaryFolder();
    expect(await holderOf(folder)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    const lock = await FolderLock.acquire(folder);
    chmodSync(folder, 0o555);
    expect(await holderOf(folder)).toBe('another run of this process');
    chmodSync(folder, 0o755);
    await lock.release();
  });

  it("of a file system without locks is the holder's file alone, with a warning", async () => {
    const folder = temporaryFolder();
    const source = write(folder, 'nolocks.c', noLocks);
    const library = join(folder, 'nolocks.so');
    await promisify(execFile)('gcc', ['-shared', '-fPIC', '-o', library, source, '-ldl']);
    const code = `import { FolderLock, holderOf } from ${JSON.stringify(compiled)};
      const said = [];
      const lock = await FolderLock.acquire(process.argv[1], (message) => said.push(message));
      const second = await FolderLock.acquire(process.argv[1]).catch(({ message }) => message);
      const holder = await holderOf(process.argv[1]);
      await lock.release();
      console.log(JSON.stringify([said, second, holder, await holderOf(process.argv[1])]));`;
    const { stdout } = await runCode(code, folder, { LD_PRELOAD: library });
    const [said, second, holder, after] = JSON.parse(stdout);
    expect(said).toEqual([expect.stringMatching(/has no locks: do not use it twice at once$/)]);
    expect(second).toMatch(/is in use by process \d+ on .*, whose last sign of life was 0 s ago: wait/);
    expect([holder, after]).toEqual([expect.stringMatching(/^process \d+ on /), null]);
  });

  it("is judged by the file system's clock, not by this host's", async () => {
    const folder = temporaryFolder();
    holdElsewhere(folder, 0);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    await expect(FolderLock.acquire(folder)).rejects.toThrow(/is in use by process 12 on node01/);
  });

  it('gives a sign of life every 10 s', async () => {
    const folder = temporaryFolder();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const lock = await FolderLock.acquire(folder);
    const file = join(folder, 'lock.holder');
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
    holdElsewhere(folder, 0);
    await expect(writeFileAtomic(file, 'mine, too late')).rejects.toThrow(
      refusal('INVALID_RUN', /no longer this process's: process 12 on node01 has taken it over/),
    );
    await lock.release();
    expect(readFileSync(file, 'utf8')).toBe('mine');
    expect(readdirSync(folder).sort()).toEqual(['lock', 'lock.holder', 'result']);
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
    const out = newPath();
    // In an epoch of a second or more nothing is written: between a look at the lock and a rename, a run may still put
    // one file in place.
    const { pairs: _, ...options } = { ...tinyOptions, epochs: 5000, method: 'scratch', data: tinyData(300), out };
    const { child, ended } = await cliUntil(['transfer', ...flagsOf(options)], /epoch +1\//);
    try {
      child.kill('SIGSTOP');
      holdElsewhere(out, 0);
      const state = readFileSync(join(out, 'state.safetensors'));
      child.kill('SIGCONT');
      const { code, stderr } = await ended;
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^error\[INVALID_RUN\]: .*has taken it over/m)]);
      expect(readFileSync(join(out, 'state.safetensors'))).toEqual(state);
      expect(JSON.parse(readFileSync(join(out, 'lock.holder'), 'utf8'))).toMatchObject({ host: 'node01' });
    } finally {
      child.kill('SIGKILL');
    }
  });
});
