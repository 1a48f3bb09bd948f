import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as api from '../../src/index.js';
import { encode, pattern } from '../data/generate.js';
import { cli, temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../tiny.js';

/** The folder of the calls, and the one to which the process changes just after each. */
const [first, second, begin] = [temporaryFolder(), temporaryFolder(), process.cwd()];
const options = { ...tinyOptions, width: 1 / 16, epochs: 1, data: 'data', report: false } as const;
const scratch = { ...options, method: 'scratch', pairs: undefined } as const;
const experiment = { ...scratch, method: undefined, methods: 'scratch', seeds: 1 } as const;
const runOut = (out: string) => ({ source: 'source.safetensors', out });
let network: api.Network;
let checkpoint: api.Checkpoint;

beforeAll(async () => {
  cpSync(tinyData(4), join(first, 'data'), { recursive: true });
  copyFileSync(await tinySource({ width: 1 / 16 }), join(first, 'source.safetensors'));
  write(first, 'image.png', await encode(pattern(1, 40, 50), 40, 50, 'png'));
  write(join(first, 'images'), '1.png', await encode(pattern(2, 40, 50), 40, 50, 'png'));
  network = await api.Network.load(join(first, 'source.safetensors'), { threads: 1 });
  checkpoint = await api.loadCheckpoint(join(first, 'source.safetensors'));
  await api.transfer({ ...scratch, data: join(first, 'data'), out: join(first, 'finished') }).result;
  const given = { ...experiment, data: join(first, 'data') };
  await api.compare({ ...given, out: join(first, 'finished-compare') });
  await api.curve({ ...given, perClass: '2', out: join(first, 'finished-curve') });
  await api.planComparison(join(first, 'planned'), given);
}, 300_000);
afterAll(() => process.chdir(begin));

/** Makes the call, and changes the working directory at once. */
async function moved<T>(call: () => PromiseLike<T>): Promise<T> {
  process.chdir(first);
  const result = call();
  process.chdir(second);
  return result;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const group = { rank: 0, size: 1, master: '127.0.0.1:29500' } as const;

/** A call, and what it makes. */
type Call = [name: string, call: () => PromiseLike<unknown>, made?: string];
/** Every call that takes a path. */
const calls: Call[] = [
  ['transfer', () => api.transfer({ ...options, ...runOut('run') }).result, 'run/best.safetensors'],
  ['transfer without a folder', () => api.transfer(scratch).result, 'runs/vgg9_bn-scratch-1/best.safetensors'],
  ['transfer in a group', () => api.transfer({ ...scratch, out: 'grouped', group }).result, 'grouped/best.safetensors'],
  [
    'pretrain',
    () =>
      api.pretrain({ ...scratch, target: undefined, method: undefined, network: 'vgg9_bn', out: 'pretrained' } as never)
        .result,
    'pretrained/best.safetensors',
  ],
  ['resume', () => api.resume('finished').result],
  ['resume in a group', () => api.resume('finished', { group }).result],
  ['resumeOrStart', () => api.resumeOrStart({ ...scratch, out: 'tried' }).result, 'tried/best.safetensors'],
  ['compare', () => api.compare({ ...experiment, out: 'compared' }), 'compared/comparison.md'],
  ['compare without a folder', () => api.compare(experiment), 'runs/compare-1/comparison.md'],
  ['resumeComparison', () => api.resumeComparison('finished-compare')],
  ['curve', () => api.curve({ ...experiment, perClass: '2', out: 'curve' }), 'curve/comparison.md'],
  ['resumeCurve', () => api.resumeCurve('finished-curve')],
  ['resumeReproduction', () => api.resumeReproduction('finished-curve')],
  ['planComparison', () => api.planComparison('plan', experiment), 'plan/runs.txt'],
  ['planCurve', () => api.planCurve('plan-curve', { ...experiment, perClass: '2' }), 'plan-curve/runs.txt'],
  ['collect', () => api.collect('planned'), 'planned/comparison.md'],
  ['evaluate', () => api.evaluate('source.safetensors', { data: 'data', classes: undefined }).catch(ofOtherClasses)],
  ['evaluate in a group', () => api.evaluate('finished/best.safetensors', { data: 'data', group })],
  ['checkData', () => api.checkData({ data: 'data' })],
  ['proposeOptions', () => api.proposeOptions({ data: 'data', source: 'source.safetensors', threads: 1 })],
  ['Network.load', () => api.Network.load('source.safetensors', { threads: 1 })],
  ['predict', () => network.predict(['image.png'])],
  [
    'predictEach',
    () => all(network.predictEach(['image.png'])).then(([first]) => expect(first).not.toBeInstanceOf(Error)),
  ],
  ['features', () => network.features(['image.png'])],
  ['listImages', () => api.listImages(['images', 'image.p*'])],
  ['loadCheckpoint', () => api.loadCheckpoint('source.safetensors')],
  ['saveCheckpoint', () => api.saveCheckpoint('saved.safetensors', checkpoint), 'saved.safetensors'],
  ['exportNetwork', () => api.exportNetwork('source.safetensors', { to: 'onnx', out: 'x.onnx' }), 'x.onnx'],
  ['report', () => api.report('finished'), 'finished/report.html'],
  ['report elsewhere', () => api.report('finished', { out: 'page.html' }), 'page.html'],
];

/** The source tells other classes apart than the data has: the file was found. */
function ofOtherClasses(error: unknown): void {
  expect(error).toMatchObject({ code: 'INVALID_DATA', message: expect.stringContaining(join(first, 'data')) });
}

describe('a relative path begins where the process was when the call was made', () => {
  it.each(calls)(
    '%s',
    async (_, call, made) => {
      await moved(call);
      if (made !== undefined) expect(existsSync(join(first, made))).toBe(true);
      expect(readdirSync(second)).toEqual([]);
    },
    120_000,
  );

  it('and what the call gives is absolute', async () => {
    const { run, checkpoint: best } = await moved(() => api.resume('finished').result);
    expect([run, best]).toEqual([join(first, 'finished'), join(first, 'finished/best.safetensors')]);
    expect(await moved(() => api.listImages(['images']))).toEqual([join(first, 'images/1.png')]);
    await expect(moved(() => api.loadCheckpoint('none.pth'))).rejects.toMatchObject({
      message: expect.stringContaining(join(first, 'none.pth')),
    });
  });

  it('but the command line shows paths as they were written', async () => {
    const flags = ['--data', 'data', '--target', 'vgg9_bn', '--width', '0.0625', '--threads', '1', '--lr', '0.01'];
    const ran = await cli(['transfer', '--method', 'scratch', '--epochs', '1', ...flags], { cwd: first });
    expect([ran.code, ran.stdout.split('; ').at(-1)]).toEqual([0, 'runs/vgg9_bn-scratch-2/best.safetensors\n']);
    const recorded = readFileSync(join(first, 'runs/vgg9_bn-scratch-2/options.yaml'), 'utf8');
    expect(recorded).toContain(`data: ${join(first, 'data')}\n`);
    const failed = await cli(['predict', 'none.png', '--checkpoint', 'source.safetensors'], { cwd: first });
    expect(failed.stderr).toMatch(/ none\.png: /);
  }, 60_000);
});
