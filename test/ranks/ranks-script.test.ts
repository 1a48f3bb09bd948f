import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../setup/files.mjs';
import { addon } from '../../src/native/addon.js';
import { freePort } from '../../tools/free-port.js';
import { contentsOf } from '../outcomes.js';
import { cli, cliUntil, main, newPath, run, temporaryFolder, tinyData, tinyFlags, tinySource } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const joins = addon().groups();
const without = joins ? '' : ' (skipped: this build has no c10d)';

/** The processes that a test started; they are killed after it, even if it fails. */
const launchers = new Set<{ kill(signal: NodeJS.Signals): boolean }>();
afterEach(() => {
  for (const launcher of launchers) launcher.kill('SIGTERM');
  launchers.clear();
});

const ranksScript = join(packageRoot, 'examples/ranks.sh');
const ranks = (count: number) => ({ by: [ranksScript, String(count)] });
const training = (out: string, ...more: string[]) => [
  ...['transfer', '--source', source, '--data', data, '--out', out, '--no-report', ...tinyFlags, ...more],
];

/** A run of two ranks that is under way for long. */
async function longRun(...more: string[]) {
  const run = newPath();
  const started = await cliUntil(training(run, '--epochs', '5000', ...more), /epoch +1\/5000/, ranks(2));
  launchers.add(started.child);
  const pids = processesOf(run).filter((pid) => rankOf(pid) >= 0);
  expect(pids).toHaveLength(2);
  return { ...started, run, pids };
}

/** The processes that name a folder: those of the script, then the ranks in order. */
function processesOf(folder: string): number[] {
  const named = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    const words = commandOf(name);
    return words.includes(folder) && words.includes(main);
  });
  return named.map(Number).sort((a, b) => rankOf(a) - rankOf(b));
}

/** -1 of the script, and of a process that has ended. */
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

const untilGone = (run: string) => vi.waitFor(() => expect(processesOf(run)).toEqual([]), 30_000);

/** Waits until Linux lists a socket that listens on the port. */
function untilListening(port: number): Promise<void> {
  const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 0A `);
  return vi.waitFor(() => expect(readFileSync('/proc/net/tcp', 'utf8')).toMatch(listening), 30_000);
}

/** Runs a command of bash as each rank. Its output, by lines in order. */
async function inRanks(count: number, command: string, given: Readonly<Record<string, string>> = {}) {
  const env = { OMP_NUM_THREADS: undefined, MASTER_PORT: undefined, ...given };
  const { code, stdout } = await run([ranksScript, String(count), 'bash', '-c', command], { env });
  return { code, lines: stdout.trim().split('\n').sort() };
}

describe('the ranks of a command', { timeout: 60_000 }, () => {
  const printPlace = 'echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR $MASTER_PORT $OMP_NUM_THREADS';

  it('have their place, one port, and their part of the cores', async () => {
    const { OMP_NUM_THREADS: _, ...env } = process.env;
    const threads = Math.max(1, Math.floor(Number(execFileSync('nproc', { env, encoding: 'utf8' })) / 3));
    const { code, lines } = await inRanks(3, printPlace);
    const port = Number(lines[0]?.split(' ')[5]);
    expect(port).toBeGreaterThanOrEqual(15_000);
    expect(lines).toEqual([0, 1, 2].map((rank) => `${rank} ${rank} 3 3 127.0.0.1 ${port} ${threads}`));
    expect(code).toBe(0);
    const given = await inRanks(1, printPlace, { MASTER_PORT: '29500', OMP_NUM_THREADS: '5' });
    expect(given.lines).toEqual(['0 0 1 1 127.0.0.1 29500 5']);
  });

  // Side by side, because each lasts the 20 s until SIGKILL.
  it.concurrent.each([
    ['fails', 'exit 7', 7],
    ['is killed', 'kill -KILL $$', 137],
  ])('end where one %s, by SIGKILL if need be, and its exit code is returned', async (_, how, code) => {
    const ready = temporaryFolder();
    const script = `
      echo $$
      case $RANK in
        0) trap 'echo ended; exit' TERM ;;
        1) until [ -e ${ready}/0 ] && [ -e ${ready}/2 ]; do sleep 0.1; done; ${how} ;;
        2) trap '' TERM ;;
      esac
      touch ${ready}/$RANK
      while :; do sleep 0.1; done`;
    const { code: returned, lines } = await inRanks(3, script);
    expect(returned).toBe(code);
    expect(lines).toContain('ended');
    const pids = lines.filter((line) => /^\d+$/.test(line));
    expect(pids).toHaveLength(3);
    await vi.waitFor(() => expect(pids.filter((pid) => commandOf(pid).includes('bash'))).toEqual([]), 10_000);
  });

  it.each([[[]], [['2']], [['0', 'true']], [['two', 'true']]])('%j says how it is used', async (args) => {
    expect(await run([ranksScript, ...args])).toMatchObject({ code: 2, stderr: 'usage: ranks.sh N COMMAND …\n' });
  });
});

describe.skipIf(!joins)(`a run that examples/ranks.sh starts${without}`, { timeout: 120_000 }, () => {
  let alone: string;
  beforeAll(async () => {
    alone = newPath('alone');
    expect(await cli(training(alone, '--seed', '1'))).toMatchObject({ code: 0 });
  });

  it('by three processes has the losses of one process', async () => {
    const several = newPath('several');
    const { code, stdout, stderr } = await cli(training(several, '--seed', '1', '--json'), ranks(3));
    expect([code, stderr]).toEqual([0, expect.stringContaining('l2t-ww: vgg9_bn')]);
    expect(JSON.parse(stdout)).toMatchObject({ run: several, total: 30 });
    const lossesOf = (run: string) =>
      readFileSync(join(run, 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).losses.org as number);
    lossesOf(several).forEach((loss, epoch) => {
      expect(Math.abs(loss - (lossesOf(alone)[epoch] as number))).toBeLessThan(1e-3);
    });
  });

  it('by as many processes gives the same bits, with images decoded on the way and a rate that is found', async () => {
    const [first, second] = [newPath(), newPath()];
    const more = ['--size', '64', '--epochs', '1', '--lr', 'auto'];
    for (const run of [first, second]) {
      expect(await cli(training(run, ...more), ranks(2))).toMatchObject({ code: 0 });
    }
    const files = ['rate.json', 'metrics.jsonl', 'best.safetensors'];
    expect(contentsOf(second, files)).toEqual(contentsOf(first, files));
  });

  it('and evaluated gives what one process gives', async () => {
    const network = join(alone, 'best.safetensors');
    const evaluation = ['eval', network, '--data', data, '--batch', '7', '--threads', '1', '--json'];
    const [one, several] = [await cli(evaluation), await cli(evaluation, ranks(3))];
    expect(several).toMatchObject({ code: 0, stdout: one.stdout });
    expect(one.code).toBe(0);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const)('ends by %s to the script in good order, and goes on by one process', async (signal, code) => {
    const { child, ended, run } = await longRun();
    child.kill(signal);
    const { stderr, ...outcome } = await ended;
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(stderr).toContain(`l2t-native transfer --resume ${run}\n`);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
    expect(existsSync(join(run, 'lock.holder'))).toBe(false);
    const resumed = await cliUntil(['transfer', '--resume', run], /epoch/);
    launchers.add(resumed.child);
    resumed.child.kill('SIGTERM');
    expect((await resumed.ended).stderr).toContain('was computed by 2 processes so far, and goes on with 1');
  });

  it('ends by a signal to any rank, too', async () => {
    const { ended, run, pids } = await longRun();
    process.kill(pids[1] as number, 'SIGTERM');
    const { code, stderr } = await ended;
    expect([130, 143]).toContain(code);
    expect(stderr.match(/^error\[ABORTED\]/gm)).toHaveLength(2);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
  });

  it('ends if a rank is killed, with its exit code', async () => {
    const { ended, run, pids } = await longRun();
    process.kill(pids[1] as number, 'SIGKILL');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([137, expect.stringMatching(/^error\[GROUP_FAILED\]: Rank 1 /m)]);
    await untilGone(run);
  });

  // Rank 0 serves the store in which the others look for the rank to blame.
  it('ends if rank 1, or rank 0, stands still for longer than --timeout', async () => {
    const still = async (rank: number) => {
      const { ended, run, pids } = await longRun('--timeout', '10');
      process.kill(pids[rank] as number, 'SIGSTOP');
      const { code, stderr } = await ended;
      expect([code, stderr]).toEqual([1, expect.stringContaining(`error[GROUP_FAILED]: Rank ${rank} `)]);
      await untilGone(run);
    };
    await Promise.all([still(1), still(0)]);
  });

  it('goes on if the script is killed, until a signal to one of its ranks', async () => {
    const { child, ended, run, pids } = await longRun();
    child.kill('SIGKILL');
    const epochs = () => readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n').length;
    const before = epochs();
    await vi.waitFor(() => expect(epochs()).toBeGreaterThan(before), 30_000);
    process.kill(pids[1] as number, 'SIGTERM');
    expect((await ended).signal).toBe('SIGKILL');
    await untilGone(run);
    expect(existsSync(join(run, 'state.safetensors'))).toBe(true);
    expect(existsSync(join(run, 'lock.holder'))).toBe(false);
  });

  it('ends if a rank is refused', async () => {
    const run = newPath();
    const { code, stderr, stdout } = await cli(training(run, '--engine', 'autograd'), ranks(2));
    expect([code, stdout]).toEqual([2, '']);
    const refusal =
      'error[INVALID_OPTION]: --engine autograd computes in one process, and this run has 2: leave it out, or compute in one process (on the command line: --no-group).';
    expect(stderr.split('\n').filter((line) => line === refusal)).toHaveLength(2);
    expect(existsSync(run)).toBe(false);
  });
});

describe.skipIf(!joins)(`a process in the environment of torchrun${without}`, { timeout: 60_000 }, () => {
  const env = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '19' };
  const end = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
    cli(args, { env: { ...env, ...more }, meanwhile: (child) => launchers.add(child) });

  it('waits for rank 0 as long as it is told to', async () => {
    const { code, stderr } = await end(training(newPath(), '--timeout', '1'));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error\[GROUP_FAILED\]: Rank 0 /m)]);
  });

  it('does not wait on after a signal', async () => {
    const port = await freePort();
    const alone = end(training(newPath()), { RANK: '0', MASTER_PORT: String(port) });
    await untilListening(port);
    for (const child of launchers) child.kill('SIGTERM');
    expect(await alone).toMatchObject({ code: 143 });
  });

  it('computes alone with --no-group', async () => {
    const run = newPath();
    expect(await end(training(run, '--no-group', '--epochs', '1'))).toMatchObject({ code: 0 });
    expect(readFileSync(join(run, 'options.yaml'), 'utf8')).toMatch(/^ranks: 1$/m);
  });

  it('is refused by an experiment, which each process would compute as a whole', async () => {
    const { code, stderr } = await end(['compare', '--source', source, '--data', data, '--target', 'vgg9_bn']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error\[INVALID_OPTION\]: A launcher .* --plan/m)]);
  });
});
