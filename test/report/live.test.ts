import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Live, live, transfer } from '../../src/index.js';
import { cli, main, temporaryFolder, tinyData, tinyOptions } from '../tiny.js';

const folder = temporaryFolder();
const run = join(folder, 'run');
const growing = join(folder, 'growing');
const { pairs: _, ...options } = tinyOptions;
let page: Live;

beforeAll(async () => {
  await transfer({ ...options, method: 'scratch', data: tinyData(4), out: run, report: false }).result;
  mkdirSync(growing);
  cpSync(join(run, 'options.yaml'), join(growing, 'options.yaml'));
  page = await live([run, growing]);
}, 60_000);

afterAll(() => page.close());

/** Status and text of a request; of a stream, the text until `enough` fits it. */
function get(
  url: string,
  { method = 'GET', headers = {}, enough = /(?!)/ } = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      let text = '';
      const done = () => resolve({ status: response.statusCode ?? 0, text });
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        if (!enough.test(text)) return;
        done();
        sent.destroy();
      });
      response.on('end', done).on('error', () => {});
    });
    sent.on('error', reject).end();
  });
}

describe('the live page', () => {
  it('shows the runs of its folders', async () => {
    const { status, text } = await get(page.url);
    expect(status).toBe(200);
    expect(text).toContain('<h1>2 runs</h1>');
    expect(text).toContain('data-events="events"');
  });

  it('answers with what is wrong while a file is damaged, and goes on', async () => {
    const metrics = join(growing, 'metrics.jsonl');
    writeFileSync(metrics, 'null\n');
    const { status, text } = await get(page.url);
    expect([status, text]).toEqual([500, expect.stringMatching(/metrics\.jsonl is damaged: line 1/)]);
    rmSync(metrics);
    expect((await get(page.url)).status).toBe(200);
  });

  it('tells runs of the same name apart', async () => {
    const other = join(temporaryFolder(), 'run');
    cpSync(run, other, { recursive: true });
    const both = await live([run, other]);
    const { text } = await get(both.url);
    await both.close();
    expect(text.match(/<h2>[^<]*\/run<\/h2>/g)).toHaveLength(2);
  });

  it('sends a new version after each epoch', async () => {
    const first = await get(`${page.url}events`, { enough: /\n\n/ });
    expect(first.text).toMatch(/^event: page\ndata: "/);
    expect(first.text).toContain('0 of 2');
    const next = get(`${page.url}events`, { enough: /1 of 2/ });
    const line = { epoch: 0, lr: 0.01, losses: { org: 1.25 }, trainAccuracy: 0.5, pairs: [] };
    writeFileSync(join(growing, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
    expect((await next).text).toContain('1.25');
  });

  it('tells what is wrong with a run that cannot be read', async () => {
    const broken = join(folder, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'options.yaml'), 'no record');
    const other = await live(broken);
    const { status, text } = await get(other.url);
    await other.close();
    expect([status, text]).toEqual([500, expect.stringContaining('options.yaml')]);
  });

  const other = (change: (url: URL) => void): string => {
    const url = new URL(page.url);
    change(url);
    return url.href;
  };

  it.each([
    [
      'without the token',
      () => [
        other((url) => {
          url.pathname = '/';
        }),
      ],
      404,
    ],
    [
      'with another token',
      () => [
        other((url) => {
          url.pathname = `/${'0'.repeat(32)}/`;
        }),
      ],
      404,
    ],
    ['of another path', () => [`${page.url}../etc/passwd`], 404],
    ['under another name of this host (DNS rebinding)', () => [page.url, { headers: { host: 'evil.example' } }], 403],
    ['with another port', () => [page.url, { headers: { host: '127.0.0.1:1' } }], 403],
    ['from a page of another origin', () => [`${page.url}events`, { headers: { origin: 'http://evil.example' } }], 403],
    [
      'by a frame of another site',
      () => [page.url, { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' } }],
      403,
    ],
    ['that would write', () => [page.url, { method: 'POST' }], 405],
  ] as const)('refuses a request %s', async (_, how, status) => {
    const [url, options] = how() as [string, Parameters<typeof get>[1]];
    expect(await get(url, options)).toEqual({ status, text: 'Refused.\n' });
  });

  it('is a page of this machine alone, at a new secret address each time', async () => {
    const again = await live(run);
    expect(again.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
    expect(new URL(again.url).pathname).not.toBe(new URL(page.url).pathname);
    await again.close();
    await expect(get(again.url)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('says that a port is taken, and which folder is missing', async () => {
    const port = Number(new URL(page.url).port);
    await expect(live(run, { port })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(/another program uses it/),
    });
    await expect(live(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'INVALID_RUN' });
  });

  it('is served with --live until the run ends, and by the verb until Ctrl-C', async () => {
    const flags = ['--method', 'scratch', '--target', 'vgg9_bn', '--width', '0.125', '--epochs', '1', '--lr', '0.01'];
    const { code, stderr } = await cli([
      'transfer',
      ...flags,
      '--data',
      tinyData(4),
      '--out',
      join(folder, 'shown'),
      '--live',
    ]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/live: http:\/\/127\.0\.0\.1:\d+\//)]);
    const child = spawn(process.execPath, [main, 'live', run], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [printed] = await once(child.stdout, 'data');
    expect((await get(String(printed).trim())).status).toBe(200);
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});
