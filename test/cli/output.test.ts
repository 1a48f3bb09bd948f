import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli, flagsOf, main, newPath, temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const newRun = (epochs: number) => {
  const run = newPath();
  return { run, args: ['transfer', ...flagsOf({ ...tinyOptions, source, data, out: run, epochs })] };
};

/** The command line as a person types it, `l2t-native` and all, with bash's exit codes of each part of its pipe. */
function shell(line: string, args: readonly string[] = []): { codes: string; stdout: string; stderr: string } {
  const script = `l2t-native() { "${process.execPath}" "${main}" "$@"; }\n${line}; echo "\${PIPESTATUS[*]}" >&3`;
  const { output } = spawnSync('bash', ['-c', script, 'bash', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const [, stdout = '', stderr = '', codes = ''] = output as (string | undefined)[];
  return { codes: codes.trim(), stdout, stderr };
}

describe('an output', { timeout: 120_000 }, () => {
  it('on a full disk is one sentence and exit code 1, and the run is there', () => {
    const { run, args } = newRun(1);
    const { codes, stderr } = shell('l2t-native "$@" > /dev/full', args);
    expect(codes).toBe('1');
    expect(stderr).toMatch(/\nerror\[FILE_ACCESS\]: Cannot write the standard output: the disk is full: .*\n$/);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(join(run, 'best.safetensors'))).toBe(true);
    for (const verb of ['--help', 'doctor', 'reproduce --list']) {
      expect(shell(`l2t-native ${verb} > /dev/full`)).toMatchObject({
        codes: '1',
        stderr: expect.stringMatching(/^error\[FILE_ACCESS\]: Cannot write the standard output.*\n$/),
      });
    }
  });

  it('that takes no more progress does not keep the result back', () => {
    const { args } = newRun(1);
    expect(shell('l2t-native "$@" 2> /dev/full', args)).toMatchObject({
      codes: '0',
      stdout: expect.stringMatching(/^test accuracy/),
    });
  });

  it('whose reader is gone ends a run early, saved and silent', () => {
    const { run, args } = newRun(500);
    const { codes, stdout, stderr } = shell('l2t-native "$@" 2>&1 | head -1', args);
    expect([codes, stdout.split('\n').length, stderr]).toEqual(['141 0', 2, '']);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
    expect(existsSync(join(run, 'lock.holder'))).toBe(false);
  });

  it('whose reader is gone is no failure of a verb that only prints', async () => {
    const meanwhile = (child: ChildProcess) => child.stdout?.destroy();
    expect(await cli(['inspect', source], { meanwhile })).toMatchObject({ code: 141, stderr: '' });
    expect(shell('l2t-native --help | head -1')).toMatchObject({ stdout: expect.stringMatching(/^Usage/), stderr: '' });
  });
});

describe('few open files', { timeout: 120_000 }, () => {
  it.each([20, 40, 64])('%i are too few to load the program: one sentence', (limit) => {
    for (const verb of ['compare', 'transfer']) {
      expect(shell(`ulimit -n ${limit}; l2t-native ${verb}`)).toEqual({
        codes: '1',
        stdout: '',
        stderr: 'error[FILE_ACCESS]: Cannot load the program: too many files are open: raise the limit (ulimit -n).\n',
      });
    }
  });

  it('are said by the API, too, and never taken for something else', () => {
    const images = temporaryFolder();
    for (const name of ['a', 'b']) for (const k of [1, 2]) write(join(images, name), `${k}.png`, 'no image');
    const program = `
      import { closeSync, openSync } from 'node:fs';
      import { checkData, describeNetwork, presets } from '${new URL('../../dist/index.js', import.meta.url)}';
      const calls = [
        [0, () => describeNetwork({ name: 'resnet20', classes: 2, width: 1 })],
        [0, presets],
        [1, presets],
        [1, () => checkData({ data: ${JSON.stringify(images)} })],
      ];
      const held = [];
      const holdAll = () => { try { for (;;) held.push(openSync('/dev/null')); } catch {} };
      for (const [free, call] of calls) {
        holdAll();
        for (let k = 0; k < free; k++) closeSync(held.pop());
        const said = await Promise.resolve().then(call).then(() => 'nothing', (error) => error.code + ' ' + error.message);
        for (const fd of held.splice(0)) closeSync(fd);
        console.log(said);
      }`;
    const { stdout } = shell(`ulimit -n 200; "${process.execPath}" --input-type=module -e "$1"`, [program]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBe(4);
    const [addon, none, one, check] = lines;
    for (const line of [addon, none, check]) expect(line).toMatch(/^FILE_ACCESS .*too many files are open/);
    expect(one).toBe('nothing');
  });
});
