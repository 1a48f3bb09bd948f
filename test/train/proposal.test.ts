import { describe, expect, it } from 'vitest';
import { proposeOptions, transfer } from '../../src/index.js';
import { writeClasses } from '../data/generate.js';
import { refusal } from '../outcomes.js';
import { temporaryFolder, tinyData, tinySource, write } from '../tiny.js';

const data = tinyData();
const small = { width: 0.0625, threads: 1 } as const;

describe('proposeOptions', () => {
  it("names each source's network, counts pairs and steps, and its options begin a run", async () => {
    const source = [await tinySource(), await tinySource({ name: 'resnet32', width: 0.5 }, { size: 40 })];
    const given = { data, source, target: 'resnet20', pairs: ['5-2', '4-5,9-8'], epochs: 3, ...small } as const;
    const { options, proposed, pairs, estimate, data: seen } = await proposeOptions(given);
    expect(options).toMatchObject({ ...given, sourceNetwork: ['resnet20', 'resnet32'], method: 'l2t-ww', lr: 'auto' });
    expect([...proposed].sort()).toEqual(['batch', 'lr', 'method', 'size', 'sourceNetwork']);
    expect(pairs).toBe(3);
    expect(seen).toMatchObject({ layout: 'idx', images: { train: 36, validation: 0, test: 30 }, testDrawn: false });
    expect(estimate).toMatchObject({ steps: 6, seconds: expect.closeTo((6 * estimate.msPerStep) / 1000, 6) });
    const run = transfer({ ...options, lr: 0.01, epochs: 1, out: temporaryFolder() });
    expect((await run.result).method).toBe('l2t-ww');
  });

  it('proposes for a method without a source, and for photographs whose test it would draw', async () => {
    const photos = temporaryFolder();
    await writeClasses(photos, { a: 20, b: 20 });
    const { options, data: seen } = await proposeOptions({ data: photos, method: 'scratch', ...small });
    expect(options).toEqual({
      ...{ data: photos, method: 'scratch', target: 'vgg9_bn', size: 32, batch: 32, epochs: 200, lr: 'auto' },
      ...small,
    });
    expect(seen).toMatchObject({ testDrawn: true, images: { train: 36, test: 4 } });
  });

  it('takes the columns of a list, and keeps them for the run', async () => {
    const folder = temporaryFolder();
    await writeClasses(folder, { a: 4, b: 4 });
    const rows = ['a', 'b'].flatMap((name) => [0, 1, 2, 3].map((k) => `${name}/${k}.png,${name},x`));
    const list = write(folder, 'list.csv', ['file,kind,label', ...rows].join('\n'));
    const given = { data: list, labelColumn: 'kind', method: 'scratch', ...small } as const;
    const { options, data: seen } = await proposeOptions(given);
    expect(options).toMatchObject(given);
    expect(seen.classNames).toEqual(['a', 'b']);
  });

  it('warns of a target that reads the images enlarged', async () => {
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    await proposeOptions({ data, method: 'scratch', target: 'resnet18', size: 80, ...small, onWarning });
    expect(warnings).toEqual([
      expect.stringMatching(/short sides of 32 pixels, and resnet18 reads them enlarged to 80/),
    ]);
  });

  it('proposes to fine-tune the source, if that is within the budget', async () => {
    const source = await tinySource();
    const { options } = await proposeOptions({ data, source, threads: 1, maxParams: 300_000 });
    const expected = { method: 'finetune', targetInit: source, target: 'resnet20', width: 1, size: 32, epochs: 12 };
    expect(options).toMatchObject(expected);
    expect(options).not.toHaveProperty('source');
  });

  it('proposes the largest network within the budget, which learns from the source fine-tuned', async () => {
    const source = await tinySource();
    const { options, estimate } = await proposeOptions({ data, source, threads: 1, maxParams: 30_000 });
    const shape = { target: 'resnet32', width: 0.25, size: 32 };
    expect(options).toMatchObject({ ...shape, method: 'fm', source, sourceFinetune: 12, pairs: 'all-to-all' });
    // The time is that of the run's own 200 epochs.
    expect(estimate).toMatchObject({ label: 'fm', steps: 400 });
    expect(options).not.toHaveProperty('maxParams');
    const run = transfer({ ...options, sourceFinetune: 1, epochs: 1, out: temporaryFolder() });
    expect((await run.result).method).toBe('fm');
  });

  it('proposes no network that is larger than the source for a method that is given', async () => {
    const source = await tinySource();
    const { options } = await proposeOptions({ data, source, threads: 1, method: 'l2t-ww' });
    expect(options).toMatchObject({ target: 'resnet32', width: 0.5, method: 'l2t-ww', source });
    expect(options).not.toHaveProperty('sourceFinetune');
  });

  it('refuses a budget for a target that is given', async () => {
    const given = { data, source: await tinySource(), target: 'resnet20', maxMs: 3 } as const;
    await expect(proposeOptions(given)).rejects.toMatchObject({ message: expect.stringMatching(/leave out/) });
  });

  it('proposes the network that the target starts from, and the size of its images', async () => {
    const targetInit = await tinySource({ name: 'mobilenet_v2', width: 0.0625 }, { size: 40 });
    const { options } = await proposeOptions({ data, method: 'finetune', targetInit, ...small });
    expect(options).toMatchObject({ target: 'mobilenet_v2', size: 40 });
  });

  it('proposes the width of the weights that the target starts from, and refuses those of another target', async () => {
    const targetInit = await tinySource({ name: 'vgg9_bn', width: 0.125 });
    const { width: _, ...rest } = small;
    const { options, proposed } = await proposeOptions({ data, method: 'finetune', targetInit, ...rest });
    expect(options).toMatchObject({ target: 'vgg9_bn', width: 0.125 });
    expect(proposed).toContain('width');
    await expect(proposeOptions({ data, method: 'finetune', targetInit, target: 'resnet20', ...rest })).rejects.toThrow(
      refusal('INVALID_OPTION', /a vgg9_bn.*correct target/),
    );
  });
});
