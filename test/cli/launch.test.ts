import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { prefixLines } from '../../src/cli/ranks.js';
import { addon } from '../../src/native/addon.js';
import { freePort } from '../../src/system/free-port.js';
import { cli, cliUntil, main, temporaryFolder, tinyData, tinyFlags, tinySource } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const joins = addon().groups();
const without = joins ? '' : ' (skipped: this build has no c10d)';

/** Launched commands end with the test, whatever happens in it. */
const launchers = new Set<{ kill(signal: NodeJS.Signals): boolean }>();
afterEach(() => {
  for (const launcher of launchers) launcher.kill('SIGTERM');
  launchers.clear();
});

const launched = (nproc: number, ...args: string[]) => ['launch', '--nproc', String(nproc), '--', ...args];
const training = (out: string, ...more: string[]) => [
  ...['transfer', '--source', source, '--data', data, '--out', out, '--no-report', ...tinyFlags, ...more],
];

/** A run of two ranks that is under way for long. */
async function longRun(...more: string[]) {
  const run = join(temporaryFolder(), 'run');
  const started = await cliUntil(launched(2, ...training(run, '--epochs', '5000', ...more)), /epoch +1\/5000/);
  launchers.add(started.child);
  const ranks = processesOf(run).filter((pid) => pid !== started.child.pid);
  expect(ranks).toHaveLength(2);
  return { ...started, run, ranks };
}

/** The processes of l2t-native that name a folder: the launcher, then the ranks in order. */
function processesOf(folder: string): number[] {
  const named = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    const words = commandOf(name);
    return words.includes(folder) && words.includes(main);
  });
  return named.map(Number).sort((a, b) => rankOf(a) - rankOf(b));
}

/** -1 of the launcher, and of a process that has ended. */
function rankOf(pid: number): number {
  try {
    return Number(/(?:^|\0)RANK=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'latin1'))?.[1] ?? -1);
  } catch {
    return -1;
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

async function untilGone(run: string): Promise<void> {
  for (const start = Date.now(); processesOf(run).length > 0; ) {
    if (Date.now() - start > 30_000) throw new Error(`left: ${processesOf(run)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** As Linux lists the sockets that listen. */
async function untilListening(port: number): Promise<void> {
  const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 0A `);
  for (const start = Date.now(); !listening.test(readFileSync('/proc/net/tcp', 'utf8')); ) {
    if (Date.now() - start > 30_000) throw new Error(`nobody listens at ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('launch refuses', () => {
  it.each([
    [
      ['launch', '--nproc', '2', '--', 'predict', 'x'],
      'cannot start predict: several processes together compute one of transfer, pretrain, eval, bench.',
    ],
    [['launch', '--nproc', '2', '--', 'trasnfer'], "Did you mean 'transfer'?"],
    [['launch', '--', 'transfer'], '--nproc is missing'],
    [['launch', '--nproc', '2', '--nnodes', '2', '--', 'transfer'], '--node-rank is missing'],
    [['launch', '--nproc', '2', '--nnodes', '2', '--node-rank', '1', '--', 'transfer'], '--master is missing'],
    [
      ['launch', '--nproc', '1', '--nnodes', '2', '--node-rank', '2', '--master', 'a:1', '--', 'transfer'],
      '--node-rank is 2: it must be below --nnodes, which is 2.',
    ],
    [['launch', '--nproc', '2', '--master', 'node1', '--', 'transfer'], '--master is'],
  ])('%j', async (args, message) => {
    const { code, stderr } = await cli(args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('a line of a rank', () => {
  it('begins with it, is never cut, and comes also if it does not end', async () => {
    const [from, to] = [new PassThrough(), new PassThrough()];
    prefixLines(from, to, '[rank 3] ');
    for (const chunk of ['one\ntw', 'o\n\nthree', ' and']) from.write(chunk);
    from.end(() => setImmediate(() => to.end()));
    expect(await text(to)).toBe('[rank 3] one\n[rank 3] two\n[rank 3] \n[rank 3] three and\n');
  });
});

describe.skipIf(!joins)(`a run that is launched${without}`, { timeout: 120_000 }, () => {
  it.each([1, 2, 3])('by %i processes has the losses of one process', async (nproc) => {
    const folder = temporaryFolder();
    const [one, several] = [join(folder, 'one'), join(folder, 'several')];
    expect(await cli(training(one, '--seed', '1'))).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await cli(launched(nproc, ...training(several, '--seed', '1', '--json')));
    expect([code, stderr]).toEqual([0, expect.stringContaining('l2t-ww: vgg9_bn')]);
    expect(stderr).not.toContain('[rank');
    expect(JSON.parse(stdout)).toMatchObject({ run: several, total: 30 });
    const lossesOf = (run: string) =>
      readFileSync(join(run, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).losses.org as number);
    lossesOf(several).forEach((loss, epoch) => {
      expect(Math.abs(loss - (lossesOf(one)[epoch] as number))).toBeLessThan(1e-3);
    });
  });

  it('by as many processes gives the same bits, with images decoded on the way and a rate that is found', async () => {
    const [first, second] = [0, 1].map(() => join(temporaryFolder(), 'run')) as [string, string];
    const more = ['--size', '64', '--epochs', '1', '--lr', 'auto'];
    for (const run of [first, second]) {
      expect(await cli(launched(3, ...training(run, ...more)))).toMatchObject({ code: 0 });
    }
    for (const file of ['rate.json', 'metrics.jsonl', 'best.safetensors']) {
      expect(readFileSync(join(first, file)).equals(readFileSync(join(second, file)))).toBe(true);
    }
  });

  it('and evaluated gives what one process gives', async () => {
    const run = join(temporaryFolder(), 'run');
    await cli(training(run));
    const evaluation = [
      'eval',
      join(run, 'best.safetensors'),
      '--data',
      data,
      '--batch',
      '7',
      '--threads',
      '1',
      '--json',
    ];
    const [one, several] = [await cli(evaluation), await cli(launched(3, ...evaluation))];
    expect(several).toMatchObject({ code: 0, stdout: one.stdout });
    expect(one.code).toBe(0);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends by %s to the launcher in good order, and goes on by one process', async (signal, code) => {
    const { child, ended, run } = await longRun();
    child.kill(signal);
    const { stderr, ...outcome } = await ended;
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(stderr).toContain(`l2t-native transfer --resume ${run}\n`);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
    expect(existsSync(join(run, 'lock'))).toBe(false);
    const resumed = await cliUntil(['transfer', '--resume', run], /epoch/);
    launchers.add(resumed.child);
    resumed.child.kill('SIGTERM');
    expect((await resumed.ended).stderr).toContain('was computed by 2 processes so far, and goes on with 1');
  });

  it('ends by a signal to any rank, too', async () => {
    const { ended, run, ranks } = await longRun();
    process.kill(ranks[1] as number, 'SIGTERM');
    const { code, stderr } = await ended;
    expect([130, 143]).toContain(code);
    expect(stderr).toMatch(/^error\[ABORTED\]/m);
    expect(stderr).toMatch(/^\[rank 1\] error\[ABORTED\]/m);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
  });

  it('ends if a rank is killed, with its exit code', async () => {
    const { ended, run, ranks } = await longRun();
    process.kill(ranks[1] as number, 'SIGKILL');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([137, expect.stringContaining('rank 1 was ended by SIGKILL: ending the others\n')]);
    expect(stderr).toMatch(/^error\[GROUP_FAILED\]: Rank 1 /m);
    await untilGone(run);
  });

  // Rank 0 serves the store in which the others look for the rank to blame.
  it.each([1, 0])('ends if rank %i stands still for longer than --timeout', async (still) => {
    const { ended, run, ranks } = await longRun('--timeout', '10');
    process.kill(ranks[still] as number, 'SIGSTOP');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining(`error[GROUP_FAILED]: Rank ${still} `)]);
    await untilGone(run);
  });

  it('ends, all saved, if the launcher is killed', async () => {
    const { child, run } = await longRun();
    child.kill('SIGKILL');
    await untilGone(run);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
    expect(existsSync(join(run, 'lock'))).toBe(false);
  });

  it('ends if a rank is refused', async () => {
    const run = join(temporaryFolder(), 'run');
    const { code, stderr, stdout } = await cli(launched(2, ...training(run, '--engine', 'autograd')));
    expect([code, stdout]).toEqual([2, '']);
    for (const start of ['', '[rank 1] ']) {
      expect(stderr.split('\n')).toContainEqual(
        `${start}error[INVALID_OPTION]: --engine autograd computes in one process, and this run has 2: leave it out, or give --no-group.`,
      );
    }
    expect(existsSync(run)).toBe(false);
  });
});

describe.skipIf(!joins)(`a process in the environment of torchrun${without}`, { timeout: 60_000 }, () => {
  const env = { ...process.env, RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '19' };
  const end = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    new Promise<{ code: number | null; stderr: string }>((resolve) => {
      const child = spawn(process.execPath, [main, ...args], {
        env: { ...env, ...more },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      launchers.add(child);
      let stderr = '';
      child.stderr.on('data', (chunk) => (stderr += chunk));
      child.on('close', (code) => resolve({ code, stderr }));
    });

  it('waits for rank 0 as long as it is told to', async () => {
    const { code, stderr } = await end(training(join(temporaryFolder(), 'run'), '--timeout', '1'));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error\[GROUP_FAILED\]: Rank 0 /m)]);
  });

  it('does not wait on after a signal', async () => {
    const port = await freePort();
    const alone = end(training(join(temporaryFolder(), 'run')), { RANK: '0', MASTER_PORT: String(port) });
    await untilListening(port);
    for (const child of launchers) child.kill('SIGTERM');
    expect(await alone).toMatchObject({ code: 143 });
  });

  it('computes alone with --no-group', async () => {
    const run = join(temporaryFolder(), 'run');
    expect(await end(training(run, '--no-group', '--epochs', '1'))).toMatchObject({ code: 0 });
    expect(readFileSync(join(run, 'options.yaml'), 'utf8')).not.toContain('ranks:');
  });

  it('is refused by an experiment, which each process would compute as a whole', async () => {
    const { code, stderr } = await end(['compare', '--source', source, '--data', data, '--target', 'vgg9_bn']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error\[INVALID_OPTION\]: A launcher .* --plan/m)]);
  });
});
