import { describe, expect, it } from 'vitest';
import { type DataSummary, proposedTarget } from '../../src/experiments/proposal.js';
import { proposeOptions, transfer } from '../../src/index.js';
import { writeClasses } from '../data/generate.js';
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

  it("proposes the paper's target for large images only where the source's and these are large", () => {
    const sides = (median: number) => ({ shortSides: { median } }) as DataSummary;
    expect(proposedTarget(224, sides(300))).toBe('resnet18');
    expect(proposedTarget(224, sides(32))).toBe('vgg9_bn');
    expect(proposedTarget(32, sides(300))).toBe('vgg9_bn');
    expect(proposedTarget(undefined, sides(300))).toBe('vgg9_bn');
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
    await expect(
      proposeOptions({ data, method: 'finetune', targetInit, target: 'resnet20', ...rest }),
    ).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringMatching(/a vgg9_bn.*correct target/) });
  });
});
