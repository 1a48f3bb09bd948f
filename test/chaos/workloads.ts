import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors } from '../../src/networks/weights/safetensors.js';
import { zip } from '../networks/weights/pth-writer.js';
import { libtorchFiles } from '../setup/places.js';
import { filesBelow, type Outcome, type Start, tinyData, tinySource } from '../tiny.js';
import { plannedTraining } from '../train/planned.js';
import { cli } from './processes.js';

export type Files = Readonly<Record<string, string>>;

/** Work of some seconds that writes files, can be interrupted, and can then be continued to the same files. */
export interface Workload {
  readonly name: string;
  run(folder: string, start?: Start): Promise<Outcome & { readonly seconds: number }>;
  /** The files that interruptions must not change → a hash of the content of each. */
  files(folder: string): Files;
  /** Returns what is wrong with the files while nothing runs; a lock and temporary files are allowed. */
  damage(folder: string): Promise<string[]>;
}

/** Files with times, or with numbers computed from times, which differ from run to run. */
const timed = /(^|\/)(timing\.jsonl|sources\.json|comparison\.(md|csv|json)|report\.html)$/;

/** A hash of every file of a run or an experiment, but of those that match `changing`. */
export function hashes(folder: string, changing = timed): Files {
  const content = (path: string): string => {
    if (!lstatSync(path).isFile()) return 'no file';
    const text = readFileSync(path, 'latin1');
    // Paths of the folder itself differ from one copy to another.
    return hash('sha256', /\.(yaml|json)$/.test(path) ? text.replaceAll(folder, '') : text);
  };
  const files = filesBelow(folder);
  return Object.fromEntries(files.map((name) => [name, changing.test(name) ? '' : content(join(folder, name))]));
}

/** How two outcomes differ; empty where they don't. */
export function differences(expected: Files, got: Files): string[] {
  const names = Object.keys({ ...expected, ...got }).filter((name) => expected[name] !== got[name]);
  const problem = (name: string) => (name in expected ? (name in got ? 'differs' : 'is missing') : 'is left over');
  return names.slice(0, 6).map((name) => `${name} ${problem(name)}`);
}

/** Returns what is wrong with the files under their final names: each must be whole. */
async function damagedFiles(folder: string): Promise<string[]> {
  const problems: string[] = [];
  for (const name of filesBelow(folder)) {
    const path = join(folder, name);
    try {
      if (name.endsWith('.safetensors')) await readSafetensors(path);
      if (name.endsWith('.json')) JSON.parse(readFileSync(path, 'utf8'));
      if (name.endsWith('.jsonl')) for (const line of readFileSync(path, 'utf8').trim().split('\n')) JSON.parse(line);
    } catch (error) {
      problems.push(`${name} is damaged: ${error}`);
    }
  }
  return problems;
}

/** A verb that is resumed in `out` as soon as the file `begun` is there. `changing`: files that differ from run to run. */
function training(name: string, begun: string, options: Readonly<Record<string, unknown>>, changing = timed): Workload {
  const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
  return {
    name,
    run: (folder, start) => {
      const out = join(folder, 'out');
      return cli(existsSync(join(out, begun)) ? [name, '--resume', out] : [name, ...flags, '--out', out], start);
    },
    files: (folder) => hashes(join(folder, 'out'), changing),
    damage: (folder) => damagedFiles(join(folder, 'out')),
  };
}

export type Given = Readonly<Record<'data' | 'source' | 'teacher' | 'archive', string>>;

export async function makeGiven(folder: string): Promise<Given> {
  // A LibTorch archive. Its library is a real one, since set-up loads it.
  const [library, archive] = [join(folder, 'libtorch.so'), join(folder, 'libtorch.zip')];
  execFileSync('g++', ['-shared', '-x', 'c', '/dev/null', '-o', library]);
  const headers = Array.from({ length: 40 }, (_, k) => [`include/part${k}.h`, Buffer.alloc(20_000, k)] as const);
  const files = [...libtorchFiles(), ...headers].map(([name, content]) => {
    return [`libtorch/${name}`, name === 'lib/libtorch.so' ? readFileSync(library) : content] as const;
  });
  writeFileSync(archive, zip(files, { deflate: true }));
  return { data: tinyData(), source: await tinySource(), teacher: await tinySource({ width: 0.25 }), archive };
}

/** transfer, compare, pretrain, train and setup, on data so small that each takes seconds. */
export function workloads({ data, source, teacher, archive }: Given): Workload[] {
  const tiny = { data, batch: 3, threads: 1, lr: 0.01, 'save-every': 0.05 };
  const target = { ...tiny, target: 'vgg9_bn', width: 0.125, source };
  const compared = { methods: 'scratch,fm', 'source-finetune': 1, seeds: 1, parallel: 1, epochs: 2 };
  // States know the path of the teacher, and the last decision is a time.
  const stages = training('train', 'decisions.json', {}, new RegExp(`${timed.source}|state|decisions`));
  return [
    training('transfer', 'options.yaml', { ...target, pairs: '8-3,5-1', epochs: 3 }),
    training('compare', 'plan.yaml', { ...target, ...compared }),
    training('pretrain', 'options.yaml', { ...tiny, network: 'resnet20', batch: 12, epochs: 2 }),
    {
      ...stages,
      // From a plan that is the same in each try: what is timed would differ.
      run: (folder, start) => {
        const out = join(folder, 'out');
        if (!existsSync(join(out, 'decisions.json'))) plannedTraining(out, { data, source: teacher });
        return stages.run(folder, start);
      },
    },
    {
      name: 'setup',
      run: (home, start) =>
        cli(['setup', '--from', archive], { ...start, env: { ...start?.env, XDG_DATA_HOME: home } }),
      // A killed one's folder is removed a day later.
      files: (home) =>
        Object.fromEntries(Object.entries(hashes(home)).filter(([name]) => !name.includes('/.unpacking-'))),
      // LibTorch must be there whole or not at all: 43 files.
      damage: async (home) => {
        const { length } = filesBelow(home).filter((name) => name.startsWith('l2t-native/libtorch/'));
        return [0, 43].includes(length) ? [] : [`a part of LibTorch: ${length} files`];
      },
    },
  ];
}
