import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type RunEvent, type RunResult, resume, type TransferOptions, transfer } from '../../src/index.js';
import type { MethodName } from '../../src/options/methods.js';
import { metaRateFor, RateSearch, stepsPerEpoch, triedRates } from '../../src/run/learning-rate.js';
import type { FoundRate } from '../../src/store/run-data.js';
import { abortAt, contentsOf, eventsOf, refusal } from '../outcomes.js';
import { cli, newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

/** The search on ten classes, where guessing costs 2.3 nats, when the loss at step k is `loss(k)`. */
function search(loss: (step: number) => number, method: MethodName = 'scratch'): FoundRate {
  const found = new RateSearch(10, method);
  for (let k = 0; !found.add(loss(k)); k++);
  return found.result();
}

describe('the search for a learning rate', () => {
  it.each([
    ['scratch', 4],
    ['at', 4],
    ['fm', 2.5],
    ['l2t-ww', 2.5],
  ] as const)('for %s takes the rate at which the loss is lost, divided by %d', (method, margin) => {
    const { lr, diverged, tried } = search((k) => (k < 25 ? 2.3 - 0.01 * k : 4), method);
    expect(diverged).toBe(triedRates[25]);
    expect(lr).toBe(Number(((triedRates[25] as number) / margin).toPrecision(2)));
    expect(tried.map((trial) => trial.lr)).toEqual(triedRates.slice(0, 26));
  });

  it('is not ended by one hard batch', () => {
    expect(search((k) => (k === 15 ? 3.2 : k < 30 ? 2.3 : 4)).diverged).toBe(triedRates[30]);
  });

  it('ends at a loss that is no number', () => {
    const { diverged, tried } = search((k) => (k < 20 ? 2.3 : Number.NaN));
    expect([diverged, tried.at(-1)]).toEqual([triedRates[20], { lr: triedRates[20], loss: null }]);
  });

  it("takes no more than the paper's 0.1, also where no rate is too high", () => {
    expect(search(() => 2)).toMatchObject({ lr: 0.1, diverged: null });
  });

  it('fails where even the lowest rates are too high', () => {
    expect(() => search((k) => (k < 2 ? 1e9 : Number.POSITIVE_INFINITY))).toThrow(
      /at beta, or give a lower lr yourself/,
    );
  });
});

it("the meta-networks' rate is the lower the more steps they have, from 0.01 to the paper's 1e-4", () => {
  expect([10, 500, 640, 1000, 1e6].map(metaRateFor)).toEqual([0.01, 0.004, 0.0031, 0.002, 1e-4]);
});

describe('lr: auto', { timeout: 120_000 }, () => {
  const { lr: _, ...tiny } = { ...tinyOptions, batch: 5, epochs: 3 };
  const files = ['options.yaml', 'rate.json', 'metrics.jsonl', 'best.safetensors', 'state.safetensors'];

  let options: TransferOptions;
  let whole: { readonly events: RunEvent[]; readonly result: RunResult };
  beforeAll(async () => {
    options = { ...tiny, metaLr: 'auto', data: tinyData(), source: await tinySource() };
    const run = transfer({ ...options, out: newPath() });
    const events: RunEvent[] = [];
    for await (const event of run) {
      if (event.type === 'start') expect(readFileSync(join(event.run, 'rate.json'), 'utf8')).toContain('"lr"');
      events.push(event);
    }
    whole = { events, result: await run.result };
  }, 120_000);

  it('is the default: the rate is found first, at most 40 steps, and said', () => {
    const { events, result } = whole;
    const types = events.map(({ type }) => type);
    const steps = types.filter((type) => type === 'rate').length;
    expect(steps).toBeGreaterThan(5);
    expect(steps).toBeLessThanOrEqual(40);
    expect(types.lastIndexOf('rate')).toBeLessThan(types.indexOf('start'));
    expect(events.find(({ type }) => type === 'start')).toMatchObject({ lr: result.lr, rate: { lr: result.lr } });
    expect(readFileSync(join(result.run, 'options.yaml'), 'utf8')).toMatch(/^ {2}lr: auto$/m);
  });

  it("the meta-networks' rate follows from the number of their steps, and is said and kept, too", () => {
    const start = whole.events.find((event) => event.type === 'start');
    const metaLr = metaRateFor(3 * stepsPerEpoch(start?.images.train as number, 5));
    expect(start?.metaLr).toBe(metaLr);
    expect(JSON.parse(readFileSync(join(whole.result.run, 'rate.json'), 'utf8'))).toMatchObject({ metaLr });
  });

  it('trains with that rate: a warm-up over a tenth of the steps, then the cosine', () => {
    const { result } = whole;
    const lines = readFileSync(join(result.run, 'metrics.jsonl'), 'utf8').trim().split('\n');
    const rates = lines.map((line) => JSON.parse(line).lr / result.lr);
    [1, 0.75, 0.25].forEach((part, epoch) => {
      expect(rates[epoch]).toBeCloseTo(part, 12);
    });
  });

  it.each([
    ['while it is searched for', (event: RunEvent) => event.type === 'rate' && event.done === 3],
    ['in training', (event: RunEvent) => event.type === 'step' && event.epoch === 1 && event.step === 3],
  ])('resumes to the same bytes when it was interrupted %s', async (when, isMoment) => {
    const folder = newPath();
    await abortAt((signal) => transfer({ ...options, out: folder, signal }), isMoment);
    const resumed = resume(folder);
    const searched = (await eventsOf(resumed)).some(({ type }) => type === 'rate');
    expect(searched).toBe(when === 'while it is searched for');
    expect((await resumed.result).lr).toBe(whole.result.lr);
    expect(contentsOf(folder, files)).toEqual(contentsOf(whole.result.run, files));
  });

  it('inspect says it; a changed record is refused', async () => {
    const { run, lr } = whole.result;
    const { stdout } = await cli(['inspect', run]);
    expect(stdout).toMatch(new RegExp(`lr .*auto: ${lr} `));
    expect(stdout).toMatch(/metaLr .*auto: 0\.01/);
    const file = join(run, 'rate.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(`"lr": ${lr}`, '"lr": 0.5'));
    await expect(resume(run).result).rejects.toThrow(refusal('INVALID_RUN', 'rate.json'));
    writeFileSync(file, text);
  });
});
