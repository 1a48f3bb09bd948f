import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { L2TError, resume, transfer } from '../../src/index.js';
import { toNamedTensors } from '../../src/native/tensor.js';
import { hashTensors, withHash } from '../../src/networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { formatRecord, hashText, parseRecord } from '../../src/options/run-record.js';
import { inspectRun } from '../../src/report/inspect.js';
import { cli, cliUntil, temporaryFolder, tinyData, tinyFlags, tinyOptions, tinySource } from '../tiny.js';

const files = ['options.yaml', 'metrics.jsonl', 'last.safetensors', 'best.safetensors', 'state.safetensors'];
const contents = (run: string) =>
  Object.fromEntries(files.map((name) => [name, readFileSync(join(run, name), 'base64')]));

let data: string;
let source: string;
/** Never interrupted. */
let whole: string;
/** Interrupted within its second epoch. */
let half: string;
const options = { ...tinyOptions, batch: 3, epochs: 3, saveEvery: 0.05 };

beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
  whole = join(temporaryFolder(), 'run');
  half = join(temporaryFolder(), 'run');
  await transfer({ ...options, source, data, out: whole }).result;
  const controller = new AbortController();
  const run = transfer({ ...options, source, data, out: half, signal: controller.signal });
  for await (const event of run) if (event.type === 'step' && event.epoch === 1 && event.step > 3) controller.abort();
  await run.result.catch(() => {});
}, 120_000);

const out = () => join(temporaryFolder(), 'run');
const accuraciesOf = (run: string): number[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).validationAccuracy);

/** Rewrites a run folder as versions before `losses` wrote it. */
async function makeOlder(run: string): Promise<void> {
  const rewrite = (name: string, edit: (text: string) => string) =>
    writeFileSync(join(run, name), edit(readFileSync(join(run, name), 'utf8')));
  const options = 'options.yaml';
  // All settings were recorded, also those that the method does not read.
  rewrite(options, (text) =>
    formatRecord(parseRecord(text.replace('  metaLr', '  temperature: 2\n  attentionWeight: 1000\n  metaLr'), options)),
  );
  rewrite('metrics.jsonl', (text) =>
    text.replaceAll(/"losses":\{"org":([^,]+),"matching":([^}]+)\}/g, '"lossOrg":$1,"lossMatching":$2'),
  );
  const file = join(run, 'state.safetensors');
  const { tensors, metadata } = await readSafetensors(file);
  const sum = (name: string) => new Float64Array(tensors.get(`epoch_sums/${name}`)?.data.slice().buffer as ArrayBuffer);
  const single = ['images', 'correct', 'losses/org', 'losses/matching'].map((name) => sum(name)[0] as number);
  const meta = ['meta_objective', 'grad_phi'].map((name) => sum(name)[0] as number);
  const each = ['lambda', 'lambda_square', 'weight_entropy'].map(sum);
  const pairs = [0, 1].flatMap((pair) => each.map((values) => values[pair] as number));
  // After the matching loss came those of attention and of learning without forgetting: zero for this method.
  const values = Float64Array.from([...single, 0, 0, ...meta, ...pairs]);
  const kept = [...tensors].filter(([name]) => !name.startsWith('epoch_sums/'));
  const older = { dtype: 'float64', shape: [values.length], data: new Uint8Array(values.buffer) } as const;
  const all = new Map([...kept, ['epoch_sums', older] as const]);
  const others = [...metadata].filter(([key]) => key !== 'sha256' && key !== 'options');
  const changed = new Map([...others, ['options', hashText(readFileSync(join(run, options), 'utf8'))] as const]);
  await writeSafetensors(file, all, withHash(all, changed));
}

const copyOf = (run: string): string => {
  const copy = join(temporaryFolder(), 'run');
  cpSync(run, copy, { recursive: true });
  return copy;
};

const failure = (run: string) =>
  resume(run).result.then(
    () => 'nothing',
    (error: unknown) => (error instanceof L2TError ? `${error.code} ${error.message}` : String(error)),
  );

describe('resume', { timeout: 120_000 }, () => {
  it('after an abort continues to the same bytes', async () => {
    const run = copyOf(half);
    await resume(run).result;
    expect(contents(run)).toEqual(contents(whole));
  });

  it('of a folder with the older names of the losses continues to the same weights and metrics', async () => {
    const run = copyOf(half);
    await makeOlder(run);
    expect((await inspectRun(run)).last?.losses).toEqual((await inspectRun(half)).last?.losses);
    await resume(run).result;
    for (const name of ['last.safetensors', 'best.safetensors']) {
      expect(readFileSync(join(run, name))).toEqual(readFileSync(join(whole, name)));
    }
    const lines = (folder: string) => readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    expect(lines(run)[0]).toContain('"lossMatching"');
    expect(lines(run).slice(1)).toEqual(lines(whole).slice(1));
  });

  it('after SIGKILL within an epoch continues to the same bytes', async () => {
    const flags = [...tinyFlags, '--batch', '3', '--epochs', '3', '--save-every', '0.05'];
    const killed = async (): Promise<string> => {
      const run = join(temporaryFolder(), 'run');
      const { child, ended } = await cliUntil(
        ['transfer', '--source', source, '--data', data, '--out', run, ...flags],
        /epoch 1\/3/,
      );
      await new Promise((resolve) => setTimeout(resolve, 150));
      child.kill('SIGKILL');
      const { signal } = await ended;
      const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n').length - 1;
      // This process may have been given no time meanwhile.
      return signal === 'SIGKILL' && metrics < 3 ? run : killed();
    };
    const run = await killed();
    expect(existsSync(join(run, 'lock'))).toBe(true);
    const resumed = await cli(['transfer', '--resume', run, '--json']);
    expect(resumed.stderr).not.toMatch(/error/);
    expect(resumed.code).toBe(0);
    expect(contents(run)).toEqual(contents(whole));
  });

  it('of a finished run gives its result again, without data or source', async () => {
    const run = copyOf(whole);
    const options = readFileSync(join(run, 'options.yaml'), 'utf8');
    expect(options).toContain(data);
    const first = await cli(['transfer', '--resume', run, '--json']);
    const second = await cli(['transfer', '--resume', run, '--json']);
    expect(first).toMatchObject({ code: 0, stdout: second.stdout });
    expect(JSON.parse(first.stdout)).toMatchObject({ run, method: 'l2t-ww', total: 30 });
    expect(contents(run)).toEqual(contents(whole));
  });

  it('of a run of format 1 goes on by the rules of then: a tenth validates, and the best of it is the result', async () => {
    // The same images as that format held out by itself.
    const given = { ...options, method: 'fm', lr: 1e-6, epochs: 4, validation: 0.1 } as const;
    const now = await transfer({ ...given, source, data, out: out() }).result;
    const rates = accuraciesOf(now.run);
    const best = rates.indexOf(Math.max(...rates));
    // So slow that the accuracy stays: the first epoch is the best. By the rules of now it is the last.
    expect(best).toBeLessThan(3);
    expect(now.best).toEqual({ epoch: 3, accuracy: rates[3], selected: false });
    const old = out();
    cpSync(now.run, old, { recursive: true });
    for (const name of [...files.slice(1), 'timing.jsonl']) rmSync(join(old, name));
    const record = readFileSync(join(old, 'options.yaml'), 'utf8');
    const asThen = record.replace('format: 2\n', 'format: 1\n').replace('  validation: 0.1\n', '');
    expect(asThen.length).toBe(record.length - '  validation: 0.1\n'.length);
    writeFileSync(join(old, 'options.yaml'), asThen);
    const { best: selected } = await resume(old).result;
    expect(accuraciesOf(old)).toEqual(rates);
    expect(selected).toEqual({ epoch: best, accuracy: rates[best], selected: true });
    expect(readFileSync(join(old, 'options.yaml'), 'utf8')).toBe(asThen);
    // Finished, it gives its result again: what its state knows of options.yaml still holds.
    expect((await resume(old).result).best).toEqual(selected);
  });

  it('of one whose state was removed keeps what it trained, and says so', async () => {
    const run = copyOf(whole);
    rmSync(join(run, 'state.safetensors'));
    await expect(resume(run).result).rejects.toMatchObject({
      code: 'INVALID_RUN',
      message: expect.stringMatching(/state\.safetensors is damaged: it is missing\. Start the run again in another/),
    });
    expect(existsSync(join(run, 'best.safetensors'))).toBe(true);
  });

  it('of one that ended before its first save starts over', async () => {
    const run = copyOf(half);
    for (const name of ['state.safetensors', 'metrics.jsonl', 'timing.jsonl']) rmSync(join(run, name));
    await resume(run).result;
    expect(contents(run)).toEqual(contents(whole));
  });

  it('goes on from the state of an earlier version, which hashed its tensors alone', async () => {
    const run = copyOf(half);
    const path = join(run, 'state.safetensors');
    const { tensors, metadata } = await readSafetensors(path);
    const others = [...metadata].filter(([key]) => key !== 'sha256');
    const rewrite = (hash: string) => writeSafetensors(path, tensors, new Map([...others, ['tensors', hash]]));
    await rewrite(hashTensors([]));
    expect(await failure(run)).toMatch(/^INVALID_RUN .*state\.safetensors.*checksum/);
    await rewrite(hashTensors(toNamedTensors(tensors)));
    await resume(run).result;
    expect(contents(run)).toEqual(contents(whole));
  });

  it('cuts metrics back to the epochs that the state knows', async () => {
    const run = copyOf(half);
    const metrics = join(run, 'metrics.jsonl');
    writeFileSync(metrics, `${readFileSync(metrics, 'utf8')}{"epoch":1,"half":true}\n{"epo`);
    const again = copyOf(run);
    await resume(run).result;
    expect(contents(run)).toEqual(contents(whole));
    expect(await cli(['transfer', '--resume', again])).toMatchObject({ code: 0 });
  });

  it('names what is damaged or changed', async () => {
    const damage = (name: string, change: (bytes: Buffer) => Buffer | string) => {
      const run = copyOf(half);
      const path = join(run, name);
      writeFileSync(path, change(readFileSync(path)));
      return failure(run);
    };
    const flipped = (bytes: Buffer) => {
      bytes[bytes.length - 100] = (bytes[bytes.length - 100] as number) ^ 1;
      return bytes;
    };
    expect(await damage('state.safetensors', flipped)).toMatch(/^INVALID_RUN .*state\.safetensors.*checksum/);
    expect(await damage('state.safetensors', (bytes) => bytes.subarray(0, 5000))).toMatch(
      /^INVALID_RUN .*state\.safetensors/,
    );
    expect(await damage('best.safetensors', (bytes) => bytes.subarray(0, 5000))).toMatch(
      /^INVALID_RUN .*best\.safetensors/,
    );
    expect(await damage('metrics.jsonl', () => '')).toMatch(/^INVALID_RUN .*metrics\.jsonl/);
    expect(await damage('options.yaml', (text) => `${text}surprise: 1\n`)).toMatch(
      /^INVALID_RUN .*options\.yaml.*surprise/,
    );
    expect(await damage('options.yaml', (text) => String(text).replace('lr: 0.01', 'lr: 0.02'))).toMatch(
      /^INVALID_RUN .*options\.yaml was changed/,
    );
    const moved = await damage('options.yaml', (text) => String(text).replace(data, tinyData(9)));
    expect(moved).toMatch(/^INVALID_RUN/);
    expect(await failure(temporaryFolder())).toMatch(/^INVALID_RUN .*holds no run/);
  });

  it('notices that the data changed', async () => {
    const run = copyOf(half);
    const path = join(data, 'train-images-idx3-ubyte');
    const bytes = readFileSync(path);
    try {
      writeFileSync(
        path,
        bytes.map((value, i) => (i === 5000 ? value ^ 1 : value)),
      );
      expect(await failure(run)).toMatch(/^INVALID_RUN The data in .* changed/);
    } finally {
      writeFileSync(path, bytes);
    }
  });

  it('leaves a folder that a living process holds alone, and takes over a dead one', async () => {
    const run = copyOf(half);
    writeFileSync(join(run, 'lock'), '999999999 1\n');
    const going = resume(run);
    for await (const event of going) {
      if (event.type !== 'start') continue;
      expect(await failure(run)).toMatch(/^INVALID_RUN .*in use by another run of this process/);
    }
    await going.result;
    expect(contents(run)).toEqual(contents(whole));
  });

  it('leaves a folder that another thread trains in alone, and goes on once the thread was ended', async () => {
    const run = join(temporaryFolder(), 'run');
    // It waits for its end: Node 20 may abort the process if a thread is ended at the moment in which it opens a file.
    const code = `const { parentPort, workerData: { index, options } } = require('node:worker_threads');
      import(index).then(async ({ transfer }) => {
        for await (const { type } of transfer(options)) {
          if (type !== 'step') continue;
          parentPort.postMessage('begun');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        }
      });`;
    const index = new URL('../../dist/index.js', import.meta.url).href;
    const workerData = { index, options: { ...options, epochs: 2000, source, data, out: run } };
    const worker = new Worker(code, { eval: true, workerData });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    expect(await failure(run)).toMatch(/^INVALID_RUN .*in use by another run of this process/);
    await worker.terminate();
    expect(existsSync(join(run, 'lock'))).toBe(true);
    const stop = new AbortController();
    const going = resume(run, { signal: stop.signal });
    for await (const { type } of going) if (type === 'step') stop.abort();
    await expect(going.result).rejects.toMatchObject({ code: 'ABORTED' });
    expect(existsSync(join(run, 'lock'))).toBe(false);
  });
});
