import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appendToFile, makeFolder, readFileBytes, readText, writeFileAtomic } from '../../src/system/files.js';

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

describe('appendToFile', () => {
  it('creates the file, and adds to it', async () => {
    await appendToFile(path, Buffer.from('one '));
    await appendToFile(path, Buffer.from('two'));
    expect(await readFile(path, 'utf8')).toBe('one two');
    await expect(appendToFile(folder, Buffer.from('x'))).rejects.toMatchObject(refused(/it is a folder/));
  });

  it('leaves nothing of what does not fit', async () => {
    const program = `
      const { appendToFile } = await import(${JSON.stringify(new URL('../../dist/system/files.js', import.meta.url).href)});
      await appendToFile(process.argv[1], Buffer.alloc(600, 'a'));
      await appendToFile(process.argv[1], Buffer.alloc(600, 'b')).catch((error) => console.log(error.message));`;
    const limited = 'ulimit -f 1; exec "$0" --input-type=module -e "$1" "$2"';
    const said = execFileSync('bash', ['-c', limited, process.execPath, program, path], { encoding: 'utf8' });
    expect(said).toMatch(/^Cannot write .*out\.bin: the file system does not take files of this size/);
    expect(await readFile(path, 'utf8')).toBe('a'.repeat(600));
  });
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

  it('leaves a pipe in its place alone', async () => {
    execFileSync('mkfifo', [path]);
    await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject(refused(/not a regular file/));
    expect((await lstat(path)).isFIFO()).toBe(true);
    expect(await readdir(folder)).toEqual(['out.bin']);
  });

  it.skipIf(process.getuid?.() === 0)('names a folder that takes no files (root may write anywhere)', async () => {
    await chmod(folder, 0o500);
    await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject(refused(/permission is denied/));
    await chmod(folder, 0o700);
  });
});

describe('reading', () => {
  it('refuses what is no regular file, at once', async () => {
    execFileSync('mkfifo', [path]);
    const socket = join(folder, 'socket');
    const server = createServer().listen(socket);
    await new Promise((resolve) => server.on('listening', resolve));
    try {
      for (const odd of [path, folder, socket, '/dev/zero']) {
        for (const read of [readFileBytes, readText]) {
          await expect(read(odd)).rejects.toMatchObject(refused(/not a regular file|is a folder/));
        }
      }
    } finally {
      server.close();
    }
    await expect(readFileBytes(join(folder, 'none'))).rejects.toMatchObject(refused(/none: .*does not exist/));
  });
});

describe('makeFolder', () => {
  it('makes what is missing, also where others do the same at the same time', async () => {
    const deep = join(folder, 'a', 'b', 'c');
    await Promise.all([makeFolder(deep), makeFolder(deep), makeFolder(join(folder, 'a', 'd'))]);
    await makeFolder(deep);
    expect((await readdir(join(folder, 'a'))).sort()).toEqual(['b', 'd']);
    expect(await readdir(deep)).toEqual([]);
  });

  it('names what is in its way', async () => {
    await writeFile(path, '');
    await expect(makeFolder(join(path, 'a'))).rejects.toMatchObject(refused(/out\.bin\/a: .*is a file, not a folder/));
    await expect(makeFolder(path)).rejects.toMatchObject(refused(/out\.bin is a file, not a folder/));
    const link = join(folder, 'link');
    await symlink('nowhere', link);
    await expect(makeFolder(join(link, 'a'))).rejects.toMatchObject(refused(/link is a link that leads nowhere/));
  });

  it.runIf(process.platform === 'linux')('ends where the system takes no folders', async () => {
    await expect(makeFolder('/proc/l2t/run')).rejects.toMatchObject(refused(/run: \/proc takes no folders/));
  });
});
