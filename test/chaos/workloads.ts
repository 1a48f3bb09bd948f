import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';
import { zip } from '../networks/weights/pth-writer.js';
import { libtorchFiles } from '../setup/places.js';
import { tinyData, tinySource } from '../tiny.js';
import { plannedTraining } from '../train/planned.js';
import type { Context } from './campaign.js';
import type { Faults, Operation } from './faults.js';
import { cli, type Ended, how, type Started } from './process.js';

/** Work of some seconds that writes files, can be interrupted, and can then be continued to the same files. */
export interface Workload {
  readonly name: string;
  /** Begins, or continues from the files in `folder` (which exists, and may be empty). */
  run(folder: string, options?: Started): Promise<Ended>;
  /** What interruptions must not change: file → a hash of its content. */
  outcome(folder: string): Record<string, string>;
  /** What is wrong with the files while nothing runs; a lock and temporary files may lie there. */
  damage(folder: string): Promise<string[]>;
}

const hash = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** Files with times, or with numbers computed from times, which differ from run to run. */
const timed = /(^|\/)(timing\.jsonl|sources\.json|comparison\.(md|csv|json)|report\.html)$/;

/** A hash of every file of a run or an experiment. */
export function hashes(folder: string): Record<string, string> {
  const entries = filesBelow(folder).map((name) => {
    const path = join(folder, name);
    // Paths of the folder itself differ from one copy to another.
    return [
      name,
      timed.test(name) ? 'is there' : hash(lstatSync(path).isFile() ? withoutPath(path, folder) : 'no file'),
    ];
  });
  return Object.fromEntries(entries);
}

function withoutPath(path: string, folder: string): Uint8Array | string {
  const bytes = readFileSync(path);
  return /\.(yaml|json)$/.test(path) ? bytes.toString('latin1').replaceAll(folder, '') : bytes;
}

/** What is wrong with the files under their final names: each must be whole. */
async function damagedFiles(folder: string): Promise<string[]> {
  const problems: string[] = [];
  for (const name of filesBelow(folder)) {
    const path = join(folder, name);
    try {
      if (name.endsWith('.safetensors')) await readSafetensors(path);
      if (name.endsWith('.json')) JSON.parse(readFileSync(path, 'utf8'));
      if (name.endsWith('.jsonl'))
        for (const line of readFileSync(path, 'utf8').trimEnd().split('\n')) if (line) JSON.parse(line);
    } catch (error) {
      problems.push(`${name} is damaged: ${error}`);
    }
  }
  return problems;
}

type Training = readonly [verb: string, begun: string, flags: readonly string[]];

function training([verb, begun, flags]: Training): Workload {
  return {
    name: verb,
    run: (folder, options) => {
      const out = join(folder, 'out');
      return cli(existsSync(join(out, begun)) ? [verb, '--resume', out] : [verb, ...flags, '--out', out], options);
    },
    outcome: (folder) => hashes(join(folder, 'out')),
    damage: (folder) => damagedFiles(join(folder, 'out')),
  };
}

/** transfer, pretrain, compare and setup, on data so small that each takes seconds. `folder` keeps the data. */
export async function makeWorkloads(folder: string): Promise<Workload[]> {
  const data = tinyData();
  const source = await tinySource();
  const flags = (given: Readonly<Record<string, string | number>>) =>
    Object.entries(given).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const tiny = { data, batch: 3, threads: 1, lr: 0.01, 'save-every': 0.05 };
  const target = { target: 'vgg9_bn', width: 0.125 };
  return [
    training(['transfer', 'options.yaml', flags({ ...tiny, ...target, source, pairs: '8-3,5-1', epochs: 3 })]),
    training([
      'compare',
      'plan.yaml',
      flags({
        ...tiny,
        ...target,
        source,
        methods: 'scratch,fm',
        'source-finetune': 1,
        seeds: 1,
        parallel: 1,
        epochs: 2,
      }),
    ]),
    training(['pretrain', 'options.yaml', flags({ ...tiny, network: 'resnet20', batch: 12, epochs: 2 })]),
    trainingStages(data, await tinySource({ width: 0.25 })),
    settingUp(folder),
  ];
}

/** The stages of `train`, from a plan that is the same in each try: what is timed would differ. */
function trainingStages(data: string, source: string): Workload {
  return {
    name: 'train',
    run: (folder, options) => {
      const out = join(folder, 'out');
      if (!existsSync(join(out, 'decisions.json'))) plannedTraining(out, { data, source });
      return cli(['train', '--resume', out], options);
    },
    // States know the path of the teacher, and the last decision is a time.
    outcome: (folder) => {
      const files = Object.entries(hashes(join(folder, 'out')));
      const kept = files.map(([name, text]) => (/state|decisions/.test(name) ? [name, 'is there'] : [name, text]));
      return Object.fromEntries(kept);
    },
    damage: (folder) => damagedFiles(join(folder, 'out')),
  };
}

/** Set-up from a LibTorch archive. Its library is a real one, since set-up loads it. */
function settingUp(folder: string): Workload {
  const library = join(folder, 'libtorch.so');
  execFileSync('g++', ['-shared', '-x', 'c', '/dev/null', '-o', library]);
  const files = libtorchFiles().map(
    ([name, content]) => [name, name === 'lib/libtorch.so' ? readFileSync(library) : content] as const,
  );
  const extra = Array.from({ length: 40 }, (_, k) => [`include/part${k}.h`, Buffer.alloc(20_000, k)] as const);
  const archive = join(folder, 'libtorch.zip');
  writeFileSync(
    archive,
    zip(
      [...files, ...extra].map(([name, content]) => [`libtorch/${name}`, content]),
      { deflate: true },
    ),
  );
  return {
    name: 'setup',
    run: (data, options) => {
      mkdirSync(data, { recursive: true });
      return cli(['setup', '--from', archive], { ...options, env: { ...options?.env, XDG_DATA_HOME: data } });
    },
    // A killed one's folder is removed a day later.
    outcome: (data) =>
      Object.fromEntries(Object.entries(hashes(data)).filter(([name]) => !name.includes('/.unpacking-'))),
    // LibTorch must be there whole or not at all.
    damage: async (data) => {
      const place = filesBelow(data).filter((name) => /^l2t-native\/libtorch\//.test(name));
      return place.length === 0 || place.length === files.length + extra.length
        ? []
        : [`a part of LibTorch: ${place.length} files`];
    },
  };
}

/** `outcome` of an undisturbed run, and how long it takes, seconds. */
async function reference(
  workload: Workload,
  folder: string,
): Promise<{ outcome: Record<string, string>; seconds: number }> {
  mkdirSync(folder, { recursive: true });
  const ended = await workload.run(folder);
  if (ended.code !== 0) throw new Error(`${workload.name}, undisturbed: ${how(ended)}`);
  return { outcome: workload.outcome(folder), seconds: ended.seconds };
}

/** How two outcomes differ; empty where they don't. */
export function differences(expected: Record<string, string>, got: Record<string, string>): string[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(got)])];
  const differing = names.filter((name) => expected[name] !== got[name]);
  const problem = (name: string) =>
    expected[name] === undefined ? 'is left over' : got[name] === undefined ? 'is missing' : 'differs';
  const first = differing.slice(0, 5).map((name) => `${name} ${problem(name)}`);
  return differing.length > 5 ? [...first, `and ${differing.length - 5} more`] : first;
}

/** A workload, and its outcome without disturbance. */
export interface Prepared {
  readonly workload: Workload;
  readonly outcome: Record<string, string>;
  readonly seconds: number;
}

/** Adds how often the workload makes each call. */
export interface Counted extends Prepared {
  readonly counts: Readonly<Record<Operation, number>>;
}

export async function prepare(context: Context): Promise<Prepared[]> {
  const prepared: Prepared[] = [];
  for (const workload of await makeWorkloads(context.folder)) {
    prepared.push({ workload, ...(await reference(workload, join(context.folder, `undisturbed-${workload.name}`))) });
  }
  return prepared;
}

export async function prepareCounted(context: Context, faults: Faults): Promise<Counted[]> {
  const prepared: Counted[] = [];
  for (const workload of await makeWorkloads(context.folder)) {
    const folder = join(context.folder, `counted-${workload.name}`);
    const { counts, result } = await faults.count(folder, (env) =>
      reference({ ...workload, run: (at) => workload.run(at, { env }) }, folder),
    );
    prepared.push({ workload, counts, ...result });
  }
  return prepared;
}

/** Continues without disturbance: the files must be those of the undisturbed run, and no others. */
export async function finish(
  context: Context,
  k: number,
  { workload, outcome }: Prepared,
  folder: string,
  after: string,
): Promise<void> {
  const said = `${workload.name}, after ${after}`;
  for (const problem of await workload.damage(folder)) context.find(`${said}: ${problem}`, k);
  const ended = await workload.run(folder);
  if (ended.code !== 0) return context.find(`${said}, resumed: ${how(ended)}`, k);
  const differing = differences(outcome, workload.outcome(folder));
  if (differing.length > 0) context.find(`${said}, resumed: ${differing.join('; ')}`, k);
}
