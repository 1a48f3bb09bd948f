import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import type { BenchResult } from '../../src/bench/bench.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { differences } from '../../tools/gpu/bits.js';
import { type Machine, markdown, merge, type Results, type StepResult } from '../../tools/gpu/results.js';
import { problemsOf } from '../../tools/gpu/steps/bench.js';
import { temporaryFolder } from '../tiny.js';

const machine: Machine = {
  device: 'cpu',
  cpu: 'some processor',
  cores: 2,
  node: '20.15.0',
  libtorch: '2.6.0',
  compiledFor: '',
  runtime: '',
  cudnn: '',
  driver: '',
};
const step = (summary: string, problems: readonly string[] = []): StepResult => ({
  problems,
  summary,
  seconds: 1,
  ended: '2026-01-01T00:00:00.000Z',
});

describe('the results of bench/gpu.sh', () => {
  const earlier: Results = { machine, steps: { parity: step('old'), train: step('kept') } };

  it('of a step that ran again replace its earlier ones; the others stay', () => {
    const { steps } = merge(earlier, { machine, steps: { parity: step('new') } });
    expect(steps).toEqual({ parity: step('new'), train: step('kept') });
  });

  it('of another machine are dropped; a step that could not load the addon drops none', () => {
    const moved = { ...machine, cpu: 'another processor' };
    expect(merge(earlier, { machine: moved, steps: { build: step('') } }).steps).toEqual({ build: step('') });
    const failed = { steps: { bench: step('', ['it died of SIGSEGV']) } };
    expect(merge(earlier, failed)).toEqual({ machine, steps: { ...earlier.steps, ...failed.steps } });
  });

  it('are one line a step as Markdown, which says what is off', () => {
    const text = markdown(merge(earlier, { machine, steps: { parity: step('', ['a is off', 'b |\nis off']) } }));
    expect(text).toContain('| parity | off: a is off; b \\| is off |  | 1 |');
    expect(text).toContain('| train | passed | kept | 1 |');
  });
});

describe('the bench on a GPU', () => {
  const result = (ratio?: number, name = 'resnet32-vgg9') => ({ case: name, ratio }) as BenchResult;

  it("is off where a case was not measured, or the paper's is less than 6 times as fast as autograd", () => {
    expect([result(6), result(3, 'demo')].flatMap((each) => problemsOf(each, false))).toEqual([]);
    expect(problemsOf(result(5.9), false)).toEqual([expect.stringMatching(/5\.90 times/)]);
    expect(problemsOf(result(3), true)).toEqual([]);
    for (const ratio of [undefined, Number.NaN, 0]) expect(problemsOf(result(ratio, 'demo'), true)).toHaveLength(1);
  });
});

describe('the bits of two runs', () => {
  const run = async (value: number, options: string, epochs = '1') => {
    const folder = temporaryFolder();
    const tensor = { dtype: 'float32' as const, shape: [1], data: new Uint8Array(Float32Array.of(value).buffer) };
    const metadata = new Map(Object.entries({ options, epochs }));
    for (const name of ['best', 'last', 'state'])
      await writeSafetensors(join(folder, `${name}.safetensors`), new Map([['theta', tensor]]), metadata);
    writeFileSync(join(folder, 'metrics.jsonl'), '{}\n');
    return folder;
  };

  it('are compared without the options; a last bit and any other entry count', async () => {
    expect(await differences(await run(1, 'graph'), await run(1, 'eager'))).toEqual([]);
    expect(await differences(await run(1, 'graph'), await run(1 + 2 ** -23, 'graph'))).toHaveLength(3);
    expect(await differences(await run(1, 'graph'), await run(1, 'graph', '2'))).toHaveLength(3);
  });
});

describe('bench/gpu.sh', { timeout: 60_000 }, () => {
  const out = temporaryFolder();
  const run = (...flags: string[]) =>
    new Promise<number | null>((done) => {
      const child = execFile(join(packageRoot, 'bench/gpu.sh'), [...flags, '--out', out], () => done(child.exitCode));
    });
  const results = () => JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as Results;

  it('runs one step alone and writes what it saw', async () => {
    expect(await run('--device', 'cpu', '--only', 'sanitize')).toBe(0);
    expect(results()).toMatchObject({ machine: { device: 'cpu' }, steps: { sanitize: { problems: [] } } });
    expect(readFileSync(join(out, 'results.md'), 'utf8')).toMatch(/^\| sanitize \| passed \| skipped/m);
  });

  it('exits 1 where a step cannot run, and says why', async () => {
    expect(await run('--device', 'tpu', '--only', 'sanitize')).toBe(1);
    expect(results().steps.sanitize?.problems[0]).toMatch(/Unknown (--)?device 'tpu'/);
  });

  it('refuses a step that does not exist', async () => {
    expect(await run('--only', 'sanitise')).toBe(1);
  });
});
