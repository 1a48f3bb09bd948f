import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  evaluate,
  Network,
  planTraining,
  resumeTrain,
  type TrainOptions,
  type TrainResult,
  train,
} from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { toTensorMap } from '../../src/native/tensor.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { candidateOf, fittingCandidates } from '../../src/train/candidates.js';
import { verdictOf } from '../../src/train/result.js';
import { scheduleOf } from '../../src/train/schedule.js';
import { abortAt, refusal } from '../outcomes.js';
import { cli, newPath, temporaryFolder, tinyData, tinySource, write } from '../tiny.js';
import { plannedTraining } from './planned.js';

const read = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');
const bytes = (folder: string) => readFileSync(join(folder, 'best.safetensors'), 'base64');

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource({ width: 0.25 });
});

describe('the candidates', () => {
  const big = candidateOf('resnet20', 1, 32, 3);
  const timed = { ...big, ms: 10 };
  /** One nanosecond for a thousand operations, and more for what has many layers. */
  const time = async ({ flops, layers }: typeof big) => flops / 1e7 + layers / 100;

  it('within a budget of parameters come from the most operations to the fewest, untimed', async () => {
    const found = await fittingCandidates(timed, { maxParams: 30_000 }, 3, () => Promise.reject(new Error('timed')));
    expect(found.map(({ network, width }) => `${network} ${width}`)).toEqual(['resnet32 0.25', 'resnet20 0.25']);
  });

  it('within a budget of time are timed, and hold all limits at once', async () => {
    const budget = { maxMs: 2, maxMb: 0.5, maxParams: 100_000 };
    const found = await fittingCandidates(timed, budget, 3, time);
    expect(found.length).toBeGreaterThan(0);
    for (const { ms = Number.NaN, mb, parameters } of found) {
      expect(ms).toBeLessThanOrEqual(2);
      expect(mb).toBeLessThanOrEqual(0.5);
      expect(parameters).toBeLessThanOrEqual(100_000);
    }
  });

  it('that could not be trained in the time are left out, but for the quickest', async () => {
    const names = async (trainable: (candidate: typeof big) => boolean) => {
      const found = await fittingCandidates(timed, { maxParams: 30_000 }, 3, time, { trainable });
      return found.map(({ network }) => network);
    };
    expect(await names(({ network }) => network === 'resnet20')).toEqual(['resnet20']);
    expect(await names(() => false)).toEqual(['resnet20']);
  });

  it('are named where none fits', async () => {
    await expect(fittingCandidates(timed, { maxMs: 0.001, maxMb: 1e-6 }, 3, time)).rejects.toThrow(
      refusal('INVALID_OPTION', /fastest is .* ms an image, the smallest .* parameters, the lightest .* MB/s),
    );
  });

  it('are not timed where none has so few parameters', async () => {
    const never = () => Promise.reject(new Error('timed'));
    await expect(fittingCandidates(timed, { maxParams: 10 }, 3, never)).rejects.toThrow(
      refusal('INVALID_OPTION', /budget; the smallest is .* 17,\d+ parameters, .*: allow more with maxParams\.$/),
    );
  });
});

describe('the schedule', () => {
  const images = { train: 1000, validation: 0, test: 100, secondsPerImage: 0 };
  const work = (seconds: number) => ({ seconds, batch: 50, size: 32 });
  const proposal = { time: 1800, elapsed: 0, images, source: work(0.5), races: true, baseline: true };

  it('stays within the time, and the race within a quarter of it', () => {
    for (const seconds of [0.01, 0.1, 0.5, 1]) {
      const schedule = scheduleOf({ ...proposal, candidates: Array.from({ length: 8 }, () => work(seconds)) });
      expect(schedule.seconds).toBeLessThanOrEqual(1800);
      expect(schedule.source).toBeLessThanOrEqual(12);
      for (const { student, scratch } of schedule.last) expect(student).toBeGreaterThanOrEqual(scratch);
    }
  });

  it('gives the last round of a race at most 40 epochs: after ten, most networks are at chance', () => {
    const first = (racers: number) =>
      scheduleOf({ ...proposal, candidates: Array.from({ length: racers }, () => work(0.01)) }).race.epochs;
    expect([2, 3, 8].map(first)).toEqual([40, 20, 10]);
  });

  it('has fewer racers, and then no race, where there is less time', () => {
    const racers = (time: number) =>
      scheduleOf({ ...proposal, time, candidates: Array.from({ length: 8 }, () => work(0.5)) }).race.candidates;
    expect(racers(36_000)).toBe(8);
    expect(racers(1800)).toBeGreaterThan(1);
    expect(racers(1800)).toBeLessThan(8);
    expect(racers(300)).toBe(0);
  });

  it('has no race where the winner would hardly be trained, since timing networks took the time', () => {
    const late = { ...proposal, source: work(0.2), candidates: [work(0.2), work(0.1)], time: 300 };
    expect(scheduleOf(late).race.candidates).toBe(2);
    const { race, last } = scheduleOf({ ...late, elapsed: 120 });
    expect(race.candidates).toBe(0);
    expect(last[0]?.student).toBeGreaterThanOrEqual(10);
  });

  it('gives the source 12 epochs where it is the result, and no other stage', () => {
    expect(scheduleOf({ ...proposal, races: false, candidates: [] })).toMatchObject({ source: 12, last: [] });
  });
});

/** A training that ran to its end. */
let whole: { readonly out: string; readonly result: TrainResult };
const planned = (changes: object = {}) => plannedTraining(temporaryFolder(), { data, source, ...changes });

describe('the verdict', () => {
  const row = { network: 'resnet20', width: 1, size: 32, ms: 1, parameters: 1, mb: 1, epochs: 1, run: 'run' } as const;
  it.each([
    [0.7, /^The budget costs 10\.0 points of test accuracy: /],
    [0.8, /^The budget costs no accuracy \(the two are equal on the test images\): /],
    [0.9, /^The budget costs no accuracy \(the result is 10\.0 points ahead on the test images\): /],
  ])('of %d after 0.8', (mean, expected) => {
    const of = (value: number) => ({ mean: value, low: 0, high: 1 });
    const rows = [
      { ...row, name: 'source', accuracy: of(0.8) },
      { ...row, name: 'result', accuracy: of(mean) },
    ] as const;
    expect(verdictOf(rows, {})).toMatch(expected);
  });
});

describe('train', { timeout: 240_000 }, () => {
  beforeAll(async () => {
    const out = planned();
    whole = { out, result: await resumeTrain(out).result };
  }, 240_000);

  it('ends with the fine-tuned source if that is within the budget', async () => {
    const out = newPath('out');
    const run = train({ data, source, threads: 1, time: 3600, maxParams: 20_000, out });
    const stages = new Set<string>();
    for await (const event of run) stages.add(event.stage);
    const result = await run.result;
    expect([...stages]).toEqual(['plan', 'source']);
    expect(result).toMatchObject({ stage: 'source', rows: [{ name: 'source', network: 'resnet20', epochs: 12 }] });
    expect(bytes(out)).toBe(bytes(join(out, 'source')));
    expect(read(out, 'README.md')).toBe(read(join(out, 'source'), 'README.md'));
  });

  it('races, teaches the winner, and leaves a folder that is a checkpoint', async () => {
    const { out, result } = whole;
    expect(result.rows.map(({ name }) => name)).toEqual(['source', 'result', 'scratch']);
    const { decisions } = JSON.parse(read(out, 'decisions.json'));
    expect(decisions.map(({ kind }: { kind: string }) => kind).slice(4)).toEqual(['round', 'winner', 'speed']);
    expect(decisions[4].value.accuracies).toHaveLength(2);
    expect(bytes(out)).toBe(bytes(join(out, 'student')));
    expect((await Network.load(out)).classNames).toEqual(['left', 'middle', 'right']);
    expect((await evaluate(out)).accuracy).toBe(result.rows[1]?.accuracy?.mean);
    const report = read(out, 'report.html');
    expect(report).toContain('student/report.html');
    // A race's runs hold out a fifth of each class, and its teacher did not learn from that either.
    const judged = JSON.parse(read(join(out, 'race', 'source'), 'split.json'));
    expect(judged.validation).toHaveLength(6);
    expect(JSON.parse(read(join(out, 'race/round-1/resnet20-0.25-32'), 'split.json'))).toEqual(judged);
  });

  it('interrupted in each stage, ends in the same bytes, and decides nothing anew', async () => {
    const parts = planned();
    for (const stage of ['source', 'race', 'student', 'scratch']) {
      await abortAt(
        (signal) => resumeTrain(parts, { signal }),
        (event) => event.stage === stage && event.type === 'epoch',
      );
    }
    const before = read(parts, 'decisions.json');
    await resumeTrain(parts).result;
    for (const folder of ['', 'source', 'race/source', 'student', 'scratch'])
      expect(bytes(join(parts, folder)), folder).toBe(bytes(join(whole.out, folder)));
    const after = JSON.parse(read(parts, 'decisions.json')).decisions;
    expect(after.slice(0, -1)).toEqual(JSON.parse(before).decisions);
    const again = read(parts, 'decisions.json');
    await resumeTrain(parts).result;
    expect(read(parts, 'decisions.json')).toBe(again);
  });

  it('interrupted before it chose a network, takes the one for the size of the images', async () => {
    const out = temporaryFolder();
    const options = { data, fromScratch: true, threads: 1, device: 'cpu' };
    const images = { train: 36, validation: 0, test: 30, secondsPerImage: 0 };
    const decisions = [{ kind: 'data', value: { classes: 3, fewest: 12, side: 224, images } }];
    write(out, 'decisions.json', JSON.stringify({ verb: 'train', options, decisions }));
    await abortAt(
      (signal) => resumeTrain(out, { signal }),
      (event) => event.type === 'note' && /^timing resnet18 /.test(event.message),
    );
  });

  it('with a split file, takes the fifth that judges from its training images', async () => {
    const division = { train: Array.from({ length: 30 }, (_, k) => k), validation: [30, 31, 32] };
    const splitFile = write(temporaryFolder(), 'split.json', JSON.stringify(division));
    const out = planned({ splitFile });
    await abortAt(
      (signal) => resumeTrain(out, { signal }),
      (event) => event.stage === 'race' && event.type === 'epoch',
    );
    const { train: trained, validation } = JSON.parse(read(join(out, 'race', 'source'), 'split.json'));
    expect(validation).toHaveLength(6);
    expect([...trained, ...validation].sort((a, b) => a - b)).toEqual(division.train);
  });

  it('has no race with fewer than ten images a class, and times what a dry run prints', async () => {
    const large = await tinySource();
    const plan = await planTraining({ data, source: large, threads: 1, perClass: 9, maxParams: 30_000, time: '10m' });
    expect(plan).toMatchObject({ fewest: 9, method: 'fm', source: { fits: false } });
    expect(plan.candidates.map(({ candidate }) => candidate.network)).toEqual(['resnet32', 'resnet20']);
    expect(plan.schedule.race.candidates).toBe(0);
    expect(plan.schedule.last).toHaveLength(1);
  });

  it('warns where the time is too short, and plans an epoch of each stage', async () => {
    const warnings: string[] = [];
    const large = await tinySource();
    const options = { data, source: large, threads: 1, maxParams: 30_000, time: 1 };
    const plan = await planTraining({ ...options, onWarning: (message) => warnings.push(message) });
    expect(plan.schedule.last).toEqual([{ student: 1, scratch: 1 }]);
    const short = /^1 s is too short: all takes about .*, and the result gets 1 epoch, .*; allow more with time$/;
    expect(warnings).toContainEqual(expect.stringMatching(short));
  });

  it('leaves nothing where there is no plan, and reads the source before the images', async () => {
    const out = newPath('out');
    const large = await tinySource();
    await expect(train({ data, source: large, maxParams: 10, out }).result).rejects.toThrow(/No network fits/);
    expect(existsSync(out)).toBe(false);
    const bare = newPath('bare.safetensors');
    await writeSafetensors(bare, toTensorMap(addon().initialise({ name: 'resnet20', classes: 3, width: 0.5 }, 1)));
    const unknown = train({ data, source: bare, out });
    await expect(unknown.result).rejects.toThrow(refusal('INVALID_OPTION', /use transfer, with sourceNetwork and/));
    const nowhere = train({ data, source, unlabelled: newPath('unlabelled'), out });
    await expect(nowhere.result).rejects.toThrow(/unlabelled.* does not exist/);
    const broken = temporaryFolder();
    const missing = train({ data: broken, source: newPath('net.pth'), out });
    await expect(missing.result).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    await expect(train({ data: broken, source, out: broken }).result).rejects.toMatchObject({ code: 'INVALID_DATA' });
    expect([existsSync(out), existsSync(join(broken, 'decisions.json'))]).toEqual([false, false]);
  });

  it.each<[Partial<TrainOptions>, RegExp]>([
    [{ source: undefined }, /source get resnet32-tinyimagenet/],
    [{ fromScratch: true }, /leave out/],
    [{ time: 'soon' as never }, /such as 30m/],
    [{ time: '0s' }, /such as 30m/],
    [{ maxMs: 0 }, /above 0/],
    [{ unlabelled: 'rest' }, /perClass/],
    [{ validation: 0.1, splitFile: 'x.json' }, /splitFile/],
    [{ epochs: 3 } as never, /unknown/],
  ])('refuses %o', async (given, message) => {
    const out = newPath('out');
    const run = train({ data, source, out, ...given });
    await expect(run.result).rejects.toThrow(refusal('INVALID_OPTION', message));
  });

  it('refuses a folder in use, one that is damaged, and one without a result yet', async () => {
    const out = planned();
    await expect(train({ data, source, out }).result).rejects.toThrow(/train --resume/);
    await expect(Network.load(out)).rejects.toMatchObject({ code: 'INVALID_RUN' });
    write(out, 'decisions.json', '{"verb":"train","options":{},"decisions":[{"kind":"data","value":1}]}');
    await expect(resumeTrain(out).result).rejects.toMatchObject({ code: 'INVALID_RUN' });
    await expect(resumeTrain(temporaryFolder()).result).rejects.toMatchObject({ code: 'INVALID_RUN' });
  });

  it('is typed with the data as its argument', async () => {
    const plan = await cli(['train', data, '--source', source, '--threads', '1', '--dry-run']);
    expect(plan.stdout).toMatch(/source: resnet20 of width 0.25 at 32 pixels, .* ms an image.* 12 epochs/);
    const { code, stdout } = await cli(['train', '--resume', whole.out]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/the same, from scratch .*\n.*budget costs/);
  });
});
