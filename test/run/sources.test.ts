import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, type EpochMetrics, loadCheckpoint, resume, transfer } from '../../src/index.js';
import { saveCheckpoint } from '../../src/networks/checkpoint.js';
import { inspectRun } from '../../src/report/inspect.js';
import { abortAt, contentsOf, eventsOf, refusal } from '../outcomes.js';
import { cli, flagsOf, newPath, temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../tiny.js';

const { pairs: _, ...common } = { ...tinyOptions, lr: 1e-3 };
/** The option `pairs` of each of the two sources. */
const pairs = ['8-3,5-1', 'single'] as const;
const matched = [
  { source: 0, pair: [8, 3] },
  { source: 0, pair: [5, 1] },
  { source: 1, pair: [4, 3] },
];

let data: string;
/** No image of it can be decoded. */
const damaged = temporaryFolder();
for (const name of ['a', 'b']) for (const k of [1, 2]) write(join(damaged, name), `${k}.png`, 'junk');
/** A resnet20 of four classes for 32 pixels, and a narrow vgg9_bn of seven for 64 with another normalisation. */
let source: readonly [string, string];
beforeAll(async () => {
  data = tinyData();
  const normalisation = { mean: [0.2, 0.3, 0.4], std: [0.5, 0.6, 0.7] } as const;
  const vgg = { name: 'vgg9_bn', classes: 7, width: 0.0625 };
  source = [await tinySource(), await tinySource(vgg, { size: 64, normalisation })];
});

const lastEpoch = (run: string): EpochMetrics =>
  JSON.parse(readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').at(-1) as string);

/** The whole set in one step, and what it measured. */
async function oneStep(changes: Partial<Parameters<typeof transfer>[0]>): Promise<EpochMetrics> {
  const options = { ...common, data, epochs: 1, batch: 36, ...changes };
  return lastEpoch((await transfer({ ...options, out: newPath() }).result).run);
}

describe('two sources', { timeout: 120_000 }, () => {
  it('give the same run by API, repeated flags and YAML lists, each with its own pairs', async () => {
    const [api, flags, yaml] = [newPath(), newPath(), newPath()];
    const run = transfer({ ...common, source, pairs, data, out: api });
    const events = await eventsOf(run);
    expect(events.find(({ type }) => type === 'start')).toMatchObject({ pairs: matched });
    const metrics = lastEpoch(api);
    expect(metrics.pairs).toMatchObject(matched);
    for (const { lambdaMean, lambdaStd, weightEntropy } of metrics.pairs) {
      expect([lambdaMean, lambdaStd, weightEntropy].every(Number.isFinite)).toBe(true);
    }

    const typed = await cli(['transfer', ...flagsOf({ ...common, source, pairs, data, out: flags })]);
    expect(typed.stderr).toMatch(/3 pairs of features with 2 sources/);
    expect(contentsOf(flags)).toEqual(contentsOf(api));

    const file = write(temporaryFolder(), 'options.yaml', JSON.stringify({ ...common, source, pairs, data }));
    expect(await cli(['transfer', '--config', file, '--out', yaml])).toMatchObject({ code: 0 });
    expect(contentsOf(yaml)).toEqual(contentsOf(api));
  });

  it.each(['native', 'autograd'] as const)(
    'each see images of their own size and normalisation (%s)',
    async (engine) => {
      const lambda = async (second: string, sourceSize?: readonly number[]) => {
        const metrics = await oneStep({ engine, source: [source[0], second], sourceSize, pairs: ['8-3,5-1', '4-3'] });
        return metrics.pairs.map(({ lambdaMean }) => lambdaMean);
      };
      const first = await lambda(source[1]);
      const normalised = join(temporaryFolder(), 'normalised.safetensors');
      const normalisation = { mean: [0, 0, 0], std: [1, 1, 1] } as const;
      await saveCheckpoint(normalised, { ...(await loadCheckpoint(source[1])), normalisation });
      for (const changed of [await lambda(normalised), await lambda(source[1], [32, 48])]) {
        expect(changed.slice(0, 2)).toEqual(first.slice(0, 2));
        expect(changed[2]).not.toBe(first[2]);
      }
    },
  );

  it('add their losses up', async () => {
    // Attention needs no branches, whose start would depend on how many there are.
    const attention = async (given: object) => (await oneStep({ method: 'at', ...given })).losses.attention as number;
    const first = await attention({ source: source[0], pairs: pairs[0] });
    const second = await attention({ source: source[1], pairs: pairs[1] });
    expect((await attention({ source, pairs })) / (first + second)).toBeCloseTo(1, 5);
  });

  it('lwf+at distils the first and attends to both; one value of an option serves all', async () => {
    const distillation = async (given: object) => (await oneStep({ method: 'lwf+at', ...given })).losses.distillation;
    const first = await distillation({ source: source[0] });
    expect(await distillation({ source, pairs: 'one-to-one' })).toBe(first);
    expect(await distillation({ source: source.toReversed() })).not.toBe(first);
  });

  it('of a comparison: lwf takes the first', async () => {
    const options = { ...common, source, sourceSize: [32, 64], data, epochs: 1, seeds: 1 };
    const { rows } = await compare({ ...options, methods: 'lwf,fm', out: newPath() });
    const reports = await Promise.all(rows.map(({ runs }) => inspectRun(runs[0] as string)));
    const used = reports.map(({ options }) => options.sources.map(({ path }) => path));
    expect(used).toEqual([[source[0]], [...source]]);
  });

  it('have licences, which the record and the model card state', async () => {
    const options = { ...common, source, pairs, data, epochs: 1, sourceLicence: ['MIT', 'CC0'] };
    const { run, correct, total } = await transfer({ ...options, out: newPath() }).result;
    const { options: recorded } = await inspectRun(run);
    expect(recorded.sources.map(({ licence }) => licence)).toEqual(['MIT', 'CC0']);
    const card = readFileSync(join(run, 'README.md'), 'utf8');
    expect(card).toMatch(/^- Source: .*Licence: `MIT`\n- Source: .*Licence: `CC0`$/m);
    expect(card).toContain(`(${correct} of ${total} images)`);
  });

  it('resume to the same bytes; a change of the second is noticed', async () => {
    const options = { ...common, source, pairs, data, batch: 3, epochs: 3 };
    const [whole, half] = [newPath(), newPath()];
    await transfer({ ...options, out: whole }).result;
    await abortAt(
      (signal) => transfer({ ...options, out: half, signal }),
      (event) => event.type === 'step' && event.epoch === 1 && event.step > 3,
    );
    const checkpoint = await loadCheckpoint(source[1]);
    const [first, ...others] = checkpoint.weights as [(typeof checkpoint.weights)[0]];
    const changed = { ...first, data: first.data.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) };
    await saveCheckpoint(source[1], { ...checkpoint, weights: [changed, ...others] });
    await expect(resume(half).result).rejects.toThrow(refusal('INVALID_RUN', `The source in ${source[1]} changed`));
    await saveCheckpoint(source[1], checkpoint);
    await resume(half).result;
    expect(contentsOf(half)).toEqual(contentsOf(whole));
  });

  it.each([
    [{ pairs: ['single', 'single', 'single'] }, /3 values of pairs for 2 of source do not fit/],
    [{ sourceNetwork: ['resnet20', 'vgg9_bn', 'vgg9_bn'] }, /3 values of sourceNetwork for 2 of source/],
    [{ sourceSize: [32, 32, 32] }, /3 values of sourceSize for 2 of source/],
    [{ sourceWidth: [1, 1, 1] }, /3 values of sourceWidth for 2 of source/],
    [{ sourceLicence: ['MIT', 'MIT', 'MIT'] }, /3 values of sourceLicence for 2 of source/],
    [{ sourceNetwork: ['resnet20', 'vgg9'] }, /sourceNetwork is 'vgg9': .* Did you mean 'vgg9_bn'/],
    [{ source: [] }, /source is \[\]: it must be a path/],
    [{ pairs: '99-0', data: damaged }, /Feature 99 does not exist/],
    [{ method: 'lwf' }, /lwf learns from one source: give source once/],
  ])('%j is refused', async (given, message) => {
    const options = { ...common, source, data, out: newPath(), ...given } as Parameters<typeof transfer>[0];
    await expect(transfer(options).result).rejects.toThrow(refusal('INVALID_OPTION', message));
  });

  it('are two files', async () => {
    const again = `${source[0].replace(/[^/]+$/, '')}./source.safetensors`;
    const { result } = transfer({ ...common, source: [...source, again], data, out: newPath() });
    await expect(result).rejects.toThrow(refusal('INVALID_OPTION', `source: ${source[0]} is given twice`));
  });
});
