#!/usr/bin/env node
/**
 * `npx tsx tools/timing/against.ts FOLDER`: times the native engine of the build in FOLDER, such as a checkout of an older
 * commit, and that of this checkout, in turn, and prints minima, medians and ratios. Each turn is a process of its own:
 * `l2t-native bench` of the build.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { packageRoot } from '../../setup/files.mjs';
import { type BenchResult, type Seconds, secondsOf } from '../../src/bench/bench.js';
import { table } from '../../src/cli/table.js';
import { L2TError } from '../../src/errors.js';
import { type Flags, timingCommand, whole } from './flags.js';

/** A checkout of the program with its own build. */
export interface State {
  /** The commit, or where there is none the folder's name. */
  readonly title: string;
  /** The script behind the command l2t-native. */
  readonly script: string;
}

interface Settings extends Pick<Flags, 'case' | 'rounds' | 'threads'> {
  /** Timed iterations of a turn. */
  readonly iterations: number;
}

/** @throws L2TError INVALID_OPTION for a folder that is no built checkout. */
export async function stateIn(path: string): Promise<State> {
  const folder = resolve(path);
  const description = join(folder, 'package.json');
  const { bin } = (existsSync(description) ? JSON.parse(readFileSync(description, 'utf8')) : {}) as {
    readonly bin?: Readonly<Record<string, string>>;
  };
  const script = join(folder, bin?.['l2t-native'] ?? '');
  if (bin?.['l2t-native'] === undefined || !existsSync(script)) {
    const advice = 'give a checkout in which `node setup/bootstrap.mjs` has run';
    throw new L2TError('INVALID_OPTION', `${folder} holds no build of l2t-native: ${advice}.`);
  }
  const commit = promisify(execFile)('git', ['-C', folder, 'describe', '--always', '--dirty']);
  return { title: await commit.then(({ stdout }) => stdout.trim()).catch(() => basename(folder)), script };
}

/** A turn of a state: a warm-up and some iterations. */
export async function turn({ script }: State, { case: name, iterations, threads }: Settings): Promise<Seconds> {
  // A build that the environment names would be that of both.
  const { L2T_NATIVE_BUILD: _, ...env } = process.env;
  const flags = ['--engines', 'native', '--rounds', `${iterations}`, '--threads', `${threads}`, '--json'];
  const words = [script, 'bench', '--case', name, ...flags];
  const { stdout } = await promisify(execFile)(process.execPath, words, { env, maxBuffer: 2 ** 26 });
  return ((JSON.parse(stdout) as BenchResult).cases[0] as BenchResult['cases'][number]).seconds;
}

/** Lets two states take turns. Who begins a round changes, so that a machine that drifts affects both alike. */
export async function alternate(
  [other, current]: readonly [State, State],
  rounds: number,
  time: (state: State, round: number) => Promise<Seconds>,
) {
  const turns = new Map<State, Seconds[]>([
    [other, []],
    [current, []],
  ]);
  for (let round = 1; round <= rounds; round++) {
    for (const state of round % 2 === 1 ? [other, current] : [current, other]) {
      turns.get(state)?.push(await time(state, round));
    }
  }
  const [before, now] = [timesOf(turns.get(other)), timesOf(turns.get(current))];
  /** The other state's time ÷ this one's. */
  const ratio = { min: before.min / now.min, median: before.median / now.median };
  return { other: before, current: now, ratio };
}

/** Returns the minimum of a state's turns and the median of their medians. */
const timesOf = (turns: readonly Seconds[] = []) => ({
  turns,
  min: secondsOf(turns.map(({ min }) => min)).min,
  median: secondsOf(turns.map(({ median }) => median)).median,
});

async function main(folder: string, { json, ...settings }: Settings & { readonly json?: boolean }): Promise<void> {
  const states = [await stateIn(folder), await stateIn(packageRoot)] as const;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  say(`${settings.case}; load of the machine before: ${loadavg()[0]?.toFixed(2)}`);
  const result = await alternate(states, settings.rounds, async (state, round) => {
    const seconds = await turn(state, settings);
    say(`round ${round} of ${settings.rounds}: ${state.title} ${seconds.min.toFixed(4)} s`);
    return seconds;
  });
  const titles = [...states.map(({ title }) => title), 'ratio'];
  const rows = Object.values(result).map(({ min, median }, k) => [titles[k] ?? '', min.toFixed(4), median.toFixed(4)]);
  const text = json ? JSON.stringify({ ...settings, titles, ...result }) : table(['', 'min s', 'median s'], rows);
  process.stdout.write(`${text}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await timingCommand('bench:against', 'turns of each state')
    .argument('<folder>', 'a checkout of another state, with its own build')
    .option('--iterations <n>', 'timed iterations of a turn', whole, 3)
    .option('--json', 'print the result as one JSON document')
    .action(main)
    .parseAsync();
}
