import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { Network, transfer } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { toTensorMap } from '../../src/native/tensor.js';
import { getSource } from '../../src/networks/source-files.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { pathOfSource, published } from '../../src/options/sources.js';
import { cli, temporaryFolder, tinyData, tinyOptions } from '../tiny.js';

const before = { ...process.env };
beforeEach(() => {
  for (const name of ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy']) delete process.env[name];
  process.env.XDG_CACHE_HOME = temporaryFolder();
});
afterEach(() => {
  process.env = { ...before };
});

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24));
const row = {
  ...published.resnet34,
  mebibytes: content.length / 2 ** 20,
  sha256: createHash('sha256').update(content).digest('hex').slice(0, 8),
};

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** The answer of a server that can send parts. */
const parts =
  (bytes: Buffer): Answer =>
  ({ headers: { range } }, response) => {
    const begin = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const part = { 'content-range': `bytes ${begin}-${bytes.length - 1}/${bytes.length}` };
    response.writeHead(range ? 206 : 200, { 'content-length': bytes.length - begin, ...(range && part) });
    response.end(bytes.subarray(begin));
  };

/** The answer of a server whose connection breaks once some of the bytes are in the file. */
const broken =
  (bytes: Buffer, file: string): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2));
    const waiting = setInterval(() => {
      if (!existsSync(file) || readFileSync(file).length === 0) return;
      clearInterval(waiting);
      response.destroy();
    }, 10);
  };

/** A server at 127.0.0.1 that gives the answers one after the other, the last one again and again. */
async function serve(...answers: Answer[]) {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(ranges.length, answers.length - 1)] as Answer;
    ranges.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/net.pth`, ranges };
}

const newPath = () => join(temporaryFolder(), 'sources', 'net.pth');
const get = (path: string, from: string, more: { signal?: AbortSignal; onProgress?: () => void } = {}) =>
  getSource('net', row, path, { from, onProgress: () => {}, ...more });
const left = (path: string) => (existsSync(dirname(path)) ? readdirSync(dirname(path)) : []);

describe('source get', () => {
  it('puts the whole file there, and asks for nothing if it is there', async () => {
    const path = newPath();
    const { url, ranges } = await serve(parts(content));
    expect(await get(path, url)).toBe(false);
    expect(readFileSync(path)).toEqual(content);
    expect(await get(path, url)).toBe(true);
    expect([left(path), ranges]).toEqual([['net.pth'], [undefined]]);
  });

  it('replaces a damaged file', async () => {
    const path = newPath();
    mkdirSync(dirname(path));
    writeFileSync(path, content.subarray(1));
    await get(path, (await serve(parts(content))).url);
    expect(readFileSync(path)).toEqual(content);
  });

  it('takes all of a server that ends its connection with the file, as python3 -m http.server does', async () => {
    const path = newPath();
    const large = Buffer.alloc(8 * 2 ** 20, 7);
    const sha256 = createHash('sha256').update(large).digest('hex').slice(0, 8);
    const { url } = await serve((_, response) => {
      response.shouldKeepAlive = false;
      response.writeHead(200, { 'content-length': large.length });
      response.end(large);
    });
    await getSource('net', { ...row, mebibytes: 8, sha256 }, path, { from: url, onProgress: () => {} });
    expect(readFileSync(path).equals(large)).toBe(true);
  });

  it.each<[string, Answer]>([
    ['that can send parts', parts(content)],
    ['that always sends all', (_, response) => response.end(content)],
  ])('goes on after an interruption, with a server %s', async (_, second) => {
    const path = newPath();
    const { url, ranges } = await serve(broken(content, `${path}.part`), second);
    await expect(get(path, url)).rejects.toMatchObject({
      code: 'FILE_ACCESS',
      message: expect.stringContaining(`put it at ${path}, or: l2t-native source get net --from FILE`),
    });
    expect(left(path)).toEqual(['net.pth.part']);
    const kept = readFileSync(`${path}.part`).length;
    expect(kept).toBeGreaterThan(0);
    await get(path, url);
    expect(readFileSync(path)).toEqual(content);
    expect([left(path), ranges]).toEqual([['net.pth'], [undefined, `bytes=${kept}-`]]);
  });

  it('begins anew where the part is longer than the file', async () => {
    const path = newPath();
    mkdirSync(dirname(path));
    writeFileSync(`${path}.part`, Buffer.alloc(400_000));
    const { url, ranges } = await serve((_, response) => response.writeHead(416).end(), parts(content));
    await get(path, url);
    expect([left(path), ranges]).toEqual([['net.pth'], ['bytes=400000-', undefined]]);
  });

  it('is ended by its signal, and goes on later', async () => {
    const path = newPath();
    const stop = new AbortController();
    const { url } = await serve((request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 1000));
      request.socket.on('error', () => {});
    }, parts(content));
    const stopped = get(path, url, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    await get(path, url);
    expect(left(path)).toEqual(['net.pth']);
  });

  const flipped = Buffer.from(content);
  flipped[1234] = 255 - (flipped[1234] as number);
  it.each([
    ['a flipped byte', flipped, /its SHA-256 begins with [0-9a-f]{8}, and not with /],
    ['another size', content.subarray(0, 200_000), /it has 200000 bytes, and not 0\.286\d* MiB/],
  ])('refuses and removes a file with %s', async (_, bytes, message) => {
    const path = newPath();
    const { url } = await serve(parts(bytes), parts(content));
    const refused = { code: 'INVALID_WEIGHTS', message: expect.stringMatching(message) };
    await expect(get(path, url)).rejects.toMatchObject(refused);
    expect(left(path)).toEqual([]);
    await get(path, url);
    expect(left(path)).toEqual(['net.pth']);
  });

  it('follows redirects, but to nothing that is not encrypted', async () => {
    const path = newPath();
    const to =
      (location: string): Answer =>
      (_, response) =>
        response.writeHead(302, { location }).end();
    await get(path, (await serve(to('/other.pth'), parts(content))).url);
    expect(readFileSync(path)).toEqual(content);
    for (const address of ['http://example.invalid/net.pth', 'http://localhost/net.pth']) {
      const refused = { code: 'FILE_ACCESS', message: expect.stringContaining(`${address} is not https.`) };
      await expect(get(newPath(), (await serve(to(address))).url)).rejects.toMatchObject(refused);
      await expect(get(newPath(), address)).rejects.toMatchObject(refused);
    }
    const circle = get(newPath(), (await serve(to('/net.pth'))).url);
    await expect(circle).rejects.toThrow(/it redirects more than 5 times/);
  });

  it('asks the proxy of HTTPS_PROXY', async () => {
    const asked: (string | undefined)[] = [];
    const proxy = createServer().on('connect', ({ url }, socket) => {
      asked.push(url);
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void proxy.close());
    process.env.HTTPS_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await expect(get(newPath(), 'https://example.invalid/net.pth')).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    expect(asked).toEqual(['example.invalid:443']);
    process.env.NO_PROXY = '.invalid';
    await expect(get(newPath(), 'https://example.invalid/net.pth')).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    expect(asked.length).toBe(1);
  });

  it('takes a file in place of the address', async () => {
    const path = newPath();
    const file = join(temporaryFolder(), 'copy.pth');
    await expect(get(path, file)).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    writeFileSync(file, content);
    await get(path, file);
    expect([readFileSync(path), left(path)]).toEqual([content, ['net.pth']]);
    await expect(get(newPath(), temporaryFolder())).rejects.toMatchObject({ code: 'FILE_ACCESS' });
  });
});

describe('the command line', () => {
  it('lists every file', async () => {
    const { stdout } = await cli(['source', 'list', '--json']);
    const found = JSON.parse(stdout) as { name: string; url: string; fetched: boolean }[];
    expect(found.map(({ name }) => name)).toEqual(Object.keys(published));
    for (const { url, fetched } of found) expect([url.startsWith('https://'), fetched]).toEqual([true, false]);
  });

  it('says what is wrong', async () => {
    const { url } = await serve(parts(content));
    const wrong: [args: string[], code: number, message: RegExp][] = [
      [['source', 'get', 'resnet33'], 2, /The source is 'resnet33': it must be one of resnet18, .* Did you mean/],
      [
        ['source', 'get', 'resnet34', '--from', url],
        1,
        /error\[INVALID_WEIGHTS\]: .* is not the resnet34 that .* or give another --from\./,
      ],
      [['inspect', 'resnet34'], 1, /There is no file resnet34 here, .*: l2t-native source get resnet34 does it/],
    ];
    for (const [args, code, message] of wrong) {
      const outcome = await cli(args);
      expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringMatching(message)]);
    }
  });

  const authors = join(packageRoot, '../shared/checkpoints/resnet32-tinyimagenet.pth.tar');
  it.skipIf(!existsSync(authors))("takes the authors' file, whose name is enough then", async () => {
    const name = 'resnet32-tinyimagenet';
    const { code, stdout } = await cli(['source', 'get', name, '--from', authors, '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      { name, path: pathOfSource(name), network: 'resnet32', licence: 'MIT', fetched: true },
    ]);
    const found = await Network.load(name);
    expect(found.spec).toEqual({ name: 'resnet32', classes: 200, width: 1 });
  });
});

describe('the name of a source', () => {
  const weights = async (path: string, classes: number) => {
    mkdirSync(dirname(path), { recursive: true });
    const network = { name: 'mobilenet_v2', classes, width: 1 };
    await writeSafetensors(path, toTensorMap(addon().initialise(network, 1)));
  };

  it('is enough for a transfer, whose record has its path, network and licence', async () => {
    await weights(pathOfSource('mobilenet_v2-v2'), 5);
    const options = { ...tinyOptions, pairs: '1-3', method: 'fm', sourceSize: 32, epochs: 1 } as const;
    const out = join(temporaryFolder(), 'run');
    await transfer({ ...options, data: tinyData(4), source: 'mobilenet_v2-v2', out }).result;
    const record = readFileSync(join(out, 'options.yaml'), 'utf8');
    expect(record).toContain(`path: ${pathOfSource('mobilenet_v2-v2')}\n`);
    expect(record).toMatch(/network: mobilenet_v2\n.*licence: code BSD-3-Clause/s);
  });

  it('goes after a file of that name', async () => {
    const here = temporaryFolder();
    await weights(pathOfSource('mobilenet_v2'), 5);
    const args = ['inspect', 'mobilenet_v2', '--network', 'mobilenet_v2', '--json'];
    const classes = async () => JSON.parse((await cli(args, { cwd: here })).stdout).network.classes;
    expect(await classes()).toBe(5);
    await weights(join(here, 'mobilenet_v2'), 6);
    expect(await classes()).toBe(6);
    copyFileSync(pathOfSource('mobilenet_v2'), join(here, 'mobilenet_v2'));
    expect(await classes()).toBe(5);
  });
});

it('docs/sources.md has the table', () => {
  const rows = Object.entries(published).map(([name, { network, trainedOn, mebibytes, sha256, licence, url }]) => {
    return `| \`${name}\` | ${[network, trainedOn, mebibytes.toFixed(3), sha256, licence, url].join(' | ')} |`;
  });
  const page = readFileSync(join(packageRoot, 'docs/sources.md'), 'utf8').split('\n');
  expect(page.filter((line) => line.startsWith('| `'))).toEqual(rows);
});
