import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, type L2TError, resume, transfer } from '../../../src/index.js';
import { readText } from '../../../src/system/files.js';
import { cli, temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../../tiny.js';
import { eventFiles, shownScalars } from './events-reader.js';

const options = { ...tinyOptions, batch: 3, epochs: 3, saveEvery: 0.05 };
const both = ['csv', 'tensorboard'] as const;
const out = () => join(temporaryFolder(), 'run');

let data: string;
let source: string[];
/** Two sources, both logs, never interrupted. */
let whole: string;
/** Interrupted within its second epoch. */
let half: string;
beforeAll(async () => {
  data = tinyData();
  source = [await tinySource(), await tinySource()];
  [whole, half] = [out(), out()];
  const given = { ...options, source, data, log: both };
  await transfer({ ...given, validation: 2, out: whole }).result;
  const controller = new AbortController();
  const run = transfer({ ...given, validation: 2, out: half, signal: controller.signal });
  for await (const event of run) if (event.type === 'step' && event.epoch === 1 && event.step > 3) controller.abort();
  await run.result.catch(() => {});
}, 120_000);

const copyOf = (run: string): string => {
  const copy = out();
  cpSync(run, copy, { recursive: true });
  return copy;
};

/** Every number in a line of JSON by its name in the logs, without the code that makes these names. */
function numbersIn(line: string): Map<string, number> {
  const { losses, pairs, ...rest } = JSON.parse(line);
  const found = new Map<string, number>(Object.entries(rest));
  for (const [term, loss] of Object.entries(losses)) found.set(`losses/${term}`, loss as number);
  for (const { source: from, pair, ...learned } of pairs) {
    for (const [name, value] of Object.entries(learned))
      found.set(`${name}/${from}/${pair[0]}-${pair[1]}`, value as number);
  }
  return found;
}

const linesOf = (run: string, name: string): string[] => readFileSync(join(run, name), 'utf8').trimEnd().split('\n');

/** metrics.csv as a list of columns by name. No cell of it needs quotes. */
function csvOf(run: string): Map<string, string>[] {
  const [head = '', ...rows] = linesOf(run, 'metrics.csv');
  const names = head.split(',');
  return rows.map((row) => new Map(row.split(',').map((cell, i) => [names[i] as string, cell])));
}

/** metrics.csv must say the same as metrics.jsonl and timing.jsonl, with all their digits. */
function expectCsv(run: string): void {
  const [metrics, timings] = ['metrics.jsonl', 'timing.jsonl'].map((name) => linesOf(run, name)) as [
    string[],
    string[],
  ];
  const rows = csvOf(run);
  expect(rows.length).toBe(metrics.length);
  rows.forEach((row, epoch) => {
    const { seconds, imagesPerSecond } = JSON.parse(timings[epoch] as string);
    const all = new Map([
      ...numbersIn(metrics[epoch] as string),
      ['seconds', seconds],
      ['imagesPerSecond', imagesPerSecond],
    ]);
    expect(new Map([...row].map(([name, cell]) => [name, Number(cell)]))).toEqual(all);
  });
}

/** Expects TensorBoard to show the values of metrics.jsonl, as float32, at the epochs counted from 0. */
function expectEvents(run: string): void {
  const expected = new Map<string, Map<number, number>>();
  for (const line of linesOf(run, 'metrics.jsonl')) {
    const { epoch } = JSON.parse(line);
    const numbers = [...numbersIn(line)].filter(([name]) => name !== 'epoch');
    for (const [name, value] of numbers) {
      expected.set(name, (expected.get(name) ?? new Map()).set(epoch, Math.fround(value)));
    }
  }
  const { testAccuracy: _, ...shown } = Object.fromEntries(shownScalars(run));
  expect(new Map(Object.entries(shown))).toEqual(expected);
}

describe('the log csv', () => {
  it('has every number of metrics.jsonl and the speed, a line an epoch', () => {
    expectCsv(whole);
    expect([...(csvOf(whole)[0] as Map<string, string>).keys()]).toEqual(
      expect.arrayContaining(['epoch', 'lr', 'losses/matching', 'validationAccuracy', 'lambdaMean/1/8-3', 'seconds']),
    );
  });

  it('is cut back, at a resume, to the epochs that the state knows', async () => {
    const run = copyOf(half);
    const file = join(run, 'metrics.csv');
    writeFileSync(file, `${readFileSync(file, 'utf8')}1,0.5,half a li`);
    await resume(run).result;
    expectCsv(run);
    expect(linesOf(run, 'metrics.csv')[0]).toBe(linesOf(whole, 'metrics.csv')[0]);
  });
});

describe('the log tensorboard', () => {
  it('has every number of metrics.jsonl at its epoch, and the test accuracy at the end', async () => {
    const [events = [], ...others] = eventFiles(whole);
    expect(others).toEqual([]);
    expect(events[0]).toMatchObject({ version: 'brain.Event:2', step: 0 });
    expect(events.filter(({ session }) => session !== undefined)).toEqual([]);
    for (const { time } of events) expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(600);
    expectEvents(whole);
    const { accuracy, best } = await resume(whole).result;
    expect(shownScalars(whole).get('testAccuracy')).toEqual(new Map([[best.epoch, Math.fround(accuracy as number)]]));
  });

  it('has a map of λ a source and epoch, in a fixed scale of colours', async () => {
    const epochs = eventFiles(whole)
      .flat()
      .filter(({ images }) => images.size > 0);
    expect(epochs.map(({ step }) => step)).toEqual([0, 1, 2]);
    const metrics = linesOf(whole, 'metrics.jsonl').map((line) => JSON.parse(line));
    for (const { step, images } of epochs) {
      expect([...images.keys()]).toEqual(['lambda/0', 'lambda/1']);
      for (const [tag, { png, width, height, description }] of images) {
        expect(description).toMatch(/Rows: source features 5, 8.* Columns: target features 1, 3\./);
        const { data: pixels, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
        expect([info.width, info.height]).toEqual([width, height]);
        const centre = (row: number, column: number) => {
          const at = (Math.round(((row + 0.5) * height) / 2) * width + Math.round(((column + 0.5) * width) / 2)) * 3;
          return [...pixels.subarray(at, at + 3)];
        };
        // Pairs 5-1 and 8-3 are matched: the diagonal. The colours go from white (0) to a blue (3) in a straight line.
        expect([centre(0, 1), centre(1, 0)]).toEqual([Array(3).fill(150), Array(3).fill(150)]);
        for (const [cell, pair] of [
          [centre(0, 0), '5-1'],
          [centre(1, 1), '8-3'],
        ] as const) {
          const name = `lambdaMean/${tag.slice(-1)}/${pair}`;
          const lambda = numbersIn(JSON.stringify(metrics[step])).get(name) as number;
          const white = [247, 251, 255];
          const colour = [66, 146, 198].map(
            (end, i) => (white[i] as number) + (lambda / 3) * (end - (white[i] as number)),
          );
          expect(cell).toEqual(colour.map(Math.round));
        }
      }
    }
  });

  it('begins a new file at a resume, which drops what the state does not know', async () => {
    const run = copyOf(half);
    const [before] = readdirSync(run).filter((name) => name.includes('tfevents')) as [string];
    // Imitates a process that was killed after it wrote epochs to its log, before it saved their state.
    const late = readdirSync(whole).find((name) => name.includes('tfevents')) as string;
    writeFileSync(join(run, before), readFileSync(join(whole, late)));
    await resume(run).result;
    const [, after = [], ...others] = eventFiles(run);
    expect(others).toEqual([]);
    expect(after.slice(0, 2)).toMatchObject([{ version: 'brain.Event:2' }, { session: 1, step: 1 }]);
    expect(after.filter(({ scalars }) => scalars.size > 1).map(({ step }) => step)).toEqual([1, 2]);
    expectEvents(run);
  });
});

describe('logs', { timeout: 120_000 }, () => {
  it('do not change a run, interrupted or not', async () => {
    const run = out();
    const plain = out();
    await transfer({ ...options, source, data, validation: 2, out: plain }).result;
    cpSync(half, run, { recursive: true });
    await resume(run).result;
    for (const name of ['metrics.jsonl', 'last.safetensors', 'best.safetensors']) {
      const bytes = readFileSync(join(plain, name));
      expect(readFileSync(join(whole, name)).equals(bytes)).toBe(true);
      expect(readFileSync(join(run, name)).equals(bytes)).toBe(true);
    }
  });

  it('of a run that ended before its first save are replaced by those of the next, and by no others', async () => {
    const scratch = { ...tinyOptions, pairs: undefined, method: 'scratch', data, epochs: 1 } as const;
    const diverging = { ...scratch, lr: 100, momentum: 0.99, epochs: 20, batch: 2 } as const;
    const run = out();
    const code = (work: Promise<unknown>) =>
      work.then(
        () => 'none',
        (error: L2TError) => error.code,
      );
    expect(await code(transfer({ ...diverging, log: both, out: run }).result)).toBe('DIVERGED');
    expect(eventFiles(run).length).toBe(1);
    // The user's own: the run that is there writes no such file.
    const csvOnly = out();
    expect(await code(transfer({ ...diverging, log: ['csv'], out: csvOnly }).result)).toBe('DIVERGED');
    write(csvOnly, 'events.out.tfevents.1700000000.l2t-native', 'somebody’s');
    expect(await code(transfer({ ...scratch, out: csvOnly }).result)).toBe('INVALID_RUN');
    // A resume of a run without a state starts over, and so do its logs.
    await resume(run).result.catch(() => {});
    expect(eventFiles(run).map((events) => events.some(({ session }) => session === 1))).toEqual([false]);
    await transfer({ ...scratch, log: 'tensorboard', out: run }).result;
    expect(eventFiles(run).length).toBe(1);
    expectEvents(run);
    expect(readdirSync(run)).not.toContain('metrics.csv');
    // So is its report; where it makes none, a file of that name is the user's own.
    const silent = out();
    expect(await code(transfer({ ...diverging, report: false, out: silent }).result)).toBe('DIVERGED');
    write(silent, 'report.html', 'somebody’s');
    expect(await code(transfer({ ...scratch, out: silent }).result)).toBe('INVALID_RUN');
  });

  it('that cannot be written end the run as any file of it does', async () => {
    const run = copyOf(half);
    const file = join(run, 'metrics.csv');
    rmSync(file);
    mkdirSync(file);
    const message = `Cannot write ${file}: it is a folder: name a file.`;
    await expect(resume(run).result).rejects.toMatchObject({ code: 'FILE_ACCESS', message });
    expect(readdirSync(run).filter((name) => name === 'lock.holder' || name.endsWith('.tmp'))).toEqual([]);
  });

  it('are options of every verb that trains, as a list or in one string', async () => {
    const run = out();
    const small = ['--width', '0.125', '--epochs', '1', '--batch', '6', '--threads', '1', '--lr', '0.01'];
    const config = write(temporaryFolder(), 'options.yaml', 'log: [tensorboard, csv]\n');
    const args = ['pretrain', '--network', 'vgg9_bn', '--data', data, ...small, '--config', config, '--out', run];
    expect(await cli(args)).toMatchObject({ code: 0 });
    expect(readdirSync(run)).toContain('metrics.csv');
    expectEvents(run);
    const experiment = out();
    const { pairs: _, ...common } = tinyOptions;
    await compare({
      ...common,
      data,
      methods: 'scratch',
      seeds: 1,
      epochs: 1,
      log: 'csv, tensorboard',
      out: experiment,
    });
    expectCsv(join(experiment, 'scratch-0'));
    expectEvents(join(experiment, 'scratch-0'));
    const refused = await cli(['transfer', '--log', 'csv,tensorbord', '--target', 'vgg9_bn', '--data', data]);
    expect(refused).toMatchObject({
      code: 2,
      stderr:
        "error[INVALID_OPTION]: --log is 'csv,tensorbord': it must be some of csv, tensorboard, separated by commas.\n",
    });
    expect((await cli(['curve', '--help'])).stdout).toContain('--log <list>');
    expect((await cli(['reproduce', '--help'])).stdout).toContain('--log <list>');
    expect(await readText(join(experiment, 'plan.yaml'))).toMatch(/log:\n {4}- csv\n {4}- tensorboard\n/);
  });
});
