import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { addon } from '../../src/native/addon.js';
import { readSafetensors, writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { type ParityReport, parity } from '../../tools/parity/parity.js';
import { formatReport } from '../../tools/parity/report.js';
import { temporaryFolder } from '../tiny.js';

const fixtures = fileURLToPath(new URL('../fixtures/parity', import.meta.url));
const lastLine = (report: ParityReport) => formatReport(report).split('\n').at(-1);

function folderWith(name: string): string {
  const folder = temporaryFolder();
  for (const ending of ['json', 'safetensors'])
    cpSync(join(fixtures, `${name}.${ending}`), join(folder, `${name}.${ending}`));
  return folder;
}

async function rewrite(folder: string, name: string, change: (tensors: Map<string, Float64Array>) => void) {
  const path = join(folder, `${name}.safetensors`);
  const { tensors } = await readSafetensors(path);
  const values = new Map([...tensors].map(([key, { data }]) => [key, new Float64Array(data.slice().buffer)]));
  change(values);
  const changed = [...values].map(([key, data]) => {
    const shape = tensors.get(key)?.shape ?? [data.length];
    return [key, { dtype: 'float64' as const, shape, data: new Uint8Array(data.buffer) }] as const;
  });
  await writeSafetensors(path, new Map(changed));
}

describe('parity', { timeout: 300_000 }, () => {
  it.each([{ engine: 'autograd' }, { engine: 'native', convolution: 'winograd' }] as const)(
    'holds in float64 for every method that is built: %j',
    async (settings) => {
      const report = await parity(fixtures, { dtype: 'float64', ...settings });
      expect(report.cases.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      expect(lastLine(report)).toBe('parity: 7 passed, 0 failed, 0 unsupported');
    },
  );

  it('holds in float64 with sources whose maps are given, as those of an ONNX file', async () => {
    const settings = { dtype: 'float64', engine: 'native', elsewhere: true } as const;
    for (const name of ['l2t_ww_two_sources', 'lwf_and_at'])
      expect(lastLine(await parity(folderWith(name), settings))).toBe('parity: 1 passed, 0 failed, 0 unsupported');
  });

  it('holds in float64 with convolutions that are computed directly', async () => {
    const settings = { dtype: 'float64', engine: 'native', convolution: 'direct' } as const;
    expect(lastLine(await parity(folderWith('l2t_ww_two_sources'), settings))).toBe(
      'parity: 1 passed, 0 failed, 0 unsupported',
    );
  });

  // test/native/bilevel/engines.test.ts has every method. Of a batch of 4, three ranks have 1, 1 and 2 images.
  it.skipIf(!addon().groups())('holds in float64 over 3 processes', async () => {
    const args = ['tools/parity/main.ts', folderWith('kd'), '--nproc', '3'];
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', ...args], { cwd: packageRoot });
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('parity: 1 passed, 0 failed, 0 unsupported');
  });

  it.each(['autograd', 'native'] as const)('holds in float32, engine %s', async (engine) => {
    const report = await parity(folderWith('l2t_w_one_step'), { dtype: 'float32', engine });
    expect(report.cases).toMatchObject([{ outcome: 'passed' }]);
    expect(report.medians?.rest).toBeGreaterThan(0);
  });

  it('fails where one expected value is off by 1e-6, and where a quantity is not compared', async () => {
    const folder = folderWith('kd');
    await rewrite(folder, 'kd', (tensors) => {
      const loss = tensors.get('loss/org');
      if (loss?.[0]) loss[0] *= 1 + 1e-6;
      tensors.set('surprise', Float64Array.of(1));
      tensors.set('probe/theta/nothing', Float64Array.of(1, 1, 1));
    });
    const report = await parity(folder, { dtype: 'float64', engine: 'autograd' });
    const text = formatReport(report);
    expect(text).toMatch(/loss\/org is off by 1\.0e-6/);
    expect(text).toMatch(/surprise is not compared/);
    expect(text).toMatch(/probe\/theta\/nothing is not compared/);
    expect(lastLine(report)).toBe('parity: 0 passed, 1 failed, 0 unsupported');
  });

  it('fails the case, not the run, whose description is damaged', async () => {
    const folder = folderWith('l2t_w_one_step');
    const path = join(folder, 'l2t_w_one_step.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"batch": 6', '"batch": 0'));
    const report = await parity(folder, { dtype: 'float64', engine: 'autograd' });
    expect(formatReport(report)).toMatch(/batch/);
    expect(lastLine(report)).toBe('parity: 0 passed, 1 failed, 0 unsupported');
  });
});
