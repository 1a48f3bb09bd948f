import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../scripts/build-native.mjs';
import { Network } from '../../src/index.js';
import { documentedServer, loadsNetwork, type Server, startServer, stopServer } from '../../tools/serving/server.js';
import { encode, pattern } from '../data/generate.js';
import { temporaryFolder, tinySource } from '../tiny.js';
import { planOf, typeErrorsOf } from './running.js';

/** The document's server with another network. It says when a request comes, and how many images are inferred at once. */
const watched = (checkpoint: string): string =>
  documentedServer()
    .replace(
      loadsNetwork,
      `const network = await Network.load(${JSON.stringify(checkpoint)}, { threads: 1 });
const predictEach = network.predictEach.bind(network);
network.predictEach = (images, options) => {
  console.log(\`batch \${images.length}\`);
  return predictEach(images, options);
};`,
    )
    .replace(/^app\.post/m, "app.addHook('onRequest', async () => console.log('request'));\n$&");

const patience = { interval: 1, timeout: 20_000 };

/** The head of a request whose body has this many bytes. */
const head = (bytes: number): string =>
  `POST /classify HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: ${bytes}\r\n\r\n`;

describe('the server of docs/serving.md', { timeout: 60_000 }, () => {
  let server: Server;
  let image: Uint8Array;
  let checkpoint: string;
  beforeAll(async () => {
    checkpoint = await tinySource();
    server = await startServer(watched(checkpoint), temporaryFolder());
    image = await encode(pattern(1, 40, 30), 40, 30, 'png');
  });
  afterAll(() => {
    server.child.kill('SIGKILL');
  });

  const post = (body: Uint8Array | string, type = 'image/png') =>
    fetch(server.url, { method: 'POST', body, headers: { 'content-type': type } });

  it('has the types of the package and of Fastify', () => {
    const folder = join(packageRoot, 'build');
    const snippet = planOf({ place: 'docs/serving.md', language: 'ts', text: documentedServer() });
    expect(typeErrorsOf([snippet], folder, join(packageRoot, 'node_modules/@types'))).toEqual([]);
  });

  it('answers as Network.predict does', async () => {
    const answer = await post(image);
    const network = await Network.load(checkpoint, { threads: 1 });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual((await network.predict([image]))[0]);
  });

  it('makes batches of images that arrive together, of which a damaged one spoils no other', async () => {
    const before = server.lines.length;
    const bodies = Array.from({ length: 80 }, (_, k) => (k % 8 === 7 ? 'no image' : image));
    const answers = await Promise.all(bodies.map((body) => post(body)));
    expect(answers.map(({ status }) => status)).toEqual(bodies.map((body) => (body === image ? 200 : 422)));
    expect(await answers[7]?.json()).toEqual({ error: expect.stringMatching(/^The image is not a PNG, JPEG/) });
    const sizes = server.lines.slice(before).flatMap((line) => /^batch (\d+)/.exec(line)?.slice(1).map(Number) ?? []);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(80);
    expect(sizes.length).toBeLessThan(40);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32);
  });

  it('refuses other bodies, and too large ones', async () => {
    expect((await post('{}', 'application/json')).status).toBe(415);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(415);
    // The head alone: a client that still sends may see the connection end before it reads the answer.
    const large = connect(Number(new URL(server.url).port), '127.0.0.1');
    large.write(head(4 * 2 ** 20 + 1));
    expect(String((await once(large, 'data'))[0])).toMatch(/^HTTP\/1\.1 413 /);
    large.destroy();
    const wide = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    expect((await post(wide)).status).toBe(422);
  });

  it('has a limit of requests, also of those whose body does not come', async () => {
    const { port } = new URL(server.url);
    let refused = 0;
    const slow = Array.from({ length: 140 }, () =>
      connect(Number(port), '127.0.0.1').on('data', (answer) => {
        if (/^HTTP\/1\.1 503 .*retry-after: 1/s.test(String(answer))) refused++;
      }),
    );
    for (const socket of slow) socket.write(head(9));
    await expect.poll(() => refused, patience).toBe(12);
    for (const socket of slow) socket.destroy();
    await expect.poll(async () => (await post(image)).status, patience).toBe(200);
  });

  it('ends requests that do not arrive in time, also at SIGTERM', async () => {
    const patient = 'const longestRequest = 30_000;';
    const program = watched(checkpoint);
    expect(program).toContain(patient);
    const hasty = await startServer(program.replace(patient, 'const longestRequest = 500;'), temporaryFolder());
    const begun = async () => {
      const socket = connect(Number(new URL(hasty.url).port), '127.0.0.1').on('error', () => {});
      const requests = hasty.lines.length;
      socket.write(head(9));
      await expect.poll(() => hasty.lines.length, patience).toBeGreaterThan(requests);
      return socket;
    };
    expect(String((await once(await begun(), 'data'))[0])).toMatch(/^HTTP\/1\.1 408 /);
    await begun();
    expect(await stopServer(hasty)).toBe(0);
  });

  it('answers what it has at SIGTERM, and ends with 0', async () => {
    const requests = () => server.lines.filter((line) => line === 'request').length;
    const before = requests();
    const answers = Promise.all(Array.from({ length: 40 }, () => post(image)));
    await expect.poll(requests, patience).toBe(before + 40);
    const code = stopServer(server);
    expect((await answers).map(({ status }) => status)).toEqual(Array(40).fill(200));
    expect(await code).toBe(0);
  });
});
