import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { addonPath } from '../../setup/build.mjs';
import { loadEnvironment } from '../../setup/libtorch.mjs';
import { cliUntil, flagsOf, main, newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A run that is under way for long, and its folder. */
const longRun = () => {
  const run = newPath("a person's run");
  return { run, args: ['transfer', ...flagsOf({ ...tinyOptions, source, data, out: run, epochs: 500 })] };
};
const underWay = /epoch +1\/500/;

function expectSaved(run: string): void {
  expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
  expect(existsSync(join(run, 'lock.holder'))).toBe(false);
}

describe('a signal', { timeout: 120_000 }, () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGXCPU', 152],
  ] as const)('%s saves, says how to go on, and exits with %i', async (signal, code) => {
    const { run, args } = longRun();
    const { child, ended } = await cliUntil(args, underWay);
    child.kill(signal);
    const outcome = await ended;
    expect(outcome).toMatchObject({ code, signal: null, stdout: '' });
    expect(outcome.stderr).toContain(`l2t-native transfer --resume '${run.replace("'", "'\\''")}'\n`);
    expectSaved(run);
  });

  const experiment = { target: 'vgg9_bn', methods: 'scratch', seeds: 99, epochs: 1 };
  it.each([
    ['pretrain', { network: 'vgg9_bn', epochs: 500 }, underWay],
    ['compare', experiment, /seed 0: /],
    ['curve', { ...experiment, perClass: 4 }, /seed 0: /],
  ] as const)('%s says how it goes on, too', async (verb, own, ready) => {
    const out = newPath(verb);
    const options = { ...own, data, out, width: 0.125, lr: 0.01, threads: 1 };
    const { child, ended } = await cliUntil([verb, ...flagsOf(options)], ready);
    child.kill('SIGTERM');
    const outcome = await ended;
    expect(outcome).toMatchObject({ code: 143, stdout: '' });
    expect(outcome.stderr).toContain(`l2t-native ${verb} --resume ${out}\n`);
  });

  it('to all processes of train ends it in good order, also while one of them times a network', async () => {
    const out = newPath('train');
    const args = ['train', data, '--source', source, '--max-ms', '5', '--threads', '1', '--out', out];
    const { child, ended } = await cliUntil(args, /timing /, { by: ['setsid'] });
    process.kill(-(child.pid as number), 'SIGINT');
    const outcome = await ended;
    expect(outcome).toMatchObject({ code: 130, stdout: '' });
    expect(outcome.stderr).toContain(`l2t-native train --resume ${out}\n`);
  });

  it('that comes twice at once is one signal, as of a closing terminal', async () => {
    const { run, args } = longRun();
    const { child, ended } = await cliUntil(args, underWay);
    child.kill('SIGHUP');
    await pause(20);
    child.kill('SIGHUP');
    const { code, signal, stderr } = await ended;
    // While Node ends, it takes its handlers down: a signal then kills the process, which a shell shows as 129, too.
    expect(code ?? signal).toBe(code === null ? 'SIGHUP' : 129);
    expect(stderr).toContain('Continue it with: l2t-native transfer --resume ');
    expectSaved(run);
  });

  it('that comes again later ends at once, with the same code', async () => {
    const run = newPath();
    // A step of the whole set takes so long that the first signal cannot have ended the run.
    const slow = { target: 'vgg9_bn', width: 3, size: 64, batch: 36, lr: 0.01, threads: 1 };
    const { child, ended } = await cliUntil(['transfer', ...flagsOf({ ...slow, source, data, out: run })], /l2t-ww: /);
    child.kill('SIGTERM');
    await pause(2000);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 143, signal: null });
    expect(existsSync(join(run, 'state.safetensors'))).toBe(false);
  });

  const python = spawnSync('python3', ['-c', 'import pty']).status === 0;
  it.skipIf(!python)('of a terminal that is closed ends in good order (skipped without python3)', async () => {
    const { run, args } = longRun();
    const program = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'epoch 2' not in seen: seen += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
    const { stdout } = await promisify(execFile)('python3', ['-c', program, process.execPath, main, ...args]);
    expect(stdout).toBe('129\n');
    expectSaved(run);
  });
});

it('is not taken by a library that LibTorch loads, and WebAssembly keeps its bounds checks', () => {
  // (func (export "f") (param i32) (result i32) local.get 0 i32.load), with one page of memory.
  const bytes = '0061736d0100000001060160017f017f030201000503010001070501016600000a0901070020002802000b';
  const program = `
    require(process.argv[1]);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from('${bytes}', 'hex')));
    try { exports.f(0x7fffffff); } catch (error) { process.stdout.write(error.message); }`;
  const env = { ...process.env, ...loadEnvironment };
  const child = spawnSync(process.execPath, ['-e', program, addonPath], { encoding: 'utf8', env });
  expect(child).toMatchObject({ stdout: 'memory access out of bounds', stderr: '', status: 0 });
});
