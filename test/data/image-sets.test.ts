import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { ImageList } from '../../src/data/dataset.js';
import { makeImageSets } from '../../src/data/image-sets.js';
import { cifar100 } from '../../src/data/layouts/arrays.js';
import { openDataset } from '../../src/data/load.js';
import { evaluate, resume, transfer } from '../../src/index.js';
import { writeParquet } from '../fixtures/parquet.js';
import { cli } from '../tiny.js';
import { decodeDataset, encode, failure, nearest, pattern, temporaryFolder, write, writeCifar } from './generate.js';
import { names, rows } from './parquet-rows.js';

/** Two classes of 20 training and 6 test photographs; `damage`: the paths of those whose bytes are zeros. */
async function photographs(damage: readonly string[] = []): Promise<string> {
  const folder = temporaryFolder();
  for (const [label, name] of ['a', 'b'].entries()) {
    for (let k = 0; k < 26; k++) {
      const path = join(k < 20 ? 'train' : 'test', name, `${k}.jpg`);
      const pixels = pattern(k, 70, 80).map((value) => (value >> 2) + 100 * label);
      const bytes = await encode(pixels, 70, 80, 'jpeg');
      write(join(folder, path), damage.includes(path) ? Buffer.alloc(bytes.length) : bytes);
    }
  }
  return folder;
}

const small = { target: 'vgg9_bn', width: 0.0625 } as const;
const large = { target: 'resnet18', size: 64, width: 0.0625 } as const;
const common = { method: 'scratch', batch: 4, threads: 1, lr: 0.01, report: false } as const;
const drawn = { ...common, perClass: 15, validation: 3, seed: 3 } as const;
const newFolder = () => join(temporaryFolder(), 'run');

const reasonOf = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);
const ways = [
  ['kept in memory', small],
  ['decoded when they are needed', large],
] as const;

describe('damaged images', () => {
  const damage = ['test/a/21.jpg', 'train/a/3.jpg', 'train/b/7.jpg'];
  it.each(ways)('%s are all named before the first step', async (_, network) => {
    const data = await photographs(damage);
    const events: string[] = [];
    const run = transfer({ ...common, ...network, data, out: newFolder(), epochs: 1 });
    const reading = async () => {
      for await (const { type } of run) events.push(type);
    };
    const message = await reasonOf(reading());
    expect(events).not.toContain('start');
    expect(message).toMatch(/3 images of 52 cannot be read:/);
    for (const path of damage) expect(message).toContain(`${join(data, path)} is not a PNG`);
    expect(message).toMatch(/leave them out with skipDamaged\.$/);
  });

  it('that are many are named in part', async () => {
    const data = await photographs(Array.from({ length: 13 }, (_, k) => `train/a/${k}.jpg`));
    const { code, stderr } = await cli([
      ...['transfer', '--target', 'vgg9_bn', '--width', '0.0625', '--method', 'scratch'],
      ...['--data', data, '--epochs', '1', '--threads', '1', '--out', newFolder()],
    ]);
    expect(code).toBe(1);
    const lines = stderr.trim().split('\n');
    expect(lines[0]).toMatch(/^error\[INVALID_DATA\]: .*: 13 images of 52 cannot be read:$/);
    expect(lines.filter((line) => line.includes('train/a/'))).toHaveLength(10);
    expect(lines.at(-2)).toBe(`  and 3 more, which l2t-native data check ${data} lists`);
    expect(lines.at(-1)).toMatch(/leave them out with --skip-damaged\.$/);
  });

  it.each(ways)('%s are left out of the sets to which they belong', async (_, network) => {
    const sound = await photographs();
    const whole = await transfer({ ...drawn, ...network, data: sound, out: newFolder(), epochs: 1 }).result;
    const split = readFileSync(join(whole.run, 'split.json'), 'utf8');
    const { train, validation } = JSON.parse(split);
    const pathOf = (index: number) => `train/${index < 20 ? 'a' : 'b'}/${nameOf(index % 20)}`;
    const data = await photographs([pathOf(train[2]), pathOf(validation[1]), 'test/b/24.jpg']);
    const run = transfer({ ...drawn, ...network, data, out: newFolder(), epochs: 1, skipDamaged: true, report: true });
    const events = [];
    for await (const event of run) events.push(event);
    const result = await run.result;
    expect(readFileSync(join(result.run, 'split.json'), 'utf8')).toBe(split);
    expect(events.find(({ type }) => type === 'start')).toMatchObject({
      images: { train: train.length - 1, validation: validation.length - 1, test: 11 },
    });
    expect(result).toMatchObject({ total: 11, skipped: 1 });
    for (const file of [result.report as string, join(result.run, 'README.md')]) {
      expect(readFileSync(file, 'utf8')).toMatch(/of 11\b.*1 damaged image left out/);
    }
    expect(readFileSync(join(result.run, 'options.yaml'), 'utf8')).toContain(
      `    - set: train\n      image: ${train[2]}\n      name: ${join(data, pathOf(train[2]))}\n`,
    );
    const tested = { data, split: 'test', threads: 1 } as const;
    expect(await evaluate(result.checkpoint, { ...tested, skipDamaged: true })).toMatchObject({
      total: 11,
      skipped: 1,
      correct: result.correct,
    });
    expect(await reasonOf(evaluate(result.checkpoint, tested))).toMatch(
      /b\/24\.jpg is not a PNG.* l2t-native data check finds all .* skipDamaged leaves them out/,
    );
  });

  it('that a run left out are left out by its resume, which does not look for them', async () => {
    const data = await photographs(['train/a/3.jpg', 'train/b/7.jpg']);
    const options = { ...common, ...large, data, epochs: 2, skipDamaged: true };
    const whole = await transfer({ ...options, out: newFolder() }).result;
    const out = newFolder();
    const controller = new AbortController();
    const run = transfer({ ...options, out, signal: controller.signal });
    for await (const event of run) if (event.type === 'epoch') controller.abort();
    await expect(run.result).rejects.toMatchObject({ code: 'ABORTED' });
    // Repaired since: the data has the same hash, and what was begun must go on with the same images.
    const intact = readFileSync(join(await photographs(), 'train/a/3.jpg'));
    writeFileSync(join(data, 'train/a/3.jpg'), intact);
    const types: string[] = [];
    const again = resume(out);
    for await (const event of again) types.push(event.type);
    expect(types).not.toContain('data');
    await again.result;
    const metrics = (folder: string) => readFileSync(join(folder, 'metrics.jsonl'), 'utf8');
    expect(metrics(out)).toBe(metrics(whole.run));
  });

  it('are not left out if nothing remains of a class or a set', async () => {
    const options = { ...common, ...small, epochs: 1, skipDamaged: true };
    const all = (split: string, name: string, from: number, to: number) =>
      Array.from({ length: to - from }, (_, k) => `${split}/${name}/${from + k}.jpg`);
    const noClass = await photographs(all('train', 'b', 0, 20));
    expect(await reasonOf(transfer({ ...options, data: noClass, out: newFolder() }).result)).toMatch(
      /class 'b' has no training images/,
    );
    const noTest = await photographs([...all('test', 'a', 20, 26), ...all('test', 'b', 20, 26)]);
    expect(await reasonOf(transfer({ ...options, data: noTest, out: newFolder() }).result)).toMatch(
      /none of the 12 test images can be read/,
    );
  });

  it('are looked for among training images only if that takes less than two minutes, or they are left out', async () => {
    let read = 0;
    const sound = { pixels: new Uint8Array(64 * 64 * 3), height: 64, width: 64 };
    const train = {
      count: 1000,
      labels: Int32Array.from({ length: 1000 }, (_, k) => k % 2),
      position: (index: number) => index,
      name: (index: number) => `image ${index}`,
      read: async () => {
        read++;
        return sound;
      },
    } as unknown as ImageList;
    const lists = { train, validation: undefined, test: undefined };
    const look = async (skipDamaged: boolean, milliseconds: number) => {
      read = 0;
      const options = { folder: 'data', size: 64, sourceSizes: [], check: true, skipDamaged };
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => read * milliseconds);
      await makeImageSets(lists, { train, classNames: ['a', 'b'] }, options).finally(() => clock.mockRestore());
      return read;
    };
    expect(await look(false, 119)).toBe(1000);
    expect(await look(false, 130)).toBeLessThan(100);
    expect(await look(true, 130)).toBe(1000);
  });
});

/** The k-th of 20 names, sorted as a folder is: 0, 1, 10, 11, … */
const nameOf = (k: number): string => Array.from({ length: 20 }, (_, each) => `${each}.jpg`).sort()[k] as string;

describe('training images that do not fit into memory', () => {
  /** Six training images; `read` lists those that were decoded. */
  async function tooMany() {
    const folder = temporaryFolder();
    await writeParquet(join(folder, 'train.parquet'), rows(6), { names });
    const { train } = await openDataset(folder);
    const list = train as ImageList;
    const read: number[] = [];
    const spied: ImageList = {
      ...list,
      hold: async () => false,
      read(index, reduction) {
        read.push(index);
        return list.read(index, reduction);
      },
    };
    const sets = (cache?: string) => {
      const options = { folder, size: 64, sourceSizes: [], check: false, skipDamaged: false, cache };
      return makeImageSets(
        { train: spied, validation: undefined, test: undefined },
        { train: spied, classNames: ['a', 'b'] },
        options,
      );
    };
    return { sets, read };
  }

  it('need a cache, which is filled before training', async () => {
    const { sets, read } = await tooMany();
    const said = await failure(sets());
    expect(said).toMatchObject({ code: 'INVALID_OPTION' });
    expect(said?.message).toMatch(/the 6 training images take more than 1 GiB of memory\. Give cache a folder/);
    const cache = temporaryFolder();
    const { streamed } = await sets(cache);
    expect([...read].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    await streamed.train?.list.read(3);
    await sets(cache);
    expect(read).toHaveLength(6);
  });

  it('are refused before anything is read, if they are small', async () => {
    const folder = temporaryFolder();
    writeCifar(folder, cifar100);
    expect(await failure(decodeDataset(folder, { size: 4096, resize: nearest }))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/100 images of 4096×4096 take 4\.7 GiB/),
    });
  });

  it('are refused if the cache cannot be written', async () => {
    const { sets } = await tooMany();
    const file = join(temporaryFolder(), 'file');
    write(file, '');
    expect((await failure(sets(file)))?.message).toMatch(/Give cache a folder that can be written/);
  });
});
