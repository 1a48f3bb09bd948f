import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cifar10, cifar100 } from '../../src/data/layouts/arrays.js';
import { dryRun, type Follow, reproduce, resumeReproduction } from '../../src/index.js';
import type { NetworkName } from '../../src/options/networks.js';
import { writeCifar, writeClasses } from '../data/generate.js';
import { refusal } from '../outcomes.js';
import { cli, newPath, temporaryFolder, tinySource, write } from '../tiny.js';

/** A hundred training images, one a class. */
const hundred = temporaryFolder();
/** Ten. */
const ten = temporaryFolder();
let source: string;
beforeAll(async () => {
  writeCifar(hundred, cifar100);
  writeCifar(ten, cifar10);
  source = await pretrained('resnet32');
});

const pretrained = (name: NetworkName, classes = 200) => tinySource({ name, classes, width: 0.125 });

/** Ten classes as folders. */
async function classFolders(splits: readonly string[]): Promise<string> {
  const folder = temporaryFolder();
  const classes = Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`class ${k}`, 2]));
  for (const split of splits) await writeClasses(join(folder, split), classes);
  return folder;
}

const tiny = { epochs: 1, width: 0.0625, batch: 50, seeds: 1, lr: 0.01, threads: 1 } as const;

describe('reproduce', { timeout: 120_000 }, () => {
  it('runs a comparison by name, with what is given over it; an interrupted one goes on', async () => {
    const folder = newPath();
    const controller = new AbortController();
    const follow: Follow = async (run, label) => {
      if (label === 'fm:single') controller.abort();
      return run.result;
    };
    const given = { ...tiny, data: hundred, sourceWeights: source, methods: 'lwf,fm:single,l2t-ww', perClass: '1' };
    await expect(
      reproduce('cifar100', { ...given, parallel: 1, out: folder, follow, signal: controller.signal }),
    ).rejects.toThrow(refusal('ABORTED', `--resume ${folder}`));
    const { rows } = await resumeReproduction(folder);
    expect(rows.map(({ label }) => label)).toEqual(['lwf', 'fm:single', 'l2t-ww']);
    const options = readFileSync(join(folder, 'l2t-ww-0', 'options.yaml'), 'utf8');
    // Options of the preset, and those that replace them.
    expect(options).toMatch(/momentum: 0\.9\n/);
    expect(options).toMatch(/batch: 50\n/);
    expect(options).toMatch(/pairs: all-to-all\n/);
  });

  it('runs a curve by name', async () => {
    const given = { ...tiny, data: ten, methods: 'scratch', perClass: '1', batch: 5, out: newPath() };
    const { rows } = await reproduce('cifar10-few-images', given);
    expect(rows).toMatchObject([{ label: 'scratch', perClass: 1, accuracies: [expect.any(Number)] }]);
  });

  it('runs with several sources, in the order of the preset', async () => {
    const sourceWeights = [await pretrained('resnet20'), source, await pretrained('resnet32', 10)];
    const methods = 'lwf,lwf+at:one-to-one,l2t-ww:all-to-all';
    const reproduction = { ...tiny, batch: 10, methods, data: await classFolders(['train', 'test']) };
    const { rows } = await reproduce('stl10-three-sources', { ...reproduction, sourceWeights, out: newPath() });
    expect(rows.map(({ label }) => label)).toEqual(methods.split(','));
    const reversed = { ...reproduction, sourceWeights: sourceWeights.toReversed(), out: newPath() };
    await expect(reproduce('stl10-three-sources', reversed)).rejects.toThrow(
      /holds a resnet32, where a resnet20 is expected/,
    );
    const swapped = {
      ...reproduction,
      sourceWeights: [sourceWeights[0], sourceWeights[2], source] as string[],
      out: newPath(),
    };
    await expect(reproduce('stl10-three-sources', swapped)).rejects.toThrow(/number 2 tells 10 classes apart, .* 200/);
    expect((await dryRun('stl10-three-sources', reproduction)).estimate.entries.map(({ steps }) => steps)).toEqual([
      2, 2, 2,
    ]);
  });

  it.each([
    ['cub200', {}, 'INVALID_DATA', /cub200 needs CUB-200-2011 .* is of the layout cifar100/],
    [
      'cifar100',
      { sourceWeights: undefined },
      'INVALID_OPTION',
      /once, not 0 times: resnet32, trained on TinyImageNet/,
    ],
    ['cifar100', { sourceWeights: undefined, methods: 'finetune-source' }, 'INVALID_OPTION', /once, not 0 times/],
    ['stl10-three-sources', {}, 'INVALID_OPTION', /3 times, in this order, not 1 times: resnet20, .*; resnet32, /],
    ['cifar100', { perClass: '50,100' }, 'INVALID_OPTION', /perClass is '50,100'/],
    ['cifar100', { data: undefined }, 'INVALID_OPTION', /^data is missing/],
    [
      'cifar',
      { data: undefined },
      'INVALID_OPTION',
      /'cifar' is no preset: there are cifar100, .* Did you mean 'cifar100'\?/,
    ],
    ['resnet32-svhn', {}, 'INVALID_OPTION', /trains a source: l2t-native pretrain --preset resnet32-svhn/],
  ] as const)('%s with %o is refused: %s', async (name, given, code, message) => {
    const folder = newPath();
    const work = reproduce(name, { ...tiny, data: hundred, sourceWeights: source, ...(given as object), out: folder });
    await expect(work).rejects.toThrow(refusal(code, message));
    expect(existsSync(folder)).toBe(false);
  });

  it('dry, times each method once and counts steps: of the data, or as published', async () => {
    const methods = 'scratch,l2t-w:single,finetune-source';
    const reproduction = { ...tiny, methods, epochs: 3, batch: 20, seeds: 2, parallel: 1 };
    const { counted, estimate, options } = await dryRun('cifar100', { ...reproduction, data: hundred, perClass: '1' });
    expect([counted, options.momentum, options.batch, options.splitFile]).toEqual([true, 0.9, 20, undefined]);
    // One image a class: none is held out.
    expect(estimate.entries.map(({ label, steps }) => [label, steps])).toEqual([
      ['scratch', 3 * 5],
      ['l2t-w:single', 3 * 5],
      ['finetune-source', 3 * 5],
    ]);
    // The source is 16 times as wide as the target.
    const [scratch, , whole] = estimate.entries.map(({ msPerStep }) => msPerStep);
    expect(whole).toBeGreaterThan(scratch as number);
    const sum = estimate.entries.reduce((total, { msPerStep, steps }) => total + (msPerStep * steps) / 1000, 0);
    expect(estimate.seconds).toBeCloseTo(2 * sum, 9);
    const timed: string[] = [];
    const onMethod = (label: string) => timed.push(label);
    const curve = await dryRun('cifar10-few-images', {
      ...reproduction,
      methods: 'scratch',
      perClass: '50,5',
      onMethod,
    });
    expect(curve.counted).toBe(false);
    // 45 of 50 images of ten classes in batches of 20, of which the last is short; 5 of 5.
    expect(curve.estimate.entries.map(({ perClass, steps }) => [perClass, steps])).toEqual([
      [50, 3 * 23],
      [5, 3 * 3],
    ]);
    expect(timed).toEqual(['scratch']);
    const useless = dryRun('cifar10-few-images', { ...reproduction, methods: 'scratch', innerSteps: 3 });
    await expect(useless).rejects.toThrow(/None of the methods has a use for innerSteps/);
    const all = await dryRun('cifar10-few-images', {
      ...reproduction,
      methods: 'scratch',
      perClass: '50',
      validation: 0,
    });
    expect(all.estimate.entries[0]?.steps).toBe(3 * 25);
  });

  it("validates on the authors' images, unless something else divides the data or it is in folders", async () => {
    const given = { ...tiny, methods: 'scratch', size: 32, batch: 4 };
    const dividing = async (more: object) => {
      const { splitFile, validation } = (await dryRun('stl10', { ...given, ...more })).options;
      return [splitFile, validation];
    };
    expect(await dividing({})).toEqual([expect.stringMatching(/splits\/stl10\.json$/), undefined]);
    expect(await dividing({ fold: 1 })).toEqual([undefined, 0.1]);
    expect(await dividing({ validation: 5 })).toEqual([undefined, 5]);
    expect(await dividing({ splitFile: 'mine.json' })).toEqual([resolve('mine.json'), undefined]);
    expect(await dividing({ data: await classFolders(['train']) })).toEqual([undefined, 0.1]);
  });

  it('is a verb: flags over YAML over the preset; dry, it writes nothing', async () => {
    const cwd = temporaryFolder();
    const config = write(temporaryFolder(), 'options.yaml', 'width: 0.0625\nmethods: scratch\nbatch: 20\nlr: 0.5\n');
    const args = ['reproduce', 'cifar100', '--dry-run', '--config', config, '--lr', '0.25', '--threads', '1', '--json'];
    const dry = await cli(args, { cwd });
    expect(JSON.parse(dry.stdout).options).toMatchObject({ width: 0.0625, lr: 0.25, batch: 20, momentum: 0.9 });
    expect((await cli(args.slice(0, -1), { cwd })).stdout).toMatch(/^cifar100, with these options:\n[\s\S]*about \d+ /);
    expect(readdirSync(cwd)).toEqual([]);
    const list = await cli(['reproduce', '--list']);
    expect(list.stdout).toMatch(
      /^cub200: .*\n {2}data: CUB-200-2011, 5,994 .*\n {2}source: resnet34 trained on ImageNet/m,
    );
    expect(JSON.parse((await cli(['reproduce', '--list', '--json'])).stdout)).toContainEqual(
      expect.objectContaining({ name: 'resnet32-svhn', verb: 'pretrain' }),
    );
    expect(await cli(['reproduce'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/--list shows them/) });
  });
});
