import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { writeClasses } from '../data/generate.js';
import { run, type Start, temporaryFolder, tinySource } from '../tiny.js';

describe('the programs of examples/', () => {
  let folder: string;
  let source: string;
  beforeAll(async () => {
    folder = temporaryFolder();
    await writeClasses(join(folder, 'photos'), { coat: 10, shoe: 10 });
    source = await tinySource();
  });

  const example = (name: string, args: readonly string[], start: Start = {}) =>
    run([process.execPath, join(packageRoot, 'examples', `${name}.mjs`), ...args], {
      cwd: folder,
      env: { OMP_NUM_THREADS: '1' },
      ...start,
    });

  it.each(['train', 'compare', 'serve'])('%s says how it is used', async (name) => {
    expect(await example(name, [])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`usage: node ${name}.mjs `),
    });
  });

  it('train shows its progress, the result and an image', async () => {
    const { code, stdout, stderr } = await example('train', ['photos', source, '1000', '1']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^source: epoch 1 of 1, [\d.]+ % right$/m);
    expect(stdout).toMatch(/^source: resnet20, [\d.]+ % of the test images, [\d.]+ ms$/m);
    expect(stdout).toContain('The fine-tuned source is within the budget: it is the result.');
    expect(stdout).toMatch(/0\.png: (coat|shoe), [\d.]+ %\n$/);
  });

  it('train saves everything at Ctrl-C, and says how to go on', async () => {
    const { code, stderr } = await example('train', ['photos', source, '1000', '3600'], {
      meanwhile: (child) =>
        child.stdout?.on('data', (text) => {
          if (/epoch 1 of/.test(String(text))) child.kill('SIGINT');
        }),
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The training was interrupted; all is saved\. Continue it with: .*runs\/train-/);
  });

  it('train says what is wrong', async () => {
    const { code, stderr } = await example('train', ['nowhere', source]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^The data folder .*nowhere does not exist: .*\n$/)]);
  });

  it('compare shows the runs, the table and the conclusion', async () => {
    const { code, stdout, stderr } = await example('compare', ['photos', source, '1', '2']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.match(/^(l2t-ww|scratch), seed [01]: \d+ s$/gm)).toHaveLength(4);
    for (const method of ['l2t-ww', 'scratch']) {
      expect(stdout).toMatch(new RegExp(`^${method} +[\\d.]+ % of the test images \\([\\d.]+, [\\d.]+\\)$`, 'm'));
    }
    expect(stdout).toMatch(/settle.*\nThe table is .*runs\/compare-1\/comparison\.md\n$/s);
  });
});
