import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { L2TError } from '../../src/errors.js';
import { toTensorMap } from '../../src/native/tensor.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../src/networks/weights/safetensors.js';
import { printable, shown } from '../../src/system/printable.js';
import { encode, pattern } from '../data/generate.js';
import { cli, flagsOf, main, temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../tiny.js';

/** Anything but a line feed that a terminal would obey, or that hides what is written. */
const dangerous = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const nasty = 'n\u001b[31m\n\u009b2J\u202e\u2028\ufeffx';
const long = 'y'.repeat(8_000_000);

describe('printable', () => {
  it('escapes what steers, hides or breaks, and nothing else', () => {
    expect(printable('a\u001b\n\t\u007f\u009b\u202e\u2028\ufeff\ud800\u{e0041}z')).toBe(
      'a\\u001b\\n\\t\\u007f\\u009b\\u202e\\u2028\\ufeff\\ud800\\u{e0041}z',
    );
    const sound = 'Übung "é" 猫 می\u200cخواهم 👩\u200d🔬 \\n';
    expect(printable(sound)).toBe(sound);
  });

  it('cuts names between characters', () => {
    expect(shown(long)).toBe(`${'y'.repeat(80)}…`);
    expect(shown(`${'y'.repeat(79)}🔬🔬`)).toBe(`${'y'.repeat(79)}…`);
  });
});

describe('an L2TError', () => {
  it('is one line that a terminal shows as it is, or the lines that it was given', () => {
    expect(new L2TError('INVALID_DATA', `a ${nasty} b`).message).toBe(`a ${printable(nasty)} b`);
    expect(new L2TError('INVALID_DATA', ['a', 'b']).message).toBe('a\nb');
    const { message } = new L2TError('INVALID_DATA', `It is ${long}: leave it out.`);
    expect([message.length < 5000, message.endsWith(': leave it out.')]).toEqual([true, true]);
  });
});

describe('names out of files', { timeout: 120_000 }, () => {
  let folder: string;
  let network: string;
  beforeAll(async () => {
    folder = temporaryFolder();
    for (const name of [`a${nasty}`, 'b']) {
      for (let image = 0; image < 2; image++) {
        write(join(folder, 'data', 'test', name), `${image}.png`, await encode(pattern(image), 32, 32, 'png'));
      }
    }
    network = await tinySource({ name: 'vgg9_bn', width: 0.125 }, { names: [`a${nasty}`, 'b'] });
  });

  it('in the warning about unknown entries are cut and on one line', async () => {
    const file = join(folder, 'extra.safetensors');
    const { weights } = await loadCheckpoint(network);
    const extra = { dtype: 'float32', shape: [0], data: new Uint8Array(0) } as const;
    await writeSafetensors(file, new Map([...toTensorMap(weights), [nasty, extra], [long, extra]]));
    const warnings: string[] = [];
    await loadCheckpoint(file, { network: 'vgg9_bn', width: 0.125, onWarning: (message) => warnings.push(message) });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('n\\u001b[31m\\n\\u009b2J');
    expect(warnings[0]?.length).toBeLessThan(500);
    expect(printable(warnings[0] as string)).toBe(warnings[0]);
  });

  it('are escaped in every table and message of the command line; JSON stays JSON', async () => {
    const data = join(folder, 'data');
    write(join(folder, 'other', 'train', `c${nasty}`), 'x.png', 'no image');
    const bare = join(folder, 'bare\u001b[31m.safetensors');
    await writeSafetensors(bare, new Map([[nasty, { dtype: 'uint8', shape: [1], data: Uint8Array.of(1) }]]));
    const config = write(folder, 'config.yaml', `${JSON.stringify(`k${nasty}`)}: 1\n`);
    await mkdir(join(folder, 'flat'));
    symlinkSync('nowhere', join(folder, 'flat', nasty));
    for (const [args, message] of [
      [['eval', network, '--data', data], /n\\u001b\[31m\\n/],
      [['predict', join(data, 'test', 'b', '0.png'), '--checkpoint', network], /n\\u001b\[31m\\n/],
      [['inspect', network], /n\\u001b\[31m\\n/],
      [['inspect', bare], /n\\u001b\[31m\\n/],
      [['data', 'check', join(folder, 'other')], /cn\\u001b\[31m\\n/],
      [['data', 'check', join(folder, 'flat')], /n\\u001b\[31m\\n/],
      [['eval', network, '--config', config], /kn\\u001b\[31m\\n/],
      [['inspect', network, `--x${nasty}`], /unknown option '--xn\\u001b\[31m/],
    ] as const) {
      const { stdout, stderr } = await cli(args);
      expect(`${stdout}${stderr}`).toMatch(message);
      expect(`${stdout}${stderr}`).not.toMatch(dangerous);
    }
    const { stdout } = await cli(['inspect', network, '--json']);
    expect(stdout).not.toMatch(dangerous);
    expect(JSON.parse(stdout).network.classNames).toEqual([`a${nasty}`, 'b']);
  });

  it('are escaped in what a run and an experiment print', async () => {
    const { pairs: _, ...options } = { ...tinyOptions, data: tinyData(4), epochs: 1 };
    for (const [verb, flags, message] of [
      ['transfer', ['--method', 'scratch'], /s; .*transfern\\u001b\[31m\\n/],
      ['compare', ['--methods', 'scratch', '--seeds', '1'], /The table is in .*comparen\\u001b\[31m\\n/],
    ] as const) {
      const out = join(folder, `${verb}${nasty}`);
      const { stdout, stderr } = await cli([verb, ...flags, ...flagsOf({ ...options, out })]);
      expect(stdout).toMatch(message);
      expect(`${stdout}${stderr}`).not.toMatch(dangerous);
    }
  });

  const python = spawnSync('python3', ['-c', 'import pty']).status === 0;
  it.skipIf(!python)('are as they are in a CSV file, and escaped on a terminal (skipped without python3)', async () => {
    const image = write(folder, `=1+1${nasty}.png`, await encode(pattern(1), 32, 32, 'png'));
    const args = ['predict', image, '--checkpoint', network, '--csv'];
    expect((await cli(args)).stdout).toContain(`"${image}","a${nasty}",`);
    const program = 'import pty, sys; pty.spawn(sys.argv[1:])';
    const terminal = spawnSync('python3', ['-c', program, process.execPath, main, ...args], { encoding: 'utf8' });
    // The bar of the progress steers the terminal by itself.
    const table = terminal.stdout.split('\r\n').slice(0, 2).join('\n');
    expect(table).toContain(printable(image));
    expect(table).not.toMatch(dangerous);
  });
});
