import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type PairMetrics, transfer } from '../../src/index.js';
import { inspectRun } from '../../src/report/inspect.js';
import { cli, newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

let data: string;
let source: string[];
beforeAll(async () => {
  data = tinyData();
  source = [await tinySource(), await tinySource({ name: 'resnet18', width: 0.0625 }, { size: 64 })];
});

/** Lines of words, which two spaces or more divide. */
const wordsOf = (text: string) => text.split('\n').map((line) => line.trimEnd().split(/ {2,}/));

async function inspected(method: 'l2t-ww' | 'l2t-w' | 'fm') {
  const run = newPath();
  const options = { ...tinyOptions, lr: 1e-3, epochs: 1, method, source, data, out: run };
  await transfer({ ...options, pairs: ['8-3,5-1', '4-4'] }).result;
  const { pairs, learned } = await inspectRun(run);
  return { run, pairs: pairs as Required<PairMetrics>[], learned, text: (await cli(['inspect', run])).stdout };
}

describe('inspect of a run', () => {
  it('has a table of λ and one of the entropies of w for each source, with what the features are', async () => {
    const { pairs, learned, text } = await inspected('l2t-ww');
    const [late, early, other] = pairs as [(typeof pairs)[0], (typeof pairs)[0], (typeof pairs)[0]];
    const tables = (cell: (pair: (typeof pairs)[0]) => string) => [
      ['resnet20 \\ vgg9_bn', '1: 16@16×16', '3: 64@4×4'],
      ['5: 32@16×16', cell(early)],
      ['8: 64@8×8', cell(late)],
      ['resnet18 \\ vgg9_bn', '4: 64@2×2'],
      ['4: 32@2×2', cell(other)],
    ];
    const words = wordsOf(text);
    const range = ({ lambdaStart, lambdaMean, lambdaStd }: (typeof pairs)[0]) =>
      `${lambdaStart.toFixed(2)} → ${lambdaMean.toFixed(2)} ± ${lambdaStd.toFixed(2)}`;
    for (const line of tables(range)) {
      expect(words).toContainEqual(line);
    }
    // Equal weights of C channels have the entropy ln C.
    const channels = new Map([
      [early, 32],
      [late, 64],
      [other, 32],
    ]);
    const entropy = (pair: typeof early) =>
      `${pair.weightEntropy.toFixed(4)} of ${Math.log(channels.get(pair) as number).toFixed(4)}`;
    for (const line of tables(entropy)) expect(words).toContainEqual(line);
    expect(text.split('\n').filter((line) => line !== line.trimEnd())).toEqual([]);
    expect(learned?.sentence).toContain('λ');
    expect(words).toContainEqual([learned?.sentence]);
    // Feature 8 is matched by 3, not by 1.
    expect(text).toMatch(/^8: 64@8×8 {12,}\d/m);
    expect(words).toContainEqual(['source', `${source[1]}: resnet18, width 0.0625, images of 64×64, pairs 4-4`]);
  });

  it('has what the method learns', async () => {
    const weights = await inspected('l2t-w');
    expect([/λ/.test(weights.text), weights.text.match(/entropy of w, nats/g)?.length]).toEqual([false, 2]);
    const { run, text } = await inspected('fm');
    expect(text).not.toMatch(/λ|entropy|meta-networks/);

    // Deeply nested metrics are damage, whatever prints them; and so is a λ that is no number.
    const file = join(run, 'metrics.jsonl');
    const metrics = readFileSync(file, 'utf8');
    const stderr = `error[INVALID_RUN]: ${file} is damaged: line 1 is not what a run writes. Start the run again in another folder.\n`;
    for (const more of [`"more":${'['.repeat(10_000)}${']'.repeat(10_000)},`, '"lambdaMean":"1",']) {
      writeFileSync(file, metrics.replace('"pair":', `${more}$&`));
      expect(await cli(['inspect', run, '--json'])).toMatchObject({ code: 1, stdout: '', stderr });
    }
  });
});
