import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { L2TError } from '../../src/errors.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Ranks } from '../../src/ranks/ranks.js';
import type { RunResult } from '../../src/run/run.js';
import { resume, type TransferOptions, transfer } from '../../src/run/transfer.js';
import { encode, pattern, write } from '../data/generate.js';
import { abortAt, eventsOf, refusal, warningsOf } from '../outcomes.js';
import { newPath, temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';
import { placesOf } from './fake-ranks.js';

// Here each rank computes everything: what ranks agree on, and who writes, does not depend on the computation.
vi.mock('../../src/native/addon.js', async (original) =>
  (await import('./fake-ranks.js')).fakeAddonModule(original as never),
);

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const options = (): TransferOptions => ({ ...tinyOptions, source, data, report: false });

/** Starts a run on each rank, with what differs there; the outcomes in the order of ranks. */
function together(changes: readonly Partial<TransferOptions>[]): Promise<PromiseSettledResult<RunResult>[]> {
  const places = placesOf(changes.length);
  return Promise.allSettled(
    changes.map((change, rank) => transfer({ ...options(), ...change, group: places[rank] }).result),
  );
}

const errorsOf = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
  outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as L2TError) : undefined));

describe('a run of two ranks', { timeout: 60_000 }, () => {
  const out = newPath();
  it('is written and told by rank 0 alone, and has the same result on both', async () => {
    const [first, second] = placesOf(2);
    const runs = [
      transfer({ ...options(), out, lr: 'auto', group: first }),
      transfer({ ...options(), out: join(out, 'no'), lr: 'auto', group: second }),
    ] as const;
    const [told, untold] = await Promise.all(runs.map(eventsOf));
    expect(new Set(told?.map(({ type }) => type))).toEqual(
      new Set(['data', 'rate', 'start', 'step', 'epoch', 'checkpoint']),
    );
    expect(untold).toEqual([]);
    const [{ network, ...result }, { network: other, ...same }] = await Promise.all([runs[0].result, runs[1].result]);
    expect(same).toEqual(result);
    expect(same).toMatchObject({
      run: out,
      checkpoint: join(out, 'best.safetensors'),
      report: null,
      learned: { pairs: 2 },
    });
    expect({ ...other, weights: other.weights.length }).toEqual({ ...network, weights: network.weights.length });
    expect(existsSync(join(out, 'no'))).toBe(false);
    expect(readFileSync(join(out, 'options.yaml'), 'utf8')).toMatch(/^ranks: 2$/m);
    const lines = readFileSync(join(out, 'timing.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).ranks)).toEqual([2, 2]);
  });

  it('fine-tunes its sources on both ranks, as one process does', async () => {
    const [alone, both] = [newPath(), newPath()];
    const given = { source: await tinySource({ width: 0.25 }), sourceFinetune: 1 };
    await transfer({ ...options(), ...given, out: alone }).result;
    const outcomes = await together([{ ...given, out: both }, given]);
    expect(errorsOf(outcomes)).toEqual([undefined, undefined]);
    const [first, second] = outcomes.map((outcome) => (outcome as PromiseFulfilledResult<RunResult>).value.finetuned);
    expect([first?.length, second]).toEqual([1, first]);
    for (const name of ['best.safetensors', 'source-0/best.safetensors'])
      expect(readFileSync(join(both, name))).toEqual(readFileSync(join(alone, name)));
  });

  it('that is finished gives its result again, also where the folder is not seen', async () => {
    const places = placesOf(2);
    const seen = await Promise.all(places.map((group) => resume(out, { group }).result));
    expect(seen[1]).toEqual(seen[0]);
    // Another rank's host may lack the folder.
    const network = await sentTo(join(out, 'best.safetensors'));
    expect(network).toEqual(seen[0]?.network);
  });
});

describe('a resume by another number of ranks', { timeout: 60_000 }, () => {
  it('goes on, says so, and needs the folder on rank 0 alone', async () => {
    const out = newPath();
    await abortAt(
      (signal) => transfer({ ...options(), out, epochs: 3, signal }),
      ({ type }) => type === 'epoch',
    );
    const [first, second] = placesOf(2);
    const here = resume(out, { group: first });
    const there = resume('/no/such/folder', { group: second });
    expect(warningsOf(await eventsOf(here))).toContainEqual(
      expect.stringContaining('computed by one process so far, and goes on with 2'),
    );
    expect((await there.result).accuracy).toBe((await here.result).accuracy);
    const lines = readFileSync(join(out, 'timing.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).ranks).slice(1)).toEqual([2, 2]);
  });
});

describe('ranks that differ', { timeout: 60_000 }, () => {
  it('in the damaged images that they leave out are refused, wherever each has its data', async () => {
    const here = temporaryFolder();
    for (const path of ['train/a/0', 'train/a/1', 'train/b/2', 'train/b/3', 'test/a/4', 'test/b/5']) {
      write(join(here, `${path}.jpg`), await encode(pattern(Number(path.at(-1)), 70), 70, 70, 'jpeg'));
    }
    const { length } = readFileSync(join(here, 'train/a/1.jpg'));
    writeFileSync(join(here, 'train/a/1.jpg'), new Uint8Array(length));
    const [copy, other] = [temporaryFolder(), temporaryFolder()];
    for (const folder of [copy, other]) cpSync(here, folder, { recursive: true });
    writeFileSync(join(other, 'test/a/4.jpg'), new Uint8Array(readFileSync(join(here, 'test/a/4.jpg')).length));
    const network = { target: 'resnet18', size: 64, width: 0.0625, method: 'scratch' } as const;
    const train = (folders: readonly string[]) => {
      const out = newPath();
      const options = { ...network, batch: 2, threads: 1, lr: 0.01, epochs: 1, report: false, skipDamaged: true, out };
      const groups = placesOf(2);
      return Promise.allSettled(
        folders.map((folder, k) => transfer({ ...options, data: folder, group: groups[k] }).result),
      );
    };
    const results = await train([here, copy]);
    expect(results.map((each) => each.status === 'fulfilled' && each.value.total)).toEqual([2, 2]);
    for (const error of errorsOf(await train([here, other]))) {
      expect(error?.message).toMatch(/Rank 1 differs from rank 0 in the damaged images that are left out/);
    }
  });

  it.each([
    ['an option', { seed: 1 }, 'INVALID_OPTION', 'Rank 1 differs from rank 0 in seed: 1 there, 0 on rank 0.'],
    [
      'an option that one leaves out',
      { patience: 3, validation: 2 },
      'INVALID_OPTION',
      'in validation: 2 there, not given on',
    ],
    ['batch norm', { batchNorm: 'local' }, 'INVALID_OPTION', 'in batchNorm: "local" there, "global" on rank 0'],
    ['the data', { classes: 'left,right' }, 'INVALID_OPTION', 'Rank 1 differs from rank 0 in classes'],
  ] as const)('in %s are refused, all with the same words', async (_, change, code, message) => {
    const out = newPath();
    const errors = errorsOf(await together([{ out }, { ...change }]));
    for (const error of errors) expect(error).toEqual(refusal(code, message));
    expect(existsSync(out)).toBe(false);
  });

  it('in the data or the source are refused, too, whatever their paths', async () => {
    const [first, second] = errorsOf(await together([{}, { data: tinyData(13) }]));
    expect(first).toEqual(refusal('INVALID_DATA', 'Rank 1 differs from rank 0 in the data'));
    expect(second?.message).toBe(first?.message);
    const other = await tinySource({ classes: 5 });
    const [third] = errorsOf(await together([{}, { source: other }]));
    expect(third).toEqual(refusal('INVALID_DATA', 'in the weights of source 1'));
  });

  it('may have other threads and other paths to the same', async () => {
    const copy = tinyData();
    const outcomes = await together([
      { out: newPath(), epochs: 1 },
      { data: copy, threads: 2, epochs: 1 },
    ]);
    expect(errorsOf(outcomes)).toEqual([undefined, undefined]);
    rmSync(copy, { recursive: true });
  });
});

describe('a failure on one rank', { timeout: 60_000 }, () => {
  it.each([
    ['before anything is read', { epochs: 0 }, 'INVALID_OPTION', /^Option epochs is 0/],
    ['while reading', { source: '/no/such.pth' }, 'FILE_ACCESS', /\/no\/such\.pth/],
  ] as const)('%s ends the others, which name it', async (_, change, code, message) => {
    const [first, second, third] = errorsOf(await together([{}, { ...change }, {}]));
    expect(second).toEqual(refusal(code, message));
    for (const other of [first, third]) expect(other).toMatchObject({ code, message: `Rank 1: ${second?.message}` });
  });

  it('of rank 0, which cannot make the folder, ends the others', async () => {
    const errors = errorsOf(await together([{ out: data }, {}]));
    expect(errors.map((error) => error?.code)).toEqual(['INVALID_RUN', 'INVALID_RUN']);
    expect(errors[1]?.message).toBe(`Rank 0: ${errors[0]?.message}`);
  });
});

describe('an evaluation by several ranks', { timeout: 60_000 }, () => {
  it('gives what one process gives, on every rank', async () => {
    const checkpoint = await networkOf(data);
    // 30 images in batches of 7 are five batches for three ranks, and one batch for one of them.
    for (const batch of [7, 30]) {
      const how = { data, threads: 1, batch, top: 2 };
      const alone = await evaluate(checkpoint, how);
      const results = await Promise.all(placesOf(3).map((group) => evaluate(checkpoint, { ...how, group })));
      for (const result of results) expect(result).toEqual(alone);
    }
  });

  it('refuses ranks that have other images', async () => {
    const checkpoint = await networkOf(data);
    const folders = [data, tinyData(), tinyData()];
    writeFileSync(
      join(folders[2] as string, 't10k-labels-idx1-ubyte'),
      readFileSync(join(data, 't10k-labels-idx1-ubyte')).fill(1, 8),
    );
    const places = placesOf(3);
    const tried = folders.map((folder, rank) =>
      evaluate(checkpoint, { data: folder, threads: 1, group: places[rank] }),
    );
    for (const error of errorsOf(await Promise.allSettled(tried)))
      expect(error).toEqual(refusal('INVALID_DATA', 'Rank 2 differs from rank 0 in the data'));
  });
});

/** A network for the data's classes. */
async function networkOf(folder: string): Promise<string> {
  const given = { ...options(), method: 'scratch', source: undefined, pairs: undefined, epochs: 1 } as const;
  return (await transfer({ ...given, data: folder, out: newPath() }).result).checkpoint;
}

/** Returns the network that rank 1 receives if its path does not exist. */
async function sentTo(checkpoint: string) {
  const places = placesOf(2);
  const paths = [checkpoint, '/no/such/best.safetensors'];
  const [, network] = await Promise.all(
    paths.map((path, rank) => Ranks.use(places[rank], undefined, (ranks) => ranks.network(path))),
  );
  return network;
}
