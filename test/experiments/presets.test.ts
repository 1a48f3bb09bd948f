import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { comparison, limitedData } from '../../src/experiments/compare.js';
import { openPresetData, pretrainPreset } from '../../src/experiments/presets.js';
import { presets } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { checkOptions } from '../../src/options/check.js';
import { defaultSize } from '../../src/options/networks.js';
import { compareSchema, curveSchema } from '../../src/options/schemas.js';
import { cifarVariants, temporaryFolder, writeCifar, writeClasses } from '../data/generate.js';
import { refusal } from '../outcomes.js';

const all = await presets();
const experiments = all.filter(({ verb }) => verb !== 'pretrain');
const named = (name: string) => all.find((preset) => preset.name === name) as (typeof all)[number];

/** The rows of the paper's comparison, and how many pairs each has at 32×32 and at 224×224. */
const rows: readonly [label: string, small: number, large: number][] = [
  ['scratch', 0, 0],
  ['lwf', 0, 0],
  ['at:one-to-one', 3, 4],
  ['lwf+at:one-to-one', 3, 4],
  ['fm:single', 1, 1],
  ['fm:one-to-one', 3, 4],
  ['l2t-w:single', 1, 1],
  ['l2t-w:one-to-one', 3, 4],
  ['l2t-ww:all-to-all', 15, 16],
];

describe('presets', () => {
  it('are every file of the folder, each under its own name', () => {
    const files = readdirSync(join(packageRoot, 'src/experiments/presets')).filter((file) => file !== 'splits');
    expect(all.map(({ name }) => `${name}.yaml`).sort()).toEqual(files.sort());
    expect(new Set(all.map(({ title }) => title)).size).toBe(files.length);
  });

  it.each(experiments)('$name has every method of the comparison, with the pairs that its networks have', (preset) => {
    const entries =
      preset.verb === 'curve'
        ? limitedData.entries(checkOptions(curveSchema, preset.options))
        : comparison.entries(checkOptions(compareSchema, preset.options));
    const labels = [...new Set(entries.map(({ label }) => label))];
    expect(labels).toEqual(rows.map(([label]) => label));
    const target = { name: String(preset.options.target), classes: preset.data.classes, width: 1 };
    const size = defaultSize(target.name);
    for (const { network, classes } of preset.sources) {
      for (const [label, small, large] of rows) {
        const configuration = label.split(':')[1];
        if (configuration === undefined) continue;
        const found = addon().pairs({ name: network, classes, width: 1 }, size, target, size, configuration);
        expect([label, found.length]).toEqual([label, size === 32 ? small : large]);
      }
    }
  });

  it.each(all)('$name has the schedule of the paper', ({ options, data }) => {
    const network = String(options.target ?? options.network);
    expect(options).toMatchObject({ epochs: 200, batch: network === 'resnet18' ? 64 : 128, lr: 0.1, momentum: 0.9 });
    expect([options.weightDecay, options.validation]).toEqual([1e-4, 0.1]);
    if ('target' in options) expect(options).toMatchObject({ beta: 0.5, innerSteps: 2, metaLr: 1e-4 });
    expect(data.images / data.classes).toBeGreaterThan(25);
  });

  it('validate on images that their data has, where the authors published which', () => {
    const divided = all.flatMap(({ data }) => (data.split === undefined ? [] : { ...data, split: data.split }));
    expect(new Set(divided.map(({ layout }) => layout))).toEqual(
      new Set(['cifar100', 'cub200', 'stanford-dogs', 'stl10']),
    );
    for (const { split, images } of divided) {
      const { validation } = JSON.parse(readFileSync(split, 'utf8'));
      expect(Math.max(...validation)).toBeLessThan(images);
    }
  });

  it('that a source comes from is there', () => {
    const mentioned = all.flatMap(({ sources }) =>
      sources.flatMap(({ from }) => /--preset (\S+)/.exec(from)?.[1] ?? []),
    );
    expect(mentioned.length).toBeGreaterThan(0);
    for (const name of mentioned) expect(named(name).verb).toBe('pretrain');
  });
});

describe('the data of a preset', () => {
  it('is known by its layout', async () => {
    const folder = temporaryFolder();
    writeCifar(folder, cifarVariants[0] as (typeof cifarVariants)[number]);
    expect((await openPresetData(named('cifar10-few-images'), { data: folder })).train?.count).toBe(10);
    await expect(openPresetData(named('cub200'), { data: folder })).rejects.toThrow(
      refusal('INVALID_DATA', /The preset cub200 needs CUB-200-2011 .* is of the layout cifar10/),
    );
  });

  it('may be folders of as many classes', async () => {
    const folder = temporaryFolder();
    await writeClasses(join(folder, 'train'), Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`c${k}`, 1])));
    expect(await openPresetData(named('stl10'), { data: folder })).toMatchObject({ layout: 'folder' });
    await expect(openPresetData(named('mit67'), { data: folder })).rejects.toThrow(
      /or its 67 classes as folders, Parquet files or a list; .* holds 10 classes\./,
    );
    const options = await pretrainPreset('resnet32-svhn', { data: folder, batch: 5 });
    expect(options).toMatchObject({ network: 'resnet32', batch: 5, momentum: 0.9, data: folder });
    expect(options).toMatchObject({ validation: 0.1 });
    const divided = await pretrainPreset('resnet32-svhn', { data: folder, splitFile: 'mine.json' });
    expect(divided).not.toHaveProperty('validation');
    await expect(pretrainPreset('resnet32-tinyimagenet', { data: folder })).rejects.toMatchObject({
      code: 'INVALID_DATA',
    });
  });
});
