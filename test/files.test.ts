import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFileBytes, writeFileAtomic } from '../src/files.js';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
  path = join(folder, 'out.bin');
});
afterEach(() => rm(folder, { recursive: true }));

const refused = (message: RegExp) => ({
  code: 'FILE_ACCESS',
  message: expect.stringMatching(message),
  cause: expect.anything(),
});

describe('writeFileAtomic', () => {
  it('replaces a file by bytes, a text or chunks, and leaves nothing else', async () => {
    await writeFile(path, 'what was there before, and longer');
    await writeFileAtomic(path, 'text é');
    expect(await readFile(path, 'utf8')).toBe('text é');
    await writeFileAtomic(path, [Uint8Array.of(1, 2), 'b', new Uint8Array(0), Uint8Array.of(3)]);
    expect([...(await readFileBytes(path))]).toEqual([1, 2, 98, 3]);
    await writeFileAtomic(path, new Uint8Array(0));
    expect(await readFileBytes(path)).toHaveLength(0);
    expect(await readdir(folder)).toEqual(['out.bin']);
  });

  it('a failure half-way leaves the old file and no other', async () => {
    await writeFile(path, 'old');
    function* chunks() {
      yield Buffer.alloc(1_000_000);
      throw new Error('the source failed');
    }
    await expect(writeFileAtomic(path, chunks())).rejects.toMatchObject(refused(/out\.bin: the source failed/));
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['out.bin']);
  });

  it('names the path and what to do', async () => {
    await expect(writeFileAtomic(join(folder, 'none', 'a'), 'x')).rejects.toMatchObject(
      refused(/none\/a: .*does not exist/),
    );
    await mkdir(path);
    await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject(refused(/out\.bin: it is a folder/));
    expect(await readdir(folder)).toEqual(['out.bin']);
  });

  it.skipIf(process.getuid?.() === 0)('names a folder that takes no files (root may write anywhere)', async () => {
    await chmod(folder, 0o500);
    await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject(refused(/permission is denied/));
    await chmod(folder, 0o700);
  });
});

describe('readFileBytes', () => {
  it('refuses what is no regular file, at once', async () => {
    execFileSync('mkfifo', [path]);
    for (const odd of [path, folder, '/dev/zero']) {
      await expect(readFileBytes(odd)).rejects.toMatchObject(refused(/not a regular file|is a folder/));
    }
    await expect(readFileBytes(join(folder, 'none'))).rejects.toMatchObject(refused(/none: .*does not exist/));
  });
});
