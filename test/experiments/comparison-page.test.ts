import { expect, it } from 'vitest';
import { comparisonPage } from '../../src/experiments/comparison-page.js';
import { conclusionsOf } from '../../src/experiments/conclusions.js';
import type { ExperimentRow } from '../../src/experiments/row.js';
import { mean } from '../../src/system/statistics.js';

const row = (label: string, accuracies: number[]): ExperimentRow => ({
  label,
  method: 'scratch',
  accuracies,
  mean: mean(accuracies),
  toBest: null,
  learningRates: [],
  parameters: null,
  msPerStep: null,
  seconds: null,
  inference: null,
  runs: [],
});

const shown = { folder: 'runs/compare', verb: 'compare', state: 'finished', runs: [], unfinished: [] } as const;

// The best is ahead of fm by 35.4 and 35.2 points, and of scratch by 34.1 and 42.1.
const rows = [row('scratch', [0.4587, 0.4193]), row('fm', [0.446, 0.488]), row('fine-tuned', [0.8, 0.84])];

it('says, draws and lists of a pair what the conclusion says of it', () => {
  const page = comparisonPage({ ...shown, rows }).main.text;
  expect(conclusionsOf(rows)).toEqual([
    'fine-tuned is 35.3 points ahead of fm (95 % interval of the 2 paired differences: 34.0 to 36.6): settled.',
  ]);
  const [, toScratch = '', toFm = ''] = page.split(/<div data-choice="baseline"/);
  expect(toFm).toContain(`<p>${conclusionsOf(rows)[0]}</p>`);
  expect(toScratch).toContain(
    '<p>fine-tuned is 38.1 points ahead of scratch (95 % interval of the 2 paired differences: −12.3 to 88.5): not settled.</p>',
  );
  // The range of an undecided difference is drawn across zero.
  const zero = Number(/class="zero" style="left:([\d.]+)%"/.exec(toScratch)?.[1]);
  const ranges = [...toScratch.matchAll(/class="range" style="left:([\d.]+)%;right:([\d.]+)%"/g)];
  expect(ranges.map(([, low, high]) => Number(low) < zero && zero < 100 - Number(high))).toEqual([true, true]);
  expect(toScratch).toContain('<td>-12.34 to 88.54</td>');
});

it('has no column that no row fills', () => {
  const headsOf = (validation?: number[]) =>
    comparisonPage({ ...shown, rows: [{ ...row('at', [0.4]), ...(validation && { validation }) }] }).main.text;
  expect(headsOf()).not.toContain('validation, %');
  expect(headsOf([0.5])).toContain('<th scope="col">validation, %</th>');
});
