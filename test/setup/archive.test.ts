import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { download, installLibTorch } from '../../src/setup/archive.js';
import { zip } from '../networks/weights/pth-writer.js';
import { refusal } from '../outcomes.js';
import { temporaryFolder } from '../tiny.js';
import { libtorchFiles, makeLibTorch, versionHeader } from './places.js';

type Files = [string, Uint8Array][];
const inArchive = (files: Files): Files => files.map(([name, content]) => [`libtorch/${name}`, content]);

/** Installs from an archive of `files` into a fresh data folder. */
function unpack(files: Files, change: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) {
  const root = temporaryFolder();
  const from = join(root, 'libtorch.zip');
  writeFileSync(from, change(zip(files, { deflate: true })));
  return { root, ...install(root, from) };
}

function install(root: string, from: string, load: () => string | undefined = () => undefined) {
  const destination = join(root, 'data/libtorch');
  return { from, destination, done: installLibTorch({ from, destination, load, progress: () => {} }) };
}

describe('setup --from', () => {
  test('an archive: checked, unpacked, in place, nothing beside it', async () => {
    const { root, destination, done } = unpack(inArchive(libtorchFiles('2.7.1')));
    expect(await done).toEqual({ path: destination, version: '2.7.1' });
    expect(readFileSync(join(destination, versionHeader), 'utf8')).toContain('MINOR 7');
    expect(readdirSync(join(root, 'data'))).toEqual(['libtorch']);
  });

  test('of several at once leaves one whole, and no process fails', async () => {
    const root = temporaryFolder();
    const from = join(root, 'new.zip');
    writeFileSync(from, zip(inArchive(libtorchFiles('2.9.0'))));
    const installs = Array.from({ length: 4 }, () => install(root, from));
    for (const { done } of installs) expect((await done).version).toBe('2.9.0');
    expect(readdirSync(join(root, 'data'))).toEqual(['libtorch']);
  });

  test('a folder, which replaces what was there', async () => {
    const root = temporaryFolder();
    makeLibTorch(join(root, 'data/libtorch'), [...libtorchFiles(), ['lib/stale.so', new Uint8Array(1)]]);
    makeLibTorch(join(root, 'unpacked/libtorch'), libtorchFiles('2.8.0'));
    const { destination, done } = install(root, join(root, 'unpacked'));
    expect((await done).version).toBe('2.8.0');
    expect(readdirSync(join(destination, 'lib'))).toEqual(['libtorch.so']);
    expect(readdirSync(destination).sort()).toEqual(['include', 'lib', 'share']);
    expect(statSync(destination).mode & 0o777).toBe(0o777 & ~process.umask());
  });

  test('removes what a killed one left, and puts back what that had moved aside', async () => {
    const root = temporaryFolder();
    makeLibTorch(join(root, 'data/.unpacking-killed/libtorch.old'), libtorchFiles('2.7.0'));
    const days = Date.now() / 1000 - 2 * 24 * 3600;
    utimesSync(join(root, 'data/.unpacking-killed'), days, days);
    // The folder of a process that may still run.
    mkdirSync(join(root, 'data/.unpacking-now'));
    const { destination, done } = install(root, join(root, 'absent.zip'));
    await expect(done).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    expect(readFileSync(join(destination, versionHeader), 'utf8')).toContain('MINOR 7');
    expect(readdirSync(join(root, 'data')).sort()).toEqual(['.unpacking-now', 'libtorch']);
  });

  test('one that does not load leaves the one before in place', async () => {
    const root = temporaryFolder();
    makeLibTorch(join(root, 'data/libtorch'));
    const from = join(root, 'new.zip');
    writeFileSync(from, zip(inArchive(libtorchFiles('2.9.0'))));
    const { destination, done } = install(root, from, () => 'libgomp.so.1: cannot open shared object file');
    await expect(done).rejects.toThrow(refusal('LIBTORCH_NOT_FOUND', 'libgomp.so.1: cannot open shared object file'));
    expect(readFileSync(join(destination, versionHeader), 'utf8')).toContain('MINOR 6');
    expect(readdirSync(join(root, 'data'))).toEqual(['libtorch']);
  });
});

/** Sets every entry's type to that of a symbolic link. */
function asLinks(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes);
  for (let at = buffer.indexOf('PK\x01\x02'); at >= 0; at = buffer.indexOf('PK\x01\x02', at + 4)) {
    buffer.writeUInt32LE((0o120777 << 16) >>> 0, at + 38);
  }
  return buffer;
}

/** Damages the content of the first entry, leaving the directory as it is. */
function damaged(bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(bytes);
  // After the entry's header, its name, and the alignment that the writer adds.
  const at = 30 + 'libtorch/lib/libtorch.so'.length + 9 + 3;
  changed[at] = (changed[at] as number) ^ 0xff;
  return changed;
}

describe('an archive that is refused', () => {
  const good = inArchive(libtorchFiles());
  const evil = Buffer.from('evil');
  test.each<[string, Files, RegExp, ((bytes: Uint8Array) => Uint8Array)?]>([
    ['leads out by ..', [...good, ['../evil', evil]], /\.\.\/evil/],
    ['leads out from within', [...good, ['libtorch/../../evil', evil]], /evil/],
    ['has an absolute name', [...good, ['/tmp/evil', evil]], /absolute path/],
    ['holds links', good, /link or device/, asLinks],
    ['has a name twice', [...good, ...good.slice(0, 1)], /two entries/],
    ['is a bomb', [...good, ['libtorch/zeros', new Uint8Array(4_000_000)]], /hundred times/],
    ['is something else', [['readme.txt', evil]], /no libtorch\/lib\/libtorch\.so/],
    ['has another version', inArchive(libtorchFiles('2.4.0')), /version 2\.4\.0/],
    ['has the old ABI', inArchive(libtorchFiles('2.6.0', 0)), /pre-C\+\+11-ABI/],
    ['is cut short', good, /not an intact zip/, (bytes) => bytes.subarray(0, bytes.length - 30)],
    ['has a flipped byte', good, /damaged/, damaged],
  ])('%s', async (_, files, message, change) => {
    const { root, destination, done } = unpack(files, change);
    await expect(done).rejects.toThrow(refusal('LIBTORCH_NOT_FOUND', message));
    expect(existsSync(destination)).toBe(false);
    expect(readdirSync(root).sort()).toEqual(['data', 'libtorch.zip']);
    expect(readdirSync(join(root, 'data'))).toEqual([]);
  });

  test('a missing file is named', async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'data'));
    await expect(install(root, join(root, 'absent.zip')).done).rejects.toThrow(refusal('FILE_ACCESS', 'absent.zip'));
  });
});

describe('download', () => {
  async function serve(status: number, length: number, body: string): Promise<string> {
    const server = createServer((_, response) => {
      response.writeHead(status, { 'content-length': length });
      response.write(body);
      response.socket?.end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch.zip`;
  }

  test.each([
    ['a refusal', 404, 4, 'gone', /404/],
    ['a connection that breaks off', 200, 100, 'half', /.+/],
  ])('%s is an error that says how to go on', async (_, status, length, body, reason) => {
    const url = await serve(status, length, body);
    const path = join(temporaryFolder(), 'libtorch.zip');
    await expect(download(url, path, () => {})).rejects.toThrow(
      refusal('LIBTORCH_NOT_FOUND', new RegExp(`${url}: .*${reason.source}.*setup --from FILE`)),
    );
  });

  test('what the server sends is what is written', async () => {
    const url = await serve(200, 4, 'full');
    const path = join(temporaryFolder(), 'libtorch.zip');
    await download(url, path, () => {});
    expect(readFileSync(path, 'utf8')).toBe('full');
  });
});
