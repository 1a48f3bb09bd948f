import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { tinyData } from './tiny.js';

// Measures what a settled run leaves behind: in a process of its own, whose garbage is collected on command.
const built = (module: string): string => JSON.stringify(new URL(`../dist/${module}`, import.meta.url).href);

const perClass = 200;
/** Bytes of the 630 images of 32×32 that each run decodes. */
const imageBytes = (3 * perClass + 30) * 32 * 32 * 3;

const prelude = `
  import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
  import { tmpdir } from 'node:os';
  import { join } from 'node:path';
  import { compare, transfer } from ${built('index.js')};
  const warnings = [];
  process.on('warning', ({ message }) => warnings.push(message));
  // One signal for all, as a server would have it.
  const { signal } = new AbortController();
  const options = {
    target: 'vgg9_bn', width: 0.0625, method: 'scratch', batch: 60, epochs: 1, threads: 1, lr: 0.01,
    data: ${JSON.stringify(tinyData(perClass))},
  };
  const base = mkdtempSync(join(tmpdir(), 'l2t-test-'));
  let count = 0;
  const start = (changes = {}) => transfer({ ...options, signal, out: join(base, String(count++)), ...changes });
  const settle = async () => {
    let last = '';
    for (let round = 0; round < 100; round++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      gc();
      const now = used();
      if (JSON.stringify(now) === last) return now;
      last = JSON.stringify(now);
    }
    return used();
  };
  const used = () => {
    const { arrayBuffers } = process.memoryUsage();
    const descriptors = readdirSync('/proc/self/fd').length;
    // libvips keeps a pool of its own, which grows and shrinks with the images of a report.
    const own = (thread) => {
      try {
        return !readFileSync('/proc/self/task/' + thread + '/comm', 'utf8').startsWith('libvips');
      } catch {
        return false; // it has ended
      }
    };
    return { arrayBuffers, descriptors, threads: readdirSync('/proc/self/task').filter(own).length };
  };
  const report = (value) => {
    rmSync(base, { recursive: true });
    console.log(JSON.stringify(value));
  };`;

function inProcess<T>(program: string): T {
  const args = ['--expose-gc', '--input-type=module', '--eval', prelude + program];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

interface Use {
  readonly arrayBuffers: number;
  readonly descriptors: number;
  readonly threads: number;
}

const ways = {
  finished: `async () => { const run = start(); kept.push(run); await run.result; }`,
  'iterated to its end': `async () => {
    const run = start();
    const events = run[Symbol.asyncIterator]();
    kept.push(run, events);
    while (!(await events.next()).done);
  }`,
  aborted: `async () => {
    const stop = new AbortController();
    const run = start({ epochs: 1000, signal: AbortSignal.any([signal, stop.signal]) });
    kept.push(run, stop);
    for await (const { type } of run) if (type === 'step') stop.abort();
  }`,
  failed: `async () => {
    const run = start({ epochs: 1000 });
    kept.push(run);
    try {
      for await (const { type, run: folder } of run) if (type === 'start') rmSync(folder, { recursive: true });
    } catch ({ code }) {
      if (code !== 'INVALID_RUN') throw code;
    }
  }`,
  compared: `async () => {
    const { threads, epochs, batch, lr, data, target, width } = options;
    const common = { threads, epochs, batch, lr, data, target, width };
    const out = join(base, String(count++));
    kept.push(await compare({ ...common, methods: 'scratch', seeds: 1, parallel: 1, signal, out }));
  }`,
};

describe('a run that has settled', () => {
  it.each(Object.entries(ways))(
    'lets go of its data where it %s, and whoever keeps the run does not hold it',
    (_, way) => {
      const { before, after } = inProcess<Record<'before' | 'after', Use>>(`
      const kept = [];
      const once = ${way};
      await once();
      const before = await settle();
      await once();
      await once();
      report({ before, after: await settle() });`);
      // Less than the images of one run: what stays of each is its network, some 30 KB, in a result that is kept.
      expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(imageBytes / 2);
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
      expect(after.threads).toBeLessThanOrEqual(before.threads);
    },
  );

  it('and eleven others that share a signal give no warning of a leak', () => {
    const { warnings } = inProcess<{ warnings: string[] }>(`
      await Promise.all(Array.from({ length: 12 }, () => start().result));
      report({ warnings });`);
    expect(warnings).toEqual([]);
  });
});
