import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  compare,
  describeNetwork,
  type ExperimentRow,
  type Follow,
  L2TError,
  resumeComparison,
} from '../../src/index.js';
import { countParameters } from '../../src/networks/describe.js';
import { refusal } from '../outcomes.js';
import { cli, flagsOf, newPath, temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});
const { pairs: _, ...common } = tinyOptions;
const tiny = () => ({ ...common, data, source, epochs: 1, seeds: 2 });
/** By a method that needs no source. */
const scratchOnly = () => ({ ...tiny(), source: undefined, methods: 'scratch' });

describe('compare', { timeout: 120_000 }, () => {
  it('runs each method with each seed, and writes the table; what is missing of it is done by a resume', async () => {
    const options = { ...tiny(), methods: 'scratch, lwf,fm:all-to-all,l2t-ww', metaLr: 1e-3, beta: 1, out: newPath() };
    const first = await compare(options);
    expect(first.rows.map(({ label }) => label)).toEqual(['scratch', 'lwf', 'fm:all-to-all', 'l2t-ww']);
    const { parameters } = describeNetwork({ name: 'vgg9_bn', classes: 3, width: 0.125 });
    const trained = parameters.flatMap(({ shape }) => shape.reduce((product, side) => product * side, 1));
    for (const { accuracies, mean, deviation, runs, ...row } of first.rows) {
      expect(mean).toBeCloseTo(((accuracies[0] as number) + (accuracies[1] as number)) / 2, 12);
      expect(deviation).toBeCloseTo(Math.abs((accuracies[0] as number) - (accuracies[1] as number)) / Math.SQRT2, 12);
      expect([row.validation, runs.length]).toEqual([undefined, 2]);
      expect(row.parameters).toBe(trained.reduce((sum, count) => sum + count));
      // 36 images in batches of 6.
      expect(row.msPerStep).toBeCloseTo((1000 * (row.seconds as number)) / 6, 9);
      expect(row.learningRates).toEqual([0.01, 0.01]);
      expect(row.inference?.batch1).toBeGreaterThan(0);
      // All rows train the same network, which is measured once.
      expect(row.inference).toEqual(first.rows[0]?.inference);
    }
    const table = readFileSync(join(options.out, 'comparison.md'), 'utf8');
    expect(table.split('\n')[2]).toMatch(
      /^\| scratch \| \d+\.\d ± \d+\.\d \| \d+\.\d, \d+\.\d \| 0\.01 \| [\d,]+ \| \d+\.\d ms \| \d+ s \| [\d.]+ ms \| [\d.]+ ms \|$/,
    );
    expect(readFileSync(join(options.out, 'comparison.csv'), 'utf8')).toMatch(
      /^method,images a class,mean,deviation,seed 0,seed 1,validation mean,.*\nscratch,,0\.\d+,/,
    );
    // Against the best row, of which there is one.
    const best = first.rows.toSorted((a, b) => (b.mean as number) - (a.mean as number))[0] as ExperimentRow;
    for (const { label, mean, toBest } of JSON.parse(readFileSync(join(options.out, 'comparison.json'), 'utf8'))) {
      if (label === best.label) expect(toBest).toBeNull();
      else expect(toBest.mean).toBeCloseTo(mean - (best.mean as number), 12);
    }
    expect(first.conclusions).toEqual([expect.stringMatching(/ of the 2 paired differences: /)]);
    expect(table.trimEnd().split('\n').slice(-2)).toEqual(['', ...first.conclusions]);

    rmSync(first.rows[2]?.runs[1] as string, { recursive: true });
    const again = await resumeComparison(options.out);
    expect(again.rows.map(({ accuracies }) => accuracies)).toEqual(first.rows.map(({ accuracies }) => accuracies));
  });

  it('gives the same side by side as one by one', async () => {
    const options = { ...tiny(), validation: 0.1, methods: 'scratch,fm,l2t-w' };
    let atOnce = 0;
    let maxRunning = 0;
    const follow: Follow = async (run) => {
      maxRunning = Math.max(maxRunning, ++atOnce);
      return run.result.finally(() => atOnce--);
    };
    const oneByOne = await compare({ ...options, out: newPath(), parallel: 1, follow });
    expect(maxRunning).toBe(1);
    const beside = await compare({ ...options, out: newPath(), parallel: 2, follow });
    expect(maxRunning).toBe(2);
    const numbers = ({ rows }: typeof oneByOne) => rows.map(({ accuracies, validation }) => [accuracies, validation]);
    expect(numbers(beside)).toEqual(numbers(oneByOne));
  });

  it('interrupted, saves all that is under way and says how to go on; resumed, gives what it would have given', async () => {
    const options = { ...tiny(), epochs: 3, methods: 'scratch,l2t-ww:single', parallel: 2 };
    const whole = await compare({ ...options, out: newPath() });
    const controller = new AbortController();
    let trained = 0;
    const follow: Follow = async (run) => {
      for await (const event of run)
        if (event.type === 'epoch' && event.epoch === 0 && ++trained === 2) controller.abort();
      return run.result;
    };
    const folder = newPath();
    await expect(compare({ ...options, out: folder, signal: controller.signal, follow })).rejects.toThrow(
      refusal('ABORTED', `compare --resume ${folder}`),
    );
    expect(existsSync(join(folder, 'l2t-ww_single-1'))).toBe(false);
    for (const run of ['scratch-0', 'scratch-1']) {
      expect(readdirSync(join(folder, run))).toContain('state.safetensors');
      expect(readdirSync(join(folder, run))).not.toContain('lock.holder');
    }
    const { rows } = await resumeComparison(folder, { parallel: 1 });
    expect(rows.map(({ accuracies }) => accuracies)).toEqual(whole.rows.map(({ accuracies }) => accuracies));
  });

  it('where one run fails, ends the others with all saved, and throws its error', async () => {
    const folder = newPath();
    const follow: Follow = async (run, _label, seed) => {
      if (seed === 0) return run.result;
      for await (const event of run) if (event.type === 'epoch' && event.epoch === 9) throw new Error('not followed');
      return run.result;
    };
    const options = { ...scratchOnly(), epochs: 500, parallel: 2, out: folder, follow };
    await expect(compare(options)).rejects.toThrow('not followed');
    expect(existsSync(join(folder, 'scratch-0', 'state.safetensors'))).toBe(true);
    expect(existsSync(join(folder, 'scratch-0', 'lock.holder'))).toBe(false);
  });

  it('of data without test images tests all runs on the same tenth of it, unless a split file divides it', async () => {
    const folder = temporaryFolder();
    cpSync(data, folder, { recursive: true, filter: (path) => !/^(test|t10k)/.test(basename(path)) });
    const untested = { ...tiny(), data: folder, methods: 'scratch,lwf' };
    const { rows } = await compare({ ...untested, perClass: 10, out: newPath() });
    const tested = rows
      .flatMap(({ runs }) => runs)
      .map((run) => JSON.parse(readFileSync(join(run, 'split.json'), 'utf8')).test);
    expect(tested).toEqual(Array(4).fill(tested[0]));
    expect(tested[0].length).toBe(3);
    const splitFile = join(temporaryFolder(), 'split.json');
    writeFileSync(splitFile, '{"validation": [0, 1, 2]}');
    const refused = { ...untested, splitFile, out: newPath() };
    await expect(compare(refused)).rejects.toThrow(refusal('INVALID_DATA', 'has none'));
    expect(existsSync(refused.out)).toBe(false);
  });

  it('does not mix runs of other options into the table', async () => {
    const options = { ...scratchOnly(), out: newPath() };
    await compare(options);
    const yaml = join(options.out, 'plan.yaml');
    writeFileSync(yaml, readFileSync(yaml, 'utf8').replace(/^ {2}epochs: \d+$/m, '  epochs: 7'));
    await expect(resumeComparison(options.out)).rejects.toThrow(
      refusal('INVALID_RUN', /^its options are not the plan's \(epochs\): remove .*scratch-0/),
    );
  });

  it('fine-tunes the first source at its own network, width and size; where it was interrupted, goes on', async () => {
    const small = await tinySource({ width: 0.25 }, { size: 24 });
    const options = { ...tiny(), source: [small, source], methods: 'finetune-source,scratch', seeds: 1 };
    const folder = newPath();
    const follow: Follow = (run, label) => {
      if (label === 'scratch') throw new L2TError('ABORTED', 'enough');
      return run.result;
    };
    await expect(compare({ ...options, parallel: 1, follow, out: folder })).rejects.toMatchObject({ code: 'ABORTED' });
    const started = parse(readFileSync(join(folder, 'finetune-source-0', 'options.yaml'), 'utf8')).spec;
    expect(started).toMatchObject({ method: 'finetune', target: 'resnet20', width: 0.25, size: 24, targetInit: small });
    expect(started).toMatchObject({ sources: [], batch: 6, lr: 0.01, epochs: 1 });
    const { rows } = await resumeComparison(folder);
    expect(rows.map(({ label }) => label)).toEqual(['finetune-source', 'scratch']);
    expect(rows[0]?.parameters).toBe(countParameters({ name: 'resnet20', classes: 3, width: 0.25 }));
    rmSync(rows[1]?.runs[0] as string, { recursive: true });
    cpSync(await tinySource({ width: 0.25, classes: 5 }, { size: 24 }), small);
    await expect(resumeComparison(folder)).rejects.toThrow(`${small} changed`);
  });

  const option = 'INVALID_OPTION';
  it.each<[given: object, code: string, message: RegExp]>([
    [{ source: 'nowhere.pth' }, 'FILE_ACCESS', /nowhere\.pth/],
    [{ source: undefined, methods: 'scratch,finetune-source' }, option, /^source is missing/],
    [{ methods: 'finetune-source' }, option, /use for target, width:/],
    [{ methods: 'scratch', source: undefined, size: 8 }, option, /too small for vgg9_bn/],
    [{ methods: 'scratch', source: undefined, device: 'cpu', precision: 'tf32' }, option, /precision/],
    [{ methods: 'scratch,fm:8-3,99-0' }, option, /fm:8-3,99-0: .*99/],
    [{ methods: 'fit' }, option, /'fit' is no method/],
    [{ methods: 'l2t' }, option, /Did you mean 'l2t-w/],
    [{ methods: 'finetune' }, option, /finetune starts from targetInit: give it, or list finetune-source/],
    [{ methods: 'finetune-source:single' }, option, /finetune-source has no pairs/],
    [{ methods: 'fm,fm' }, option, /fm is listed twice/],
    [{ methods: 'lwf:single' }, option, /lwf has no pairs/],
    [{ methods: 'scratch,fm', temperature: 3, innerSteps: 4 }, option, /innerSteps, temperature/],
    [{ perClass: 1000 }, 'INVALID_DATA', /fewer than the 1000/],
    [{ perClass: 3, splitFile: 'x' }, option, /perClass cannot accompany splitFile/],
    [{ validation: 12 }, 'INVALID_DATA', /nothing to train on of class 'left'/],
    [{ patience: 2 }, option, /^patience needs validation images/],
  ])('finds before the first run what is wrong with %j', async (given, code, message) => {
    const options = { ...tiny(), methods: 'scratch,fm,at', ...given, out: newPath() };
    await expect(compare(options)).rejects.toThrow(refusal(code, message));
    expect(existsSync(options.out)).toBe(false);
  });

  it('a run that diverges is a result: the others go on, and so does a resume', async () => {
    const warnings: string[] = [];
    const options = { ...tiny(), methods: 'scratch,fm:8-3', beta: 1e6, lr: 1, seeds: 1, out: newPath() };
    const onWarning = (message: string) => warnings.push(message);
    const { rows } = await compare({ ...options, onWarning });
    expect(rows[1]).toMatchObject({
      label: 'fm:8-3',
      accuracies: [null],
      mean: null,
      msPerStep: null,
      inference: null,
    });
    expect(rows[0]?.mean).toBeGreaterThanOrEqual(0);
    expect(warnings).toEqual([expect.stringMatching(/^fm:8-3, seed 0 \(.*fm_8-3-0\): .* became /)]);
    expect(readFileSync(join(options.out, 'comparison.md'), 'utf8')).toMatch(/\| fm:8-3 \| diverged \| diverged \|/);
    expect((await resumeComparison(options.out)).rows[1]?.accuracies).toEqual([null]);
  });

  it('goes on where a run was killed while it made its folder, not where the data changed', async () => {
    const folder = temporaryFolder();
    cpSync(data, folder, { recursive: true });
    const options = { ...scratchOnly(), data: folder, seeds: 1, out: newPath() };
    const first = await compare(options);
    const run = first.rows[0]?.runs[0] as string;
    for (const name of readdirSync(run)) if (name !== 'split.json') rmSync(join(run, name));
    writeFileSync(join(run, '.options.yaml.0123456789ab.tmp'), 'half of it');
    const again = await resumeComparison(options.out);
    expect(again.rows[0]?.accuracies).toEqual(first.rows[0]?.accuracies);
    expect(readdirSync(run).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await expect(compare(options)).rejects.toMatchObject({ message: expect.stringMatching(/compare --resume/) });
    const file = join(folder, 't10k-images-idx3-ubyte');
    const bytes = readFileSync(file);
    bytes[100] = (bytes[100] as number) ^ 1;
    writeFileSync(file, bytes);
    // Complete runs need no data; incomplete ones would mix two data sets.
    expect((await resumeComparison(options.out)).unfinished).toEqual([]);
    rmSync(run, { recursive: true });
    await expect(resumeComparison(options.out)).rejects.toThrow(
      refusal('INVALID_RUN', `the data in ${folder} changed`),
    );
  });

  it('keeps a split file of its own', async () => {
    const splitFile = join(temporaryFolder(), 'split.json');
    writeFileSync(splitFile, '{"validation": [0, 1, 2]}');
    const { out: folder } = await compare({ ...scratchOnly(), seeds: 1, splitFile, out: newPath() });
    rmSync(splitFile);
    rmSync(join(folder, 'scratch-0'), { recursive: true });
    expect((await resumeComparison(folder)).rows[0]?.accuracies.length).toBe(1);
  });

  it('is a verb', async () => {
    const folder = newPath();
    const flags = flagsOf({ ...common, data, epochs: 1, methods: 'scratch', seeds: 1, out: folder });
    const run = await cli(['compare', ...flags, '--json']);
    expect(run.code).toBe(0);
    const { rows, conclusions } = JSON.parse(run.stdout);
    expect(conclusions).toEqual([]); // of one method
    const again = await cli(['compare', '--resume', folder, '--json']);
    // Inference is measured again.
    const inference = expect.objectContaining({ batch32: expect.any(Number) });
    expect(JSON.parse(again.stdout).rows).toEqual([{ ...rows[0], inference }]);
    expect(await cli(['compare', '--resume', temporaryFolder()])).toMatchObject({ code: 1, stdout: '' });
    expect((await cli(['compare', '--resume', folder, '--seeds', '2'])).stderr).toMatch(/--seeds cannot accompany/);
  });
});
