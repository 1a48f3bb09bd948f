import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resume, transfer } from '../../src/index.js';
import type { DecodeEvent, NativeImages } from '../../src/native/addon.js';
import { digest, images, newRun, scratch, tinyJob, train } from '../native/tiny.js';
import { temporaryFolder, tinySource } from '../tiny.js';
import { encode, pattern, write } from './generate.js';

/** Images that are asked for instead of being there; `answer` decodes a batch from the resident ones. */
function streamed(resident: NativeImages & { readonly pixels: Uint8Array }) {
  const { pixels, ...set } = resident;
  const stride = resident.size * resident.size * 3;
  const answer = ({ images: rows }: DecodeEvent) => {
    const batch = new Uint8Array(rows.length * stride);
    rows.forEach((row, k) => {
      batch.set(pixels.subarray(row * stride, (row + 1) * stride), k * stride);
    });
    return batch;
  };
  return { set, answer };
}

/** Trains, answering 'decode' events by `answer`, later and in another order than they were asked. */
async function trainStreaming(
  job: Parameters<typeof train>[0],
  answer: (event: DecodeEvent) => Uint8Array | undefined,
) {
  const asked: DecodeEvent[] = [];
  const epochs: string[] = [];
  let metrics: unknown;
  const run = newRun(job, (event) => {
    if (event.type === 'decode') {
      asked.push(event);
      setTimeout(() => run.answer(event.ticket, answer(event)), 5 * (3 - (event.ticket % 3)));
    } else if (event.type !== 'step') {
      if (event.type === 'epoch') {
        epochs.push(digest(event.state));
        metrics = event.metrics;
      }
      run.saved();
    }
  });
  return { result: await run.start(), asked, epochs, metrics };
}

type Sets = Partial<Record<'train' | 'unlabelled' | 'validation' | 'test', ReturnType<typeof images>>>;

/** Trains with images that are asked for: it must be the same to the bit as with images that are there. */
async function sameAsResident(job: Parameters<typeof tinyJob>[0], sets: Sets) {
  const resident = await train(tinyJob({ ...job, ...sets }));
  const from = Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, streamed(set)]));
  const asking = Object.fromEntries(Object.entries(from).map(([name, { set }]) => [name, set]));
  const run = await trainStreaming(tinyJob({ ...job, ...asking }), (event) => from[event.set]?.answer(event));
  expect(run.epochs).toEqual(resident.epochs.map(({ state }) => digest(state)));
  expect(run.metrics).toEqual(resident.epochs.at(-1)?.metrics);
  expect(run.result).toEqual(resident.result);
  return run.asked;
}

describe('a run whose images are decoded as they are needed', () => {
  it('is the same to the bit as one whose images are there, training, validation and test', async () => {
    const others = images(9, { seed: 2 });
    const asked = await sameAsResident({}, { train: images(16), validation: others, test: others });
    expect(asked.some(({ draws }) => draws !== undefined)).toBe(false);
  });

  it('with another batch that judges φ it is the same, too, and only the first of an epoch is decoded twice', async () => {
    const job = { metaBatch: 'other', settings: { metaEvery: 3 } } as const;
    const asked = (await sameAsResident(job, { train: images(16) })).map((event) => event.images.join());
    expect([asked.length, asked[4], asked[9]]).toEqual([10, asked[0], asked[5]]);
  });

  it('with images without labels it is the same, too, and sees each as often as the others', async () => {
    const job = { metaBatch: 'other', epochs: 3 } as const;
    const all = await sameAsResident(job, { train: images(16), unlabelled: images(5, { seed: 3 }) });
    // The last of an epoch's five batches is decoded again, as the judge.
    const asked = all.filter(({ set }, k) => set === 'unlabelled' && Math.floor(k / 2) % 5 !== 4);
    const seen = asked.flatMap((event) => [...event.images]);
    expect(seen.length).toBe(3 * 16);
    for (let k = 0; k + 5 <= seen.length; k += 5) expect(seen.slice(k, k + 5).sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it('asks for batches ahead, across epochs, each once, in order', async () => {
    const { set, answer } = streamed(images(16));
    const { asked } = await trainStreaming(scratch({ train: set }), answer);
    expect(asked.map(({ ticket }) => ticket)).toEqual([...Array(8).keys()]);
    const epoch = (k: number) => asked.slice(4 * k, 4 * k + 4).flatMap((event) => [...event.images]);
    for (const k of [0, 1]) expect(epoch(k).sort((a, b) => a - b)).toEqual([...Array(16).keys()]);
  });

  it('asks for random resized crops where the job wants them', async () => {
    const size = 64;
    const target = { name: 'resnet18', classes: 4, width: 0.0625 };
    const { set, answer } = streamed(images(16, { size }));
    const { asked } = await trainStreaming(scratch({ train: set, size, target, resizedCrops: true }), answer);
    expect(asked.length).toBe(8);
    for (const { images: rows, draws } of asked) expect(draws?.length).toBe(40 * rows.length);
    const all = asked.flatMap(({ draws }) => [...(draws ?? [])]);
    expect(Math.min(...all)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...all)).toBeLessThan(1);
    expect(new Set(all).size).toBe(all.length);
    await expect(train(scratch({ resizedCrops: true }))).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('ends, with its state saved, where a batch will not come, and soon where it is told to', async () => {
    const { set, answer } = streamed(images(16));
    const { result } = await trainStreaming(scratch({ train: set }), (event) =>
      event.ticket === 5 ? undefined : answer(event),
    );
    expect(result).toMatchObject({ stopped: true, best: { epoch: 0 } });
    const run = newRun(scratch({ train: set }), (event) => {
      if (event.type === 'decode') run.stop();
      else if (event.type === 'save') run.saved();
    });
    expect(await run.start()).toEqual({ stopped: true, epochs: 0 });
  });

  it('refuses an answer of another length', async () => {
    const { set } = streamed(images(16));
    const refused: unknown[] = [];
    const run = newRun(scratch({ train: set }), (event) => {
      if (event.type !== 'decode') return run.saved();
      try {
        run.answer(event.ticket, new Uint8Array(5));
      } catch (error) {
        refused.push(error);
        run.stop();
      }
    });
    await run.start();
    expect(refused[0]).toMatchObject({ code: 'INVALID_OPTION' });
  });
});

/** Three classes of 6 training and 2 test photographs each, of several sizes. */
async function photographs(): Promise<string> {
  const folder = temporaryFolder();
  for (const [label, name] of ['a', 'b', 'c'].entries()) {
    for (let k = 0; k < 8; k++) {
      const [height, width] = [90 + 17 * k, 150 - 10 * k];
      const pixels = pattern(label, height, width).map((value) => (value >> 2) + 60 * label);
      const file = join(folder, k < 6 ? 'train' : 'test', name, `${k}.jpg`);
      write(file, await encode(pixels, height, width, 'jpeg'));
    }
  }
  return folder;
}

describe('photographs', () => {
  let data: string;
  const options = { target: 'resnet18', size: 64, width: 0.0625, batch: 5, threads: 1, lr: 0.01 } as const;
  const out = () => join(temporaryFolder(), 'run');
  const metricsOf = (run: string) => readFile(join(run, 'metrics.jsonl'), 'utf8');
  beforeAll(async () => {
    data = await photographs();
  });

  it('train by L2T-ww, and after an abort go on to the same bytes', async () => {
    const method = { method: 'l2t-ww', source: await tinySource(), pairs: '8-3,5-2' } as const;
    const whole = await transfer({ ...options, ...method, data, out: out(), epochs: 3 }).result;
    const controller = new AbortController();
    const halves = { ...options, ...method, data, out: out(), epochs: 3, signal: controller.signal };
    const run = transfer(halves);
    for await (const event of run) if (event.type === 'step' && event.epoch === 1) controller.abort();
    await expect(run.result).rejects.toMatchObject({ code: 'ABORTED' });
    const resumed = await resume(halves.out).result;
    expect(await metricsOf(halves.out)).toBe(await metricsOf(whole.run));
    expect(readFileSync(join(halves.out, 'best.safetensors'))).toEqual(
      readFileSync(join(whole.run, 'best.safetensors')),
    );
    expect(resumed.correct).toBe(whole.correct);
  });

  it('serve a small target with a source for larger images', async () => {
    const small = { target: 'vgg9_bn', width: 0.125, batch: 5, threads: 1, lr: 0.01, epochs: 1 } as const;
    const method = { method: 'fm', source: await tinySource(), sourceSize: 64, pairs: '8-3' } as const;
    const result = await transfer({ ...small, ...method, data, out: out() }).result;
    expect(result.total).toBe(6);
  });

  it('from a cache are made once, and damaged entries again', async () => {
    const cache = temporaryFolder();
    const original = join(data, 'train', 'a', '0.jpg');
    const bytes = readFileSync(original);
    const restore = (content: Buffer) => {
      writeFileSync(original, content);
      utimesSync(original, 1e9, 1e9);
    };
    restore(bytes);
    const cached = { ...options, method: 'scratch', data, cache, epochs: 1 } as const;
    const first = await transfer({ ...cached, out: out() }).result;
    const entries = (await readdir(cache, { recursive: true })).filter((name) => /\/[0-9a-f]{64}$/.test(name));
    expect(entries.length).toBe(24);
    // Temporary files of a process that was killed while it wrote, and of one that writes now.
    const [left, written] = ['0', '1'].map((k) => join(cache, `${entries[0]}`, '..', `.x.00000000000${k}.tmp`));
    for (const file of [left, written] as string[]) writeFileSync(file, 'half');
    utimesSync(left as string, 1e9, 1e9);
    // The original, of equal size and time, is no image any more: what comes now comes from the cache.
    restore(Buffer.alloc(bytes.length));
    const second = await transfer({ ...cached, out: out() }).result;
    expect(await metricsOf(second.run)).toBe(await metricsOf(first.run));
    for (const entry of entries) {
      const file = join(cache, entry);
      const content = readFileSync(file);
      content[20] = (content[20] as number) ^ 1;
      writeFileSync(file, content);
    }
    await expect(transfer({ ...cached, out: out() }).result).rejects.toMatchObject({ code: 'INVALID_DATA' });
    restore(bytes);
    const third = await transfer({ ...cached, out: out() }).result;
    expect(await metricsOf(third.run)).toBe(await metricsOf(first.run));
    expect([left, written].map((file) => existsSync(file as string))).toEqual([false, true]);
  });

  it('are read without a cache, with a warning, where it cannot be written', async () => {
    const cache = join(temporaryFolder(), 'file');
    writeFileSync(cache, 'a file, not a folder');
    const run = transfer({ ...options, method: 'scratch', data, cache, epochs: 1, out: out() });
    const warnings: string[] = [];
    for await (const event of run) if (event.type === 'warning') warnings.push(event.message);
    expect(warnings).toEqual([expect.stringMatching(/Cannot create the folder .* goes on without the cache/)]);
    expect((await run.result).total).toBe(6);
  });

  it('that are damaged while it runs end it, named', async () => {
    const file = join(data, 'train', 'b', '3.jpg');
    const bytes = readFileSync(file);
    const run = transfer({ ...options, method: 'scratch', data, out: out(), epochs: 3 });
    const all = (async () => {
      for await (const { type } of run) if (type === 'start') writeFileSync(file, bytes.subarray(0, bytes.length / 2));
    })();
    await expect(all).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/b\/3\.jpg cannot be decoded.* l2t-native data check finds all/),
    });
  });
});
