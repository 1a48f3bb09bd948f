import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { resume, transfer } from '../../src/index.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { inspectRun } from '../../src/report/inspect.js';
import { runFormat } from '../../src/store/record.js';
import { abortAt, contentsOf, failureOf, refusal } from '../outcomes.js';
import {
  cli,
  cliUntil,
  flagsOf,
  holdElsewhere,
  newPath,
  temporaryFolder,
  tinyData,
  tinyOptions,
  tinySource,
} from '../tiny.js';

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
  whole = newPath();
  half = newPath();
  await transfer({ ...options, source, data, out: whole }).result;
  await abortAt(
    (signal) => transfer({ ...options, source, data, out: half, signal }),
    (event) => event.type === 'step' && event.epoch === 1 && event.step > 3,
  );
}, 120_000);

const copyOf = (run: string): string => {
  const copy = newPath();
  cpSync(run, copy, { recursive: true });
  return copy;
};

const failure = (run: string) => failureOf(resume(run).result);

describe('resume', { timeout: 120_000 }, () => {
  it('after an abort continues to the same bytes', async () => {
    const run = copyOf(half);
    await resume(run).result;
    expect(contentsOf(run)).toEqual(contentsOf(whole));
  });

  it('after SIGKILL within an epoch continues to the same bytes', async () => {
    const killed = async (): Promise<string> => {
      const run = newPath();
      const flags = flagsOf({ ...options, source, data, out: run });
      const { child, ended } = await cliUntil(['transfer', ...flags], /epoch 1\/3/);
      await new Promise((resolve) => setTimeout(resolve, 150));
      child.kill('SIGKILL');
      const { signal } = await ended;
      const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n').length - 1;
      // This process may have been given no time meanwhile.
      return signal === 'SIGKILL' && metrics < 3 ? run : killed();
    };
    const run = await killed();
    expect(existsSync(join(run, 'lock.holder'))).toBe(true);
    const resumed = await cli(['transfer', '--resume', run, '--json']);
    expect(resumed.stderr).not.toMatch(/error/);
    expect(resumed.code).toBe(0);
    expect(contentsOf(run)).toEqual(contentsOf(whole));
  });

  it('of a finished run gives its result again, without data or source', async () => {
    const run = copyOf(whole);
    expect(readFileSync(join(run, 'options.yaml'), 'utf8')).toContain(data);
    const first = await cli(['transfer', '--resume', run, '--json']);
    const second = await cli(['transfer', '--resume', run, '--json']);
    expect(first).toMatchObject({ code: 0, stdout: second.stdout });
    expect(JSON.parse(first.stdout)).toMatchObject({ run, method: 'l2t-ww', total: 30 });
    expect(contentsOf(run)).toEqual(contentsOf(whole));
  });

  it('of a folder of another format is refused, with both numbers and what to do', async () => {
    const run = copyOf(half);
    const path = join(run, 'options.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace(`format: ${runFormat}\n`, 'format: 2\n'));
    const sentence =
      /^INVALID_RUN .*options\.yaml is of a run folder of format 2, and this version of l2t-native reads format 5: use the version that made the folder, or start the run again in another folder\.$/;
    expect(await failure(run)).toMatch(sentence);
    await expect(inspectRun(run)).rejects.toThrow('of format 2');
  });

  it('of one whose state was removed keeps what it trained, and says so', async () => {
    const run = copyOf(whole);
    rmSync(join(run, 'state.safetensors'));
    await expect(resume(run).result).rejects.toThrow(
      refusal('INVALID_RUN', /state\.safetensors is damaged: it is missing\. Start the run again in another/),
    );
    expect(existsSync(join(run, 'best.safetensors'))).toBe(true);
  });

  it('of one that ended before its first save starts over', async () => {
    const run = copyOf(half);
    for (const name of ['state.safetensors', 'metrics.jsonl', 'timing.jsonl']) rmSync(join(run, name));
    await resume(run).result;
    expect(contentsOf(run)).toEqual(contentsOf(whole));
  });

  it('needs the checksum of the state', async () => {
    const run = copyOf(half);
    const path = join(run, 'state.safetensors');
    const { tensors, metadata } = await readSafetensors(path);
    await writeSafetensors(path, tensors, new Map([...metadata].filter(([key]) => key !== 'sha256')));
    expect(await failure(run)).toMatch(/^INVALID_RUN .*state\.safetensors is damaged: it is no state of a run/);
  });

  it('cuts metrics back to the epochs that the state knows', async () => {
    const run = copyOf(half);
    const metrics = join(run, 'metrics.jsonl');
    writeFileSync(metrics, `${readFileSync(metrics, 'utf8')}{"epoch":1,"half":true}\n{"epo`);
    const again = copyOf(run);
    await resume(run).result;
    expect(contentsOf(run)).toEqual(contentsOf(whole));
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
    const cut = (bytes: Buffer) => bytes.subarray(0, 5000);
    const replaced = (before: string, after: string) => (text: Buffer) => String(text).replace(before, after);
    for (const [name, change, message] of [
      ['state.safetensors', flipped, /^INVALID_RUN .*state\.safetensors.*checksum/],
      ['state.safetensors', cut, /^INVALID_RUN .*state\.safetensors/],
      ['best.safetensors', cut, /^INVALID_RUN .*best\.safetensors/],
      ['metrics.jsonl', () => '', /^INVALID_RUN .*metrics\.jsonl/],
      ['options.yaml', replaced('format:', 'surprise: 1\nformat:'), /^INVALID_RUN .*options\.yaml.*surprise/],
      ['options.yaml', replaced('lr: 0.01', 'lr: 0.02'), /^INVALID_RUN .*options\.yaml was changed/],
      ['options.yaml', replaced(data, tinyData(9)), /^INVALID_RUN/],
    ] as const)
      expect(await damage(name, change)).toMatch(message);
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
    holdElsewhere(run, 70);
    const going = resume(run);
    for await (const event of going) {
      if (event.type !== 'start') continue;
      expect(await failure(run)).toMatch(/^INVALID_RUN .*in use by another run of this process/);
    }
    await going.result;
    expect(contentsOf(run)).toEqual(contentsOf(whole));
  });

  it('leaves a folder that another thread trains in alone, and goes on once the thread was ended', async () => {
    const run = newPath();
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
    expect(existsSync(join(run, 'lock.holder'))).toBe(true);
    await abortAt(
      (signal) => resume(run, { signal }),
      ({ type }) => type === 'step',
    );
    expect(existsSync(join(run, 'lock.holder'))).toBe(false);
  });
});
